"""What answers predictions: the author's handlers as a FastAPI application.

Authors import `Artifact` and `create_serving_app` in `serve/app.py`. The control plane starts `rung.serving.server`.
Names are imported when they are first used: who reads a bundle does not wait for a web framework.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.serving._app import create_serving_app, handlers_of, needed_artifacts
    from rung.serving._artifact import Artifact, Artifacts, bind_artifacts, converted_artifacts
    from rung.serving._bundle import Bundle, read_bundle, write_bundle
    from rung.serving._custom import metric
    from rung.serving._explaining import explained_artifact, native
    from rung.serving._features import bind_features, missing_features, needed_features
    from rung.serving._handler import Handler

__all__ = [
    "Artifact",
    "Artifacts",
    "Bundle",
    "Handler",
    "bind_artifacts",
    "bind_features",
    "converted_artifacts",
    "create_serving_app",
    "explained_artifact",
    "handlers_of",
    "metric",
    "missing_features",
    "native",
    "needed_artifacts",
    "needed_features",
    "read_bundle",
    "write_bundle",
]

__getattr__ = exports(
    __name__,
    {
        **dict.fromkeys(("create_serving_app", "handlers_of", "needed_artifacts"), "_app"),
        **dict.fromkeys(("Artifact", "Artifacts", "bind_artifacts", "converted_artifacts"), "_artifact"),
        **dict.fromkeys(("Bundle", "read_bundle", "write_bundle"), "_bundle"),
        "metric": "_custom",
        **dict.fromkeys(("explained_artifact", "native"), "_explaining"),
        **dict.fromkeys(("bind_features", "missing_features", "needed_features"), "_features"),
        "Handler": "_handler",
    },
)
