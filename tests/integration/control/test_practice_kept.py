"""What the practice keeps and reads without a platform: versions, signatures, requests, what was seen of code."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import tiny_service

from rung.control.place import Place
from rung.control.practice.holds import held_majors
from rung.control.practice.practice import Practice
from rung.control.practice.requests import Requests
from rung.control.practice.specifications import Specifications
from rung.errors import CallError, ConflictError, NotAllowedError, NotFoundError, WorkspaceError
from rung.practice import Owner, digest_of
from rung.registry import open_registry
from rung.testing import code_digest, keep_seen, read_seen
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.registry import Registry

TEXT = '+++\ntitle = "Houses"\nlatency_p99_ms = 250\nthroughput_rps = 20\nerror_rate = 0.01\n+++\n\n# Problem\n\nOne.\n'
LATER = TEXT.replace("250", "200")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with open_registry(tmp_path / "state") as registry:
        yield registry


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with the tiny service, in git, and nothing that runs."""
    tiny_service.write(tmp_path)
    (tmp_path / "rung.toml").touch()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return Workspace(root=tmp_path, state=tmp_path / "state")


def sign(specifications: Specifications, text: str, owner: str, actor: str, *, is_required: bool = True) -> None:
    digest = specifications.keep("housing", text, actor=actor, because="it was signed")
    specifications.sign("housing", Owner(owner), digest, actor=actor, because="", is_required=is_required)


def test_version_is_kept_once(registry: Registry):
    specifications = Specifications(registry)
    for text in (TEXT, TEXT.replace("\n", "\r\n"), LATER):
        specifications.keep("housing", text, actor="ada", because="it was deployed")
    assert [one.digest for one in specifications.versions("housing")] == [digest_of(TEXT), digest_of(LATER)]
    assert specifications.version("housing", digest_of(LATER)[7:15]).text == LATER
    assert specifications.versions("other") == []


@pytest.mark.parametrize("wanted", ["", "sha", "sha256:", "abc", "ffff0000"])
def test_unknown_version_is_not_found(registry: Registry, wanted: str):
    specifications = Specifications(registry)
    specifications.keep("housing", TEXT, actor="ada", because="it was deployed")
    with pytest.raises(NotFoundError, match="rung spec history housing"):
        specifications.version("housing", wanted)


@pytest.mark.parametrize(
    ("text", "error"),
    [("# Problem\n", WorkspaceError), (TEXT + "a" * 300_000, CallError)],
    ids=["without front matter", "too large"],
)
def test_what_is_no_specification_is_not_kept(registry: Registry, text: str, error: type[Exception]):
    with pytest.raises(error):
        Specifications(registry).keep("housing", text, actor="ada", because="it was signed")
    assert Specifications(registry).versions("housing") == []


def test_two_people_sign_and_a_change_makes_it_stale(registry: Registry):
    specifications = Specifications(registry)
    sign(specifications, TEXT, "product", "token:ada")
    with pytest.raises(NotAllowedError, match="nobody signs for both"):
        sign(specifications, TEXT, "engineering", "login:ada@example.org")
    sign(specifications, TEXT, "engineering", "token:bob")
    assert specifications.sign_off("housing", TEXT).is_complete
    changed = specifications.sign_off("housing", LATER)
    assert not changed.is_complete
    assert changed.changed == dict.fromkeys(Owner, ("latency_p99_ms",))
    assert specifications.sign_off("housing", TEXT).is_complete  # back to the words that were signed


def test_lone_owner_may_sign_for_both_and_it_says_so(registry: Registry):
    specifications = Specifications(registry)
    for owner in Owner:
        sign(specifications, TEXT, owner, "ada", is_required=False)
    found = specifications.sign_off("housing", TEXT)
    assert not found.is_complete
    assert "one person signed for both" in found.because
    with pytest.raises(ConflictError, match="has signed"):
        sign(specifications, TEXT, "product", "ada", is_required=False)


