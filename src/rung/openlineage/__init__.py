"""OpenLineage events of trainings and ingests: into a file beside the logs, and to a server, if `rung.toml` names one.

`rung.training` and `rung.data` call it when something begins and when it ended. It never raises, and never waits for a
server: what is in the file is sent by a process of its own, and again later when nobody took it. Standard library only.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.openlineage._event import Status
    from rung.openlineage._outbox import emit_ingest, emit_training, send_soon

__all__ = ["Status", "emit_ingest", "emit_training", "send_soon"]

__getattr__ = exports(
    __name__,
    {"Status": "_event", "emit_ingest": "_outbox", "emit_training": "_outbox", "send_soon": "_outbox"},
)
