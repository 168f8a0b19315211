"""Whatever is routed: no unit moves back, no configuration forgets what is in use, none contradicts itself."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from rung.gateway import (
    Backend,
    Challenger,
    Production,
    Routing,
    Shadow,
    Split,
    assigned,
    configuration,
    from_json,
    to_json,
    version_of,
    widened,
)
from rung.gateway.assignment import xxh64
from rung.gateway.configuration import CLUSTERS, ROUTES, Files, addresses, is_whole
from rung.gateway.routing import BUCKETS

SHARES = st.floats(min_value=0, max_value=1)
UNITS = st.text(alphabet=[chr(code) for code in range(32, 127) if chr(code) != ","], min_size=1, max_size=40)


@st.composite
def backends(draw: st.DrawFn, service: str, major: int):
    minors = draw(st.sets(st.integers(min_value=0, max_value=6), max_size=5))
    sockets = st.sets(st.sampled_from(["a", "b", "c"]), min_size=1)
    return [
        Backend(
            revision=f"{service}.v{major}.m{minor}",
            endpoints=tuple(f"unix:/run/{service}{major}{minor}{name}" for name in sorted(draw(sockets))),
        )
        for minor in sorted(minors)
    ]


@st.composite
def splits(draw: st.DrawFn, revisions: list[str]):
    """Draw a split with all these challengers, whose shares sum to 1 at most."""
    parts = draw(st.lists(SHARES, min_size=len(revisions), max_size=len(revisions)))
    scale = max(1.0, sum(parts))
    return Split(
        experiment=draw(st.sampled_from(["e1", "e2"])),
        challengers=tuple(
            Challenger(revision=revision, share=part / scale) for revision, part in zip(revisions, parts, strict=True)
        ),
        bandit=len(revisions) > 1 or draw(st.booleans()),
        salt=draw(st.sampled_from([None, "e1.7"])),
    )


@st.composite
def productions(draw: st.DrawFn, service: str, major: int, revisions: list[str]):
    incumbent, *others = draw(st.permutations(revisions)) or [None]
    tried = draw(st.integers(min_value=0, max_value=len(others)))
    mirrored = others[tried : draw(st.integers(min_value=tried, max_value=len(others)))]
    return Production(
        service=service,
        major=major,
        incumbent=incumbent,
        split=draw(splits(others[:tried])) if tried else None,
        shadows=tuple(Shadow(revision=revision, share=draw(SHARES)) for revision in mirrored),
        standby=draw(st.sampled_from([None, *others])),
    )


def divided(split: Split):
    return Production(service="a", major=1, incumbent="a.v1.m0", split=split)


@st.composite
def routings(draw: st.DrawFn):
    all_backends, all_productions = [], []
    for service in ("housing", "sentiment"):
        for major in (1, 2):
            some = draw(backends(service, major))
            all_backends += some
            if draw(st.booleans()):
                all_productions.append(draw(productions(service, major, [backend.revision for backend in some])))
    outcomes = draw(st.sampled_from([None, "127.0.0.1:9000"]))
    return Routing(backends=tuple(all_backends), productions=tuple(all_productions), outcomes=outcomes)


def files(routing: Routing):
    return configuration(routing)


def cluster_names(made: Files):
    return {cluster["name"] for cluster in made[CLUSTERS]["resources"]}


def routed_clusters(made: Files):
    for route in made[ROUTES]["resources"][0]["virtual_hosts"][0]["routes"]:
        action = route.get("route", {})
        yield from [action["cluster"]] if "cluster" in action else []
        yield from [arm["name"] for arm in action.get("weighted_clusters", {}).get("clusters", [])]
        yield from [policy["cluster"] for policy in action.get("request_mirror_policies", [])]


@given(unit=UNITS, first=SHARES, second=SHARES)
def test_larger_share_moves_units_to_the_challenger_only(unit: str, first: float, second: float):
    low, high = sorted([first, second])
    before, after = (
        assigned(divided(Split.ab(experiment="e", challenger="a.v1.m1", share=share)), unit) for share in (low, high)
    )
    assert before
    assert after
    assert (before.name, after.name) != ("challenger", "incumbent")


@given(data=st.data(), count=st.integers(min_value=1, max_value=8))
def test_buckets_are_dealt_out_once(data: st.DataObject, count: int):
    split = data.draw(splits([f"a.v1.m{minor}" for minor in range(1, count + 1)]))
    arms = divided(split).arms
    assert sum(arm.weight for arm in arms) == BUCKETS
    assert len({arm.name for arm in arms}) == len(arms) == count + 1
    for arm, challenger in zip(arms, split.challengers, strict=False):
        assert abs(arm.weight - challenger.share * BUCKETS) < 1.001  # each of two ends is rounded


@given(data=st.data(), unit=UNITS, count=st.integers(min_value=1, max_value=8))
def test_unit_belongs_to_the_arm_of_its_bucket(data: st.DataObject, unit: str, count: int):
    split = data.draw(splits([f"a.v1.m{minor}" for minor in range(1, count + 1)]))
    owners = [arm for arm in divided(split).arms for _ in range(arm.weight)]
    assert assigned(divided(split), unit) == owners[xxh64(f"{split.hash_salt}:{unit}".encode()) % BUCKETS]


@given(routing=routings())
def test_every_routed_cluster_exists(routing: Routing):
    made = files(routing)
    assert set(routed_clusters(made)) <= cluster_names(made)
    assert is_whole(made)


@given(routing=routings())
def test_weights_of_every_split_sum_to_all_buckets(routing: Routing):
    for route in files(routing)[ROUTES]["resources"][0]["virtual_hosts"][0]["routes"]:
        arms = route.get("route", {}).get("weighted_clusters", {}).get("clusters")
        assert arms is None or sum(arm["weight"] for arm in arms) == BUCKETS


@given(before=routings(), after=routings())
def test_step_in_between_serves_both_routings(before: Routing, after: Routing):
    old, new = files(before), files(after)
    wide = widened(old, new)
    assert is_whole({**old, **wide})
    assert cluster_names(wide) == cluster_names(old) | cluster_names(new)
    for name, wanted in addresses(new).items():
        kept = addresses(old).get(name, frozenset()) if name != "outcomes" else wanted
        assert addresses(wide)[name] == wanted | kept


@given(before=routings(), after=routings())
def test_interrupted_change_can_be_taken_up_again(before: Routing, after: Routing):
    wide = widened(files(before), files(after))
    assert widened(wide, files(after))[CLUSTERS]["version_info"] == wide[CLUSTERS]["version_info"]


@given(routing=routings())
def test_equal_routings_have_equal_versions(routing: Routing):
    assert files(routing) == files(routing)


@given(routing=routings())
def test_document_is_the_routing(routing: Routing):
    document = json.loads(json.dumps(to_json(routing)))
    assert from_json(document) == routing
    assert version_of(from_json(document)) == version_of(routing)


@given(one=routings(), other=routings())
def test_routings_have_one_version_when_they_are_equal(one: Routing, other: Routing):
    assert (version_of(one) == version_of(other)) == (one == other)