def test_request_is_open_until_it_is_fulfilled(registry: Registry):
    requests = Requests(registry)
    asked = requests.ask("housing.v1", "sold", to="ada", actor="bob", because="no sales come in")
    with pytest.raises(ConflictError, match="ada is asked for sold"):
        requests.ask("housing.v1", "sold", to="eve", actor="rung", because="again")
    requests.ask("housing.v2", "sold", to="ada", actor="bob", because="another major")
    requests.fulfil("housing.v1", "sold", actor="rung", because="outcomes come in")
    assert requests.promised("housing.v1", "sold") is None  # nobody said so
    with pytest.raises(NotFoundError, match="nobody is asked for sold"):
        requests.fulfil("housing.v1", "sold", actor="ada", because="they will come")
    again = requests.ask("housing.v1", "sold", to="ada", actor="bob", because="they stopped")
    assert again.id > asked.id
    requests.fulfil("housing.v1", "sold", actor="ada", because="they will come")
    assert requests.promised("housing.v1", "sold") is not None
    assert [one.fulfilled is None for one in requests.all("housing")] == [False, True, False]


def test_hold_is_what_was_said_last(registry: Registry):
    for kind, major in (("hold", "housing.v1"), ("hold", "housing.v2"), ("hold_ended", "housing.v1"), ("hold", "x.v1")):
        registry.record_event(kind, major, because=f"{kind} {major}", actor="rung")
    assert held_majors(registry) == {"housing.v2": "hold housing.v2", "x.v1": "hold x.v1"}
    assert held_majors(registry, "housing") == {"housing.v2": "hold housing.v2"}


def test_what_was_seen_is_of_just_this_code(workspace: Workspace):
    folder = workspace.service("tiny").folder
    keep_seen(workspace.state, "tiny", folder, is_checked=True)
    keep_seen(workspace.state, "tiny", folder, serving={"test_one": True, "test_two": False})
    seen = read_seen(workspace.state, "tiny", folder)
    assert (seen.is_checked, seen.passed, seen.failed) == (True, {"test_one"}, {"test_two"})
    (folder / "specification.md").write_text("words are no code")
    assert read_seen(workspace.state, "tiny", folder) == seen
    tiny_service.change(workspace.root, "slope: float = 0.0", "slope: float = 1.0")
    assert read_seen(workspace.state, "tiny", folder).passed is None
    (workspace.state / "seen" / "tiny.json").write_text("[broken")
    assert not read_seen(workspace.state, "tiny", folder).is_checked
    assert code_digest(workspace.root / "nothing") is None


def test_path_is_told_from_the_workspace_alone(workspace: Workspace):
    with open_registry(workspace.state) as registry:
        practice = Practice(Place(workspace=workspace), registry)
        path = practice.path("tiny")
        assert (path.kind, path.current and path.current.key) == ("new_service", "benchmark")
        (workspace.service("tiny").specification).write_text("# no front matter")
        broken = practice.path("tiny").current
        assert broken is not None
        assert (broken.key, "has no front matter" in broken.because) == ("specification", True)
        with pytest.raises(NotFoundError, match="there is no service 'housing'"):
            practice.path("housing")


@pytest.mark.parametrize(
    ("settings", "is_required"),
    [
        pytest.param("", False, id="alone"),
        pytest.param('[services.tiny]\nsign_off = "required"', True, id="asked for"),
        pytest.param('[login]\nissuer = "https://x.example.org"\naudience = "x"', True, id="with a login"),
        pytest.param(
            '[services.tiny]\nsign_off = "noted"\n[login]\nissuer = "https://x.example.org"\naudience = "x"',
            False,
            id="with a login, but noted",
        ),
        pytest.param('[listen]\ngateway = "0.0.0.0"\ncertificate = "a"\nkey = "b"', True, id="beyond loopback"),
    ],
)
def test_sign_off_is_required_where_there_is_a_team(workspace: Workspace, settings: str, is_required: bool):
    (workspace.root / "rung.toml").write_text(settings)
    with open_registry(workspace.state) as registry:
        assert Practice(Place(workspace=workspace), registry).is_required("tiny") is is_required
