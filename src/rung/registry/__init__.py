"""The registry: what exists, what happened, and why. The only SQL of Rung.

`open_registry` gives it for a workspace's state; the control plane and the CLI use it. A training's end needs only
`record_run`. Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.registry._alert_rows import Alert, Delivery, Step
    from rung.registry._consumers import ConsumerKey
    from rung.registry._dump import Dump, read_dump
    from rung.registry._known import known_registry
    from rung.registry._lease import Lease
    from rung.registry._reads import Count
    from rung.registry._registry import Registry, open_registry
    from rung.registry._rows import Event, Experiment, Promotion, Revision, Shadow
    from rung.registry._runs import record_run
    from rung.registry._schema import Health, Migration

__all__ = [
    "Alert",
    "ConsumerKey",
    "Count",
    "Delivery",
    "Dump",
    "Event",
    "Experiment",
    "Health",
    "Lease",
    "Migration",
    "Promotion",
    "Registry",
    "Revision",
    "Shadow",
    "Step",
    "known_registry",
    "open_registry",
    "read_dump",
    "record_run",
]

__getattr__ = exports(
    __name__,
    {
        "Alert": "_alert_rows",
        "ConsumerKey": "_consumers",
        "Count": "_reads",
        "Delivery": "_alert_rows",
        "Dump": "_dump",
        "Event": "_rows",
        "Experiment": "_rows",
        "Health": "_schema",
        "Lease": "_lease",
        "Migration": "_schema",
        "Promotion": "_rows",
        "Registry": "_registry",
        "Revision": "_rows",
        "Shadow": "_rows",
        "Step": "_alert_rows",
        "known_registry": "_known",
        "open_registry": "_registry",
        "read_dump": "_dump",
        "record_run": "_runs",
    },
)
