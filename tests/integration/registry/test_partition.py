"""A control plane that is cut off from the database: what it had under way arrives late, and is refused."""

from __future__ import annotations

import selectors
import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rung.errors import LeaseLostError, UnavailableError
from rung.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgresql import PostgresServer

SOCKET = ".s.PGSQL.5432"


@dataclass(slots=True)
class Wire:
    """What lies between a control plane and the database; while it is cut, bytes wait, and nobody is told."""

    server: Path
    folder: Path
    is_whole: threading.Event = field(default_factory=threading.Event)
    is_over: bool = False

    def carry(self, listener: socket.socket) -> None:
        while not self.is_over:
            with suppress(TimeoutError):
                client, _ = listener.accept()
                client.setblocking(True)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as both:
            server.connect(str(self.server / SOCKET))
            both.register(client, selectors.EVENT_READ, server)
            both.register(server, selectors.EVENT_READ, client)
            while not self.is_over:
                for ready, _ in both.select(0.1):
                    self.is_whole.wait()
                    part = ready.fileobj.recv(65_536)  # type: ignore[union-attr]  both are sockets
                    if not part:
                        return
                    ready.data.sendall(part)


@contextmanager
def wire(server: Path) -> Iterator[Wire]:
    with tempfile.TemporaryDirectory(prefix="rung-wire-") as folder, socket.socket(socket.AF_UNIX) as listener:
        made = Wire(server, Path(folder))
        made.is_whole.set()
        listener.bind(str(made.folder / SOCKET))
        listener.listen()
        listener.settimeout(0.1)
        carrier = threading.Thread(target=made.carry, args=(listener,))
        carrier.start()
        try:
            yield made
        finally:
            made.is_over = True
            made.is_whole.set()
            carrier.join()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_leader_that_was_cut_off_commits_nothing(tmp_path: Path, url: str, postgresql: PostgresServer):
    with (
        wire(postgresql.folder) as cable,
        open_registry(tmp_path, url.replace(str(postgresql.folder), str(cable.folder))) as far,
        open_registry(tmp_path, url) as near,
        ThreadPoolExecutor(2) as pool,
    ):
        assert far.take_lead("far", "/state", ttl_s=0.5).token == 1
        far.record_event("note", "housing", because="before", actor="far")
        cable.is_whole.clear()
        late = [
            pool.submit(far.record_event, "note", "housing", because="late", actor="far"),
            pool.submit(far.renew_lead),
        ]
        taken = None
        while taken is None:
            taken = near.take_lead("near", "/state", ttl_s=60)
        near.record_event("note", "housing", because="after", actor="near")

        cable.is_whole.set()

        for write in late:
            with pytest.raises((LeaseLostError, UnavailableError)):
                write.result(30)
        with pytest.raises(LeaseLostError):
            far.record_event("note", "housing", because="later", actor="far")
        assert [event.because for event in near.events()] == ["before", "after"]
        assert (near.lease().token, near.lease().holder) == (2, "near")
