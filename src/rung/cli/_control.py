"""The CLI's way to the control plane: its REST API, found through the workspace, or where `--control` says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import httpx2

from rung._http import verify
from rung.cli import _remote
from rung.cli._terminal import state
from rung.control.place import Address, Place, read_address
from rung.errors import (
    BrokenError,
    CallError,
    ConflictError,
    ControlPlaneError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    RungError,
    UnavailableError,
)
from rung.training._record import user_name
from rung.workspace import find

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

_KINDS: dict[int, type[RungError]] = {
    401: NotAuthenticatedError,
    403: NotAllowedError,
    404: NotFoundError,
    409: ConflictError,
    422: CallError,
    429: UnavailableError,
    500: BrokenError,
    503: UnavailableError,
}
_TIMEOUT_S = 120.0  # resolving requirements may ask an index
_POLL_S = 0.3
_PATIENCE_S = 60.0  # how long a watcher waits for a control plane that went away


class Control:
    """Calls of one control plane; found again when it was started anew."""

    def __init__(self, place: Place | None = None, *, url: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._remote = None if place is not None else url or _remote.chosen()
        self._place = None if self._remote is not None else place or Place(workspace=find())
        self._clients: dict[tuple[str, str | None], httpx2.Client] = {}

    def get(self, path: str, **parameters: Any) -> Any:
        """Read.

        Raises:
            ControlPlaneError: It does not answer.
            RungError: It refused, with its reason.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._ask("GET", path, params=given)

    def text(self, path: str) -> str:
        """Read what is not JSON.

        Raises:
            ControlPlaneError: It does not answer.
            RungError: It refused, with its reason.
        """
        return self._answer("GET", path).text

    def post(self, path: str, body: Any = None) -> Any:
        """Do.

        Raises:
            ControlPlaneError: It does not answer.
            RungError: It refused, with its reason.
        """
        return self._ask("POST", path, json=body)

    def address(self) -> Address:
        """Tell where it listens.

        Raises:
            ControlPlaneError: None was started here.
            NotAuthenticatedError: It is elsewhere, and there is no token for it.
        """
        if self._place is None:
            assert self._remote is not None  # noqa: S101  one of the two is there
            return Address(url=self._remote, token=_remote.token_for(self._remote), pid=0, gateway="")
        return read_address(self._place)

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        return self._answer(method, path, **more).json()

    def _answer(self, method: str, path: str, **more: Any) -> httpx2.Response:
        address = self.address()
        name = "".join(filter(str.isprintable, user_name()))
        headers = {b"authorization": f"Bearer {address.token}".encode(), b"x-rung-user": name.encode()}
        try:
            answer = self._client(address).request(method, path, headers=headers, **more)
        except httpx2.TransportError as error:
            raise self._away(address, error) from error
        if answer.is_error:
            _refuse(answer)
        return answer

    def _client(self, address: Address) -> httpx2.Client:
        """Give the client of an address; what it needs for TLS takes a tenth of a second to make."""
        key = address.url, address.certificate
        if key not in self._clients:
            if address.certificate is None:
                trusted: ssl.SSLContext | bool = verify(address.url)
            else:
                from rung.control._encryption import trust_exactly

                trusted = trust_exactly(Path(address.certificate))
            client = httpx2.Client(base_url=address.url, timeout=self._timeout_s, verify=trusted)
            self._clients[key] = client
            if context := click.get_current_context(silent=True):
                context.call_on_close(client.close)
        return self._clients[key]

    def _away(self, address: Address, error: httpx2.TransportError) -> ControlPlaneError:
        """Tell that nobody answers, and why where there is TLS."""
        told = f"the control plane at {address.url} does not answer"
        if self._place is not None and address.certificate is None:
            return ControlPlaneError(told, hint="start it with `rung up --detach`")
        return ControlPlaneError(f"{told} ({error})", hint="is it up, and is its certificate trusted (SSL_CERT_FILE)?")

    def events(self, service: str, *, after: int, is_over: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Follow what happens to a service until `is_over`; a control plane that goes away is waited for.

        Raises:
            ControlPlaneError: It stayed away.
        """
        away_since: float | None = None
        while True:
            try:
                over = is_over()  # asked first, so that the last events are still read
                events = self.get("/events", after=after, service=service)
            except ControlPlaneError:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > _PATIENCE_S:
                    raise
                time.sleep(_POLL_S)
                continue
            away_since = None
            for event in events:
                after = event["id"]
                yield event
            if over and not events:
                return
            time.sleep(_POLL_S)

    def last_event(self, service: str) -> int:
        """Give the id of the newest event of a service, to follow what comes after it."""
        after = 0
        while events := self.get("/events", after=after, service=service):
            after = events[-1]["id"]
        return after


def print_event(event: dict[str, Any]) -> None:
    """Print one event as a line."""
    kind = event["data"].get("kind", event["kind"])
    subject = event["data"].get("gate", "") if event["kind"] in ("gate", "verdict") else ""
    what = f"{subject} {state(kind)}" if event["kind"] == "verdict" else state(event["kind"])
    if event["kind"] == "gate":
        return
    click.echo(f"{event['time'][11:19]}  {event['subject']}  {what}: {event['because']}")


def _refuse(answer: httpx2.Response) -> NoReturn:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    kind = _KINDS.get(answer.status_code, BrokenError)
    error = kind(
        str(problem.get("detail") or f"the control plane answered {answer.status_code}"),
        hint=str(problem.get("hint") or "; ".join(f"{e['pointer']}: {e['detail']}" for e in problem.get("errors", ()))),
    )
    raise error
