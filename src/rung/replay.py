"""`rung why PREDICTION --replay`: one prediction again, by the revision that made it, from what is kept of both.

The revision is served once more from its own source snapshot, locked environment and artifacts, by itself and without a
log; what was asked then is asked again, and the answers are compared byte for byte. Called by the CLI.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2

from rung.compute import local
from rung.compute.environments import Environments, Lock
from rung.compute.threads import thread_limits
from rung.control.deployment.storage import Storage
from rung.control.deployment.trust import Trust
from rung.control.place import Place
from rung.control.servers import revision_environment
from rung.errors import ConflictError, NotFoundError, TaskError, UnavailableError
from rung.infrastructure import Infrastructure
from rung.lake import open_lake
from rung.lake._privacy import privacy_of
from rung.registry import open_registry
from rung.schema import RevisionName
from rung.serving import read_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rung.compute.environments import Environment
    from rung.infrastructure import ServingHardware
    from rung.lake._privacy import Privacy
    from rung.registry import Registry
    from rung.serving import Bundle
    from rung.workspace import Workspace

__all__ = ["Replay", "first_difference", "replay_prediction"]

_READY_S: Final = 180.0  # from the start of a server to its first answer, with cold caches
_BROUGHT_S: Final = 600.0  # for what lies in the storage
_LOOK_S: Final = 0.2
_TALE: Final = 5  # lines of a server's log that are told
_SHOWN: Final = 60  # letters of a value
_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How a repeated prediction compares."""

    prediction: str
    revision: str
    environment: str
    """Which environment it ran in this time."""
    then: Any
    """What was answered when it was logged: predictions, or the problem."""
    now: Any
    pointer: str | None
    """JSON pointer to the first value that differs; None: the answers are the same, byte for byte."""
    because: str

    @property
    def is_identical(self) -> bool:
        """Every byte is the same."""
        return self.pointer is None


def replay_prediction(workspace: Workspace, prediction: str, *, report: Callable[[str], None] | None = None) -> Replay:
    """Make a logged prediction again and compare.

    Args:
        workspace: Where it was made; its registry and its lake must be in reach.
        prediction: Its id.
        report: Is told what happens, one line at a time.

    Raises:
        NotFoundError: No prediction of that id was logged, or its revision is gone.
        ConflictError: What was asked then was not kept whole.
        IntegrityError: The revision's files are not those that it was trained with.
        EnvironmentBuildError: Its environment cannot be made again.
        TaskError: Its server does not come up this time.
    """
    tell = report or (lambda _: None)
    place = Place(workspace=workspace)
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        row = _logged(place, prediction)
        privacy = privacy_of(workspace, row["service"])
        _check_kept(row, privacy)
        name = RevisionName.parse(row["revision"])
        tell(f"{name} answered {row['route']} at {row['time'].isoformat(timespec='milliseconds')}")
        bundles = _verified(place, registry, name)
        environment, told = _environment(place, registry, name)
        tell(told)
        bundle = read_bundle(workspace.state, str(name))
        fetched = row.get("features")
        again = _Again(name=name, bundle=bundle, environment=environment, bundles=bundles, fetched=fetched)
        with _server(place, again) as client:
            tell("asking the same again")
            answer = client.post(f"/{row['route']}", content=_body(row), headers=_headers(row, bundle))
    return _compared(row, answer, privacy, told)


def first_difference(one: Any, other: Any) -> str | None:
    """Give the JSON pointer (RFC 6901) to the first value that differs; None when there is none.

    >>> first_difference([{"price": 1.0}], [{"price": 2.0}])
    '/0/price'
    """
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            spelled = "/" + str(key).replace("~", "~0").replace("/", "~1")
            if (key in one) != (key in other):
                return spelled
            if (deeper := first_difference(one[key], other[key])) is not None:
                return spelled + deeper
        return None
    if isinstance(one, list) and isinstance(other, list):
        for place, pair in enumerate(zip(one, other, strict=False)):
            if (deeper := first_difference(*pair)) is not None:
                return f"/{place}{deeper}"
        return None if len(one) == len(other) else f"/{min(len(one), len(other))}"
    return None if type(one) is type(other) and one == other else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Again:
    """What is served once more."""

    name: RevisionName
    bundle: Bundle
    environment: Environment
    bundles: Mapping[str, str]  # digests of the bundles that its server may read, by revision
    fetched: str | None  # features that were fetched then, as they were logged

    @property
    def serving(self) -> ServingHardware:
        return Infrastructure.model_validate(self.bundle.infrastructure).serving


def _logged(place: Place, prediction: str) -> dict[str, Any]:
    lake = open_lake(place.workspace)
    lake.ship()
    row = lake.prediction(prediction)
    if row is None:
        raise NotFoundError(
            f"there is no prediction {prediction!r} in {place.tables}", hint="it is the x-request-id of an answer"
        )
    return row


def _check_kept(row: Mapping[str, Any], privacy: Privacy | None) -> None:
    """Refuse what cannot be asked again as it was asked.

    Raises:
        ConflictError: Parts of it were not kept.
    """
    if privacy is not None and not privacy.keeps_requests:
        raise ConflictError(
            f"what {row['service']} is asked is not kept whole, so it cannot be asked again",
            hint=f"see [services.{row['service']}.log] of rung.toml",
        )
    if row["status"] != _OK and row["instances"] in {None, "[]"}:
        raise ConflictError(f"{row['id']} was refused with {row['status']} before it was a valid request")


