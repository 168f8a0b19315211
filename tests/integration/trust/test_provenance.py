"""What is signed when a training ended, and what is refused because of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import psutil
import pytest
from live_platform import is_alive, kill

from rung import artifacts
from rung.artifacts import LocalStore
from rung.control.deployment.trust import SIGNED, Trust
from rung.errors import IntegrityError
from rung.registry import open_registry
from rung.schema import RevisionName
from rung.serving import read_bundle
from rung.serving._bundle import write_bundle
from rung.signing import Keys, seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live_platform import LivePlatform

INCUMBENT = RevisionName.parse("tiny.v1.m1")
BENCHMARK = RevisionName.parse("tiny.v1.m0")


@pytest.fixture
def folder(platform: LivePlatform) -> Iterator[Path]:
    """The folder of the benchmark; its files are as they were for the next test."""
    folder = platform.place.revision(BENCHMARK)
    before = {name: (folder / name).read_bytes() for name in ("bundle.json", "provenance.json", "requirements.lock")}
    yield folder
    for name, content in before.items():
        (folder / name).write_bytes(content)


def trust(platform: LivePlatform, **changes: Any) -> Trust:
    keys = Keys(folder=platform.place.workspace.state / "keys")
    return Trust(**{"place": platform.place, "keys": keys, **changes})


def pickled(platform: LivePlatform) -> str:
    """Keep something that runs code when it is read; give its digest."""
    return LocalStore(platform.place.workspace.artifacts).put(artifacts.encode(lambda: "run"))


def with_artifact(platform: LivePlatform, digest: str) -> None:
    """Write a bundle that names another artifact."""
    state = platform.place.workspace.state
    bundle = read_bundle(state, str(BENCHMARK))
    write_bundle(state, bundle.model_copy(update={"artifacts": {**bundle.artifacts, "build_model": digest}}))


def test_every_training_is_signed(platform: LivePlatform):
    shown = platform.ask("verify", "tiny.v1.m1")
    assert (shown["signed"], shown["adopted"], shown["run"]) == (True, False, "tiny.v1.m1")
    assert shown["dependencies"]["source"].startswith("gitCommit:")
    told = platform.rung("verify", "tiny.v1.m1").stdout
    assert "tiny.v1.m1 is what was signed by the key" in told


def test_statement_names_every_file(platform: LivePlatform):
    envelope = json.loads((platform.place.revision(INCUMBENT) / "provenance.json").read_bytes())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    stated = trust(platform).check(INCUMBENT).provenance
    assert stated is not None
    bundle = read_bundle(platform.place.workspace.state, str(INCUMBENT))
    assert stated.digest_of("artifacts/build_model") == bundle.artifacts["build_model"]
    assert {one.name for one in stated.subjects} >= {"bundle.json", "requirements.lock", "artifacts/build_model"}


def test_a_changed_bundle_is_refused(platform: LivePlatform, folder: Path):
    with_artifact(platform, pickled(platform))
    ended = platform.rung("verify", str(BENCHMARK), expect=4)
    assert "bundle.json of tiny.v1.m0 is sha256:" in ended.stderr
    assert "was signed" in ended.stderr


def test_a_changed_lock_is_refused(platform: LivePlatform, folder: Path):
    (folder / "requirements.lock").write_text("evil==1\n")
    with pytest.raises(IntegrityError, match=r"requirements\.lock of tiny\.v1\.m0"):
        trust(platform).check(BENCHMARK)


def test_changed_source_is_refused(platform: LivePlatform):
    added = platform.place.source(BENCHMARK) / "experiments" / "tiny" / "evil.py"
    added.write_text("")
    try:
        ended = platform.rung("verify", str(BENCHMARK), expect=4)
    finally:
        added.unlink()
    assert "the source of tiny.v1.m0 is sha256:" in ended.stderr
    assert platform.ask("verify", str(BENCHMARK))["dependencies"]["source.tar"].startswith("sha256:")


def test_statement_without_a_source_still_counts(platform: LivePlatform, folder: Path):
    checks = trust(platform)
    stated = checks.check(BENCHMARK).provenance
    assert stated is not None
    earlier = replace(stated, dependencies=tuple(one for one in stated.dependencies if one.name != "source.tar"))
    key, name = checks.keys.signer()
    (folder / "provenance.json").write_bytes(seal(earlier.to_json(), key, name=name))
    verified = checks.check(BENCHMARK)
    checks.check_source(verified)
    assert verified.provenance == earlier


def test_a_changed_statement_is_refused(platform: LivePlatform, folder: Path):
    envelope = json.loads((folder / "provenance.json").read_bytes())
    envelope["payload"] = envelope["payload"][:-8] + "AAAAAAA="
    (folder / "provenance.json").write_text(json.dumps(envelope))
    with pytest.raises(IntegrityError, match="does not fit what it signs"):
        trust(platform).check(BENCHMARK)


def test_the_statement_of_another_is_refused(platform: LivePlatform, folder: Path):
    (folder / "provenance.json").write_bytes((platform.place.revision(INCUMBENT) / "provenance.json").read_bytes())
    with pytest.raises(IntegrityError, match=r"is one of tiny\.v1\.m1"):
        trust(platform).check(BENCHMARK)


def test_a_changed_artifact_is_found(platform: LivePlatform):
    store = LocalStore(platform.place.workspace.artifacts)
    bundle = read_bundle(platform.place.workspace.state, str(BENCHMARK))
    path = store.path(bundle.artifacts["build_model"])
    before = path.read_bytes()
    try:
        path.chmod(0o644)
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        with pytest.raises(IntegrityError, match="is not what was written"):
            trust(platform).check(BENCHMARK, contents=True)
    finally:
        path.write_bytes(before)
        path.chmod(0o444)


def test_unsigned_data_is_served_unless_forbidden(platform: LivePlatform, folder: Path):
    (folder / "provenance.json").unlink()
    verified = trust(platform).check(BENCHMARK)
    assert (verified.signed_by, verified.pickled) == (None, ())
    assert "is not signed (it has no provenance.json); it holds no pickles" in verified.told
    with pytest.raises(IntegrityError, match="all must be"):
        trust(platform, required=True).check(BENCHMARK)


def test_unsigned_pickles_are_never_served(platform: LivePlatform, folder: Path):
    (folder / "provenance.json").unlink()
    with_artifact(platform, pickled(platform))
    with pytest.raises(IntegrityError, match="build_model is pickled"):
        trust(platform).check(BENCHMARK)
    assert trust(platform).bundles([BENCHMARK, INCUMBENT]).keys() == {str(INCUMBENT)}


def test_foreign_pickles_are_never_served(platform: LivePlatform, folder: Path, tmp_path: Path):
    with_artifact(platform, pickled(platform))
    stranger = trust(platform, keys=Keys(folder=tmp_path / "keys"))
    stranger.keys.make()
    revision = next(one for one in _revisions(platform) if one.name == BENCHMARK)
    record = _record(platform, BENCHMARK)
    with pytest.raises(IntegrityError, match="has another build_model than its training kept"):
        stranger.sign(revision, record)
    for task in record["tasks"]:
        if task["name"] == "build_model":
            task["digest"] = read_bundle(platform.place.workspace.state, str(BENCHMARK)).artifacts["build_model"]
    stranger.sign(revision, record)
    with pytest.raises(IntegrityError, match=r"which is not trusted here\), and build_model is pickled"):
        trust(platform).check(BENCHMARK)
    stranger.keys.trust_own()
    assert stranger.check(BENCHMARK).pickled == ("build_model",)


def test_a_server_of_changed_files_is_not_started_again(platform: LivePlatform, folder: Path):
    lock = (folder / "requirements.lock").read_bytes()
    (folder / "requirements.lock").write_text("evil==1\n")
    kill(platform.recorded()[str(BENCHMARK)].pid)
    platform.wait(lambda: _refusals(platform) != [])
    assert "requirements.lock of tiny.v1.m0" in _refusals(platform)[-1]
    assert not is_alive(platform.recorded()[str(BENCHMARK)])
    (folder / "requirements.lock").write_bytes(lock)
    platform.wait(lambda: is_alive(platform.recorded()[str(BENCHMARK)]))
    assert len(_refusals(platform)) == 1


def test_a_revision_of_changed_files_is_not_revived(platform: LivePlatform, folder: Path):
    platform.rung("teardown", str(BENCHMARK), "--because", "a test")
    with_artifact(platform, pickled(platform))
    ended = platform.rung("revive", str(BENCHMARK), expect=2)
    assert "bundle.json of tiny.v1.m0" in ended.stderr
    assert platform.states()[str(BENCHMARK)] == "torn_down"


def test_servers_read_only_what_was_verified(platform: LivePlatform):
    """A worker that is started again later finds a bundle that nobody verified, and does not get ready."""
    folder, server = platform.place.revision(INCUMBENT), platform.recorded()[str(INCUMBENT)]
    before = (folder / "bundle.json").read_bytes()
    try:
        (folder / "bundle.json").write_bytes(before + b"\n")
        for worker in _children(server.pid):
            worker.kill()
        platform.wait(lambda: "whose digest was signed" in platform.server_log(str(INCUMBENT)))
        platform.wait(lambda: _predicts(platform) == 503)
    finally:
        (folder / "bundle.json").write_bytes(before)
        for worker in _children(server.pid):
            worker.kill()
    platform.wait(lambda: _predicts(platform) == 200)


def test_what_was_there_before_the_first_key_is_adopted_once(platform: LivePlatform, tmp_path: Path, folder: Path):
    new = trust(platform, keys=Keys(folder=tmp_path / "keys"))
    incumbent = platform.place.revision(INCUMBENT)
    signed = (incumbent / "provenance.json").read_bytes()
    try:
        (folder / "bundle.json").write_bytes((incumbent / "bundle.json").read_bytes())
        with open_registry(tmp_path / "state") as registry, open_registry(platform.place.workspace.state) as real:
            registry.revisions, registry.run = real.revisions, real.run  # type: ignore[method-assign]
            new.begin(registry)
            told = {event.subject: event.because for event in registry.events() if event.kind == SIGNED}
        assert "taken as it was found" in told[str(INCUMBENT)]
        assert new.check(INCUMBENT).provenance.adopted
        assert "was not adopted" in told[str(BENCHMARK)]
    finally:
        (incumbent / "provenance.json").write_bytes(signed)


def _revisions(platform: LivePlatform) -> list[Any]:
    with open_registry(platform.place.workspace.state) as registry:
        return registry.revisions()


def _record(platform: LivePlatform, name: RevisionName) -> dict[str, Any]:
    with open_registry(platform.place.workspace.state) as registry:
        return registry.run(str(name))


def _refusals(platform: LivePlatform) -> list[str]:
    events = platform.api("/events").json()
    return [event["because"] for event in events if event["kind"] == SIGNED and event["data"].get("refused")]


def _children(pid: int) -> list[Any]:
    return psutil.Process(pid).children()


def _predicts(platform: LivePlatform) -> int:
    body = {"instances": [{"x": 1}]}
    return httpx2.post(f"{platform.gateway}/tiny/v1/predict", json=body, timeout=10, verify=False).status_code
