"""The verbs around A/B tests on a running platform, one after the other: shadow, simulate-ab, ab, offpolicy."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
import tiny_service
from consumers import CountingConsumers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live_platform import LivePlatform

_RIGHT = {"tiny.v1.m1": 0.5, "tiny.v1.m2": 0.55}


@pytest.fixture(scope="module")
def consumers(platform: LivePlatform) -> Iterator[CountingConsumers]:
    with CountingConsumers(gateway=platform.gateway, right=_RIGHT, requests_per_second=40) as consumers:
        yield consumers


@pytest.fixture(scope="module")
def challenger(platform: LivePlatform) -> str:
    """A candidate that is better by so little that its A/B test goes on for the length of these tests."""
    tiny_service.change(platform.root, "slope: float = 1.0", "slope: float = 2.0")
    tiny_service.change(platform.root, "minimum_effect=0.1", "minimum_effect=0.01", file="schema/service.py")
    tiny_service.document(platform.root, 2)
    return platform.deploy("tiny")


def svg_of(path: Path) -> str:
    text = path.read_text()
    assert text.startswith("<svg ")
    assert text.endswith("</svg>\n")
    return text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ab", "watch", "tiny.v1"), "tiny.v1 has had no A/B test `rung promote tiny.v1.mN` begins one"),
        (("ab", "watch", "tiny"), "'tiny' names no major write tiny.v1"),
        (("ab", "plot", "tiny.v1"), "tiny.v1 has had no A/B test"),
        (("ab", "pause", "tiny.v1"), "no A/B test of tiny.v1 runs"),
        (("ab", "resume", "tiny.v1"), "no A/B test of tiny.v1 runs"),
        (("ab", "abort", "tiny.v1", "--yes"), "no A/B test of tiny.v1 runs"),
        (("simulate-ab", "tiny.v1"), "0 units of tiny.v1 have an outcome of right, and 100 are needed"),
        (("simulate-ab", "tiny.v1", "--metric", "left"), "tiny.v1 declares no business metric 'left' it has right"),
        (("simulate-ab", "tiny.v9"), "tiny.v9 has no incumbent"),
        (("offpolicy", "tiny.v1"), "tiny.v1 has had no A/B test"),
        (("offpolicy", "tiny.v1", "--policy", "m1=2"), "'m1=2' is no policy write each arm once"),
        (("shadow", "tiny.v1.m0"), "nothing was ever mirrored to tiny.v1.m0"),
        (("shadow", "tiny.v1.m7"), "there is no revision tiny.v1.m7"),
        (("shadow", "tiny.v1.m0", "--until", "2h"), "--until says how long --percent is mirrored: give both"),
        (("shadow", "tiny.v1.m0", "--percent", "5", "--stop"), "give one of them"),
        (("shadow", "tiny.v1.m0", "--percent", "5", "--until", "2"), "'2' is no duration"),
        (("shadow", "tiny.v1.m0", "--percent", "0"), "0.0 is not in the range"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_refusals_say_what_to_do(platform: LivePlatform, words: tuple[str, ...], told: str):
    ended = platform.rung(*words, expect=2)
    assert told in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


def test_shadow_is_compared(platform: LivePlatform, consumers: CountingConsumers, challenger: str):
    begun = platform.ask("shadow", challenger, "--percent", "100", "--until", "10m")
    assert begun["share"] == 1.0
    platform.wait(lambda: platform.ask("shadow", challenger)["answered"] > 20)
    text = platform.rung("shadow", challenger).stdout
    assert f"100% of production is mirrored to {challenger}" in text
    assert "0.00% of" in text
    assert "100% different; 3 apart" in text  # twice three instead of three
    assert re.search(r"0\.5\s+y 3\s+y 6\s+x 3", text)


def test_shadow_watched_in_a_pipe_ends_with_it(platform: LivePlatform, challenger: str):
    watcher = platform.begin_command("shadow", challenger, "--watch")
    assert watcher.stdout is not None
    assert f"{challenger} shadows 100%; " in watcher.stdout.readline()
    stopped = platform.rung("shadow", challenger, "--stop").stdout
    assert stopped.startswith(f"nothing is mirrored to {challenger} now")
    assert watcher.wait(60) == 0


def test_service_simulates_its_own_test(platform: LivePlatform, consumers: CountingConsumers, tmp_path: Path):
    platform.wait(lambda: len(consumers.outcomes) > 200)
    words = ("simulate-ab", "tiny.v1", "--repeats", "200", "--seed", "7", "--effect", "0", "--effect", "1")
    found = platform.ask(*words, "-o", str(tmp_path / "power.svg"))
    nothing, worth = found["effects"]
    assert found["metric"] == "right"
    assert found["units"] >= 200
    assert nothing["better"] < 0.15
    assert worth["better"] > 0.6
    assert found["can_be_seen"] in (True, False)
    assert "A/B tests of right, simulated" in svg_of(tmp_path / "power.svg")
    text = platform.rung(*words).stdout
    assert "none (A/A)" in text
    assert "false positives: " in text
    assert "before the deadline of 10 min" in text
    assert "tests that promote the challenger (percent)" in text


def test_test_is_watched_paused_and_resumed(
    platform: LivePlatform, consumers: CountingConsumers, challenger: str, tmp_path: Path
):
    platform.rung("promote", challenger, "--detach", "--ignore-plan")
    platform.wait(lambda: platform.states()[challenger] == "experimenting", within_s=300)
    platform.wait(lambda: bool(platform.ask("ab", "watch", "tiny.v1", "--once")["look"]))
    text = platform.rung("ab", "watch", "tiny.v1", "--once").stdout
    assert f"A/B test: {challenger} against tiny.v1.m1" in text
    assert "m2            challenger    50% " in text
    paused = platform.rung("ab", "pause", "tiny.v1", "--because", "the shop is moved").stdout
    assert re.match(r"paused by .+: the shop is moved; .*tiny\.v1\.m1 gets 100% of the units", paused)
    assert "is paused" in platform.rung("ab", "pause", "tiny.v1", expect=2).stderr
    assert "paused for " in platform.rung("ab", "watch", "tiny.v1", "--once").stdout
    assert f"{challenger} gets 50% of the units" in platform.rung("ab", "resume", "tiny.v1").stdout
    assert "is not paused" in platform.rung("ab", "resume", "tiny.v1", expect=2).stderr


def test_watching_ends_alone_with_ctrl_c(platform: LivePlatform, challenger: str):
    watcher = platform.begin_command("ab", "watch", "tiny.v1")
    assert watcher.stdout is not None
    assert re.match(r"\d\d:\d\d:\d\d  m2 50%, m1 50%: ", watcher.stdout.readline())
    watcher.send_signal(signal.SIGINT)
    rest = watcher.stdout.read()
    assert "the test goes on without you; `rung ab watch tiny.v1` watches again" in rest
    assert watcher.wait(60) == 130
    assert platform.states()[challenger] == "experimenting"


def test_log_values_other_policies(platform: LivePlatform, challenger: str):
    def assigned() -> dict[str, Any]:
        return platform.api("/majors/tiny/1/rewards").json()

    platform.wait(lambda: {"m1", "m2"} <= set(assigned()["arms"]) and len(assigned()["arms"]) > 50)
    found = platform.ask("offpolicy", "tiny.v1", "--policy", "m2=1", "--policy", "m1=.5,m2=.5")
    policies = {one["policy"]: one for one in found["policies"]}
    assert list(policies) == ["as logged", "m2=1", "m1=0.5,m2=0.5"]
    assert all(0 < one["snips"]["value"] < 1 for one in policies.values())
    text = platform.rung("offpolicy", "tiny.v1").stdout
    assert re.search(r"m1=1 .*m2=1 .*m1=0\.5,m2=0\.5 ", text, re.DOTALL)
    assert "DOUBLY ROBUST" in text


def test_aborted_test_tells_its_end(platform: LivePlatform, challenger: str, tmp_path: Path):
    watcher = platform.begin_command("ab", "watch", "tiny.v1")
    assert watcher.stdout is not None
    watcher.stdout.readline()
    platform.wait(lambda: len(platform.ask("ab", "plot", "tiny.v1")) > 2)
    told = platform.rung("ab", "abort", "tiny.v1", "--because", "customers complain").stdout
    assert told == f"the test of {challenger} has ended; tiny.v1.m1 gets all units\n"
    assert watcher.wait(60) == 1
    assert "customers complain" in watcher.stdout.read()
    ended = platform.ask("ab", "watch", "tiny.v1", expect=1)
    assert ended["attempt"]["outcome"] == "rejected"
    assert "customers complain" in ended["attempt"]["because"]


def test_course_is_drawn_afterwards(platform: LivePlatform, tmp_path: Path):
    text = platform.rung("ab", "plot", "tiny.v1").stdout
    assert "effect of the challenger on right (percentage points)" in text
    assert "┊50%" in text
    platform.rung("ab", "plot", "tiny.v1", "-o", str(tmp_path / "test.svg"))
    assert "Ended undecided: " in svg_of(tmp_path / "test.svg")
    looks = platform.ask("ab", "plot", "tiny.v1")
    assert len(looks) > 2
    refused = platform.rung("ab", "plot", "tiny.v1", "-o", str(tmp_path / "lost" / "test.svg"), expect=2)
    assert "cannot be written" in refused.stderr


def test_tests_are_listed(platform: LivePlatform, challenger: str):
    (only,) = platform.ask("ab", "list", "tiny")
    assert (only["challenger"], only["incumbent"]) == (challenger, "tiny.v1.m1")
    header, line = platform.rung("ab", "list", "tiny").stdout.splitlines()
    assert header.split() == ["ID", "CHALLENGER", "INCUMBENT", "BEGAN", "(UTC)", "ENDED", "OUTCOME", "EVIDENCE"]
    assert line.startswith(only["id"])
    assert "has had no A/B test" in platform.rung("ab", "list", "other").stdout