def _verified(place: Place, registry: Registry, name: RevisionName) -> dict[str, str]:
    """Bring what the revision is made of, and hold it against what was signed; give the bundles that may be read."""
    storage = Storage.open(place, registry)
    deadline = time.monotonic() + _BROUGHT_S
    while True:
        try:
            storage.bring(name)
            break
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_S)
    if not place.source(name).is_dir():
        raise NotFoundError(f"the source of {name} is gone from {place.source(name)}", hint="is there a backup?")
    trust = Trust.of(place)
    trust.check(name, contents=True)
    return trust.bundles([name, *storage.others(name)])


def _environment(place: Place, registry: Registry, name: RevisionName) -> tuple[Environment, str]:
    """Give the environment that the revision was trained in, or one of the same lock."""
    environments = Environments(place.environments)
    key = registry.revision(name).environment
    own = environments.find(key) if key else None
    if own is not None:
        return own, "in the environment that it was trained in"
    made = environments.ensure(Lock(text=(place.revision(name) / "requirements.lock").read_text()))
    whose = "its own" if made.key == key else "this version of"
    return made, f"in an environment that was made again from its lock, with {whose} Rung"


@contextmanager
def _server(place: Place, again: _Again) -> Iterator[httpx2.Client]:
    """Serve a revision on a socket of its own, without a log, as long as the block lasts."""
    place.sockets.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="rung-again-", dir=place.sockets.parent))
    process = None
    try:
        process = local.start(_command(place, again, folder))
        transport = httpx2.HTTPTransport(uds=str(folder / "socket"), verify=False)
        timeout_s = again.serving.request_timeout_s
        with httpx2.Client(transport=transport, base_url="http://server", timeout=timeout_s) as client:
            _await_ready(client, process, again.name, folder / "log")
            yield client
    finally:
        if process is not None:
            local.stop(process, 2.0)
        shutil.rmtree(folder, ignore_errors=True)


def _command(place: Place, again: _Again, folder: Path) -> local.Command:
    name, serving = again.name, again.serving
    argv = (
        *(str(again.environment.python), "-m", "rung.serving.server", "--workers", "1"),
        *("--application", f"experiments.{name.service}.serve.app:app", "--bind", f"unix:{folder / 'socket'}"),
        *("--timeout", str(max(serving.request_timeout_s * 2, 30)), "--grace", "1"),
    )
    variables = {
        **revision_environment(place, name),
        **thread_limits(max(1, serving.vcpus // serving.gunicorn_workers)),  # as then: sums depend on it
        "RUNG_UNIT_HEADER": again.bundle.unit_header,
        "RUNG_BUNDLES": json.dumps(again.bundles),
        "RUNG_FETCHED": str(folder / "features.json"),  # in place of what the online store has now
    }
    (folder / "features.json").write_text(again.fetched or "null")
    return local.Command(argv=argv, folder=place.source(name), environment=variables, log=folder / "log")


def _await_ready(client: httpx2.Client, process: local.Process, name: RevisionName, log: Path) -> None:
    deadline, because = time.monotonic() + _READY_S, "it does not answer"
    while time.monotonic() < deadline and local.alive(process):
        try:
            answer = client.get("/readyz")
        except httpx2.TransportError:
            time.sleep(_LOOK_S)
            continue
        if answer.status_code == _OK:
            return
        because = str(answer.json().get("detail", answer.status_code))
        break
    lines = log.read_text(errors="replace").splitlines()[-_TALE:] if log.is_file() else []
    raise TaskError(f"{name} cannot be served again: {because}", hint="; ".join(lines) or "its log is empty")


def _body(row: Mapping[str, Any]) -> bytes:
    """Spell what was asked, as it was logged."""
    parameters = f',"parameters":{row["parameters"]}' if row["parameters"] not in {None, "null"} else ""
    return f'{{"instances":{row["instances"]}{parameters}}}'.encode()


def _headers(row: Mapping[str, Any], bundle: Bundle) -> dict[str, str]:
    headers = {"content-type": "application/json", "x-request-id": row["id"], "x-rung-route": "replay"}
    return headers | ({bundle.unit_header: row["unit"]} if row["unit"] else {})


def _compared(row: Mapping[str, Any], answer: httpx2.Response, privacy: Privacy | None, environment: str) -> Replay:
    """Compare the answer with what was logged: its bytes, and where these differ its values."""
    then, now = _told(row["status"], row["predictions"], row["error"]), _answered(answer, privacy)
    pointer = None if then == now else first_difference(json.loads(then), json.loads(now)) or ""
    values = json.loads(then), json.loads(now)
    if pointer is None:
        because = f"{len(then.encode()):,} bytes are the same"
    elif first_difference(*values) is None:
        because = "the values are the same, and spelled otherwise"
    else:
        one, other = (_shown(_at(value, pointer)) for value in values)
        because = f"{pointer or 'the answer'} was {one}, and is {other}"
    return Replay(
        prediction=row["id"],
        revision=row["revision"],
        environment=environment,
        then=values[0],
        now=values[1],
        pointer=pointer,
        because=because,
    )


def _told(status: int, predictions: str | None, error: str | None) -> str:
    return predictions if status == _OK and predictions is not None else f'{{"status":{status},"detail":{error}}}'


def _answered(answer: httpx2.Response, privacy: Privacy | None) -> str:
    """Spell an answer as the log would."""
    if answer.status_code != _OK:
        return _told(answer.status_code, None, json.dumps(str(answer.json().get("detail"))))
    predictions = answer.content.removeprefix(b'{"predictions":').removesuffix(b"}").decode()
    return (privacy.text("prediction", predictions) if privacy is not None else predictions) or ""


def _at(value: Any, pointer: str) -> Any:
    """Give what a pointer leads to; None where there is nothing."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            value = value[int(key)] if int(key) < len(value) else None
        else:
            value = value.get(key)
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
