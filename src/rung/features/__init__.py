"""Features: defined once, joined as of an instant in training, fetched from an online store while serving.

Authors write a `FeatureView` in `features.py` of their service, join it to the instances of a training, and let a
handler take `Depends(Features("house_stats"))`. Importing this package imports neither polars nor deltalake.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.features._features import Features
    from rung.features._historical import HistoricalSource
    from rung.features._join import join
    from rung.features._materialize import Materialized, materialize_view
    from rung.features._reader import Fetch, Fetched, Reader, Served, ViewOf
    from rung.features._recorded import Recorded
    from rung.features._sources import FakeSource, OnlineSource, Snapshot, Source
    from rung.features._state import State
    from rung.features._store import OnlineStore, Put, Read, open_store
    from rung.features._view import Feature, FeatureView
    from rung.features._views import load_views, view_of, views_of

__all__ = [
    "FakeSource",
    "Feature",
    "FeatureView",
    "Features",
    "Fetch",
    "Fetched",
    "HistoricalSource",
    "Materialized",
    "OnlineSource",
    "OnlineStore",
    "Put",
    "Read",
    "Reader",
    "Recorded",
    "Served",
    "Snapshot",
    "Source",
    "State",
    "ViewOf",
    "join",
    "load_views",
    "materialize_view",
    "open_store",
    "view_of",
    "views_of",
]

__getattr__ = exports(
    __name__,
    {
        "FakeSource": "_sources",
        "Feature": "_view",
        "FeatureView": "_view",
        "Features": "_features",
        "Fetch": "_reader",
        "Fetched": "_reader",
        "HistoricalSource": "_historical",
        "Materialized": "_materialize",
        "OnlineSource": "_sources",
        "OnlineStore": "_store",
        "Put": "_store",
        "Read": "_store",
        "Reader": "_reader",
        "Recorded": "_recorded",
        "Served": "_reader",
        "Snapshot": "_sources",
        "Source": "_sources",
        "State": "_state",
        "ViewOf": "_reader",
        "join": "_join",
        "load_views": "_views",
        "materialize_view": "_materialize",
        "open_store": "_store",
        "view_of": "_views",
        "views_of": "_views",
    },
)
