"""The control plane's API over a real platform whose loop does not run: nothing is trained, served or routed."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx2
from login_provider import serving

from rung.access import Grant, Role, new_token
from rung.control._lead import Lead
from rung.control._platform import Platform
from rung.control.api.app import create_api
from rung.control.api.door import Guard
from rung.control.dashboard.app import add_dashboard
from rung.control.place import Place
from rung.registry import open_registry
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER = "the-owners-token"


@dataclass(slots=True, kw_only=True)
class Api:
    """A platform, and its API on loopback."""

    platform: Platform
    guard: Guard
    url: str
    stopped: threading.Event = field(default_factory=threading.Event)

    def token(self, name: str, *grants: Grant, lasts: timedelta = timedelta(hours=1)) -> str:
        """Make a token; give all of it."""
        made = new_token()
        expires = datetime.now(UTC) + lasts
        self.platform.registry.create_token(
            made, name=name, grants=grants, expires=expires, actor="tester", because="for a test"
        )
        return made.spelled

    def ask(self, method: str, path: str, token: str | None = OWNER, **more: Any) -> httpx2.Response:
        """Call it."""
        headers = {} if token is None else {"authorization": f"Bearer {token}", "x-rung-user": "tester"}
        headers |= more.pop("headers", {})
        return httpx2.request(method, f"{self.url}{path}", headers=headers, timeout=30, verify=False, **more)


def grant(role: str, service: str = "*") -> Grant:
    """A role in a service, or in all."""
    return Grant(role=Role(role), service=service)


@contextmanager
def platform_api(root: Path, settings: str = "") -> Iterator[Api]:
    """Serve the API of a new workspace for as long as the block lasts."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "rung.toml").write_text(f"gateway_port = 0\ncontrol_port = 0\n{settings}")
    place = Place(workspace=find(root))
    place.make()
    stopped = threading.Event()
    with open_registry(place.workspace.state) as registry:
        lead = Lead(place, registry)
        assert lead.take(threading.Event())
        platform = Platform.open(place, registry=registry, fence=lead.fence, gateway_port=1)
        guard = Guard.of(registry, owner_token=OWNER, login=place.workspace.settings().login)
        listener = socket.create_server(("127.0.0.1", 0))
        app = create_api(platform, guard=guard, shut_down=stopped.set)
        end_pages = add_dashboard(app, platform, guard, is_stopping=stopped.is_set)
        with serving(app, listener, proxy_headers=False):
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield Api(platform=platform, guard=guard, url=url, stopped=stopped)
        end_pages()
        lead.give_back()
