from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rung.gateway import Backend, Challenger, Production, Routing, Shadow, Split, bootstrap, configuration, widened
from rung.gateway._routes import holders
from rung.gateway.configuration import CLUSTERS, ROUTES, addresses, is_whole

FOLDER = Path("/run/gateway")
M2 = Backend(revision="housing.v1.m2", endpoints=("unix:/run/m2.sock",), timeout_s=5)
M3 = Backend(revision="housing.v1.m3", endpoints=("127.0.0.1:9000", "[::1]:9000"), timeout_s=7, idempotent=False)
M4 = Backend(revision="housing.v1.m4", endpoints=("unix:/run/m4.sock",), timeout_s=3)
SPLIT = Split.ab(experiment="e1", challenger="housing.v1.m3", share=0.1)
SHADOWS = (Shadow(revision="housing.v1.m3", share=0.25), Shadow(revision="housing.v1.m4", share=1.0))
BANDIT = Split(
    experiment="e1",
    challengers=(Challenger(revision="housing.v1.m4", share=0.3), Challenger(revision="housing.v1.m3", share=0.2)),
    bandit=True,
    salt="e1.7",
)


def routing(backends: tuple[Backend, ...] = (M2, M3), outcomes: str | None = None, **changes: Any):
    production = Production(**{"service": "housing", "major": 1, "incumbent": "housing.v1.m2", **changes})
    return Routing(backends=backends, productions=(production,), outcomes=outcomes)


def files(wanted: Routing):
    return configuration(wanted)


def routes(wanted: Routing):
    return files(wanted)[ROUTES]["resources"][0]["virtual_hosts"][0]["routes"]


def named(wanted: Routing, name: str):
    return [route for route in routes(wanted) if route["name"] == name]


def clusters(wanted: Routing):
    return {cluster["name"]: cluster for cluster in files(wanted)[CLUSTERS]["resources"]}


def headers(part: dict[str, Any]):
    return {entry["header"]["key"]: entry["header"]["value"] for entry in part["request_headers_to_add"]}


def test_each_revision_has_an_exact_path():
    (route,) = named(routing(), "housing.v1.m2")
    assert route["match"] == {"prefix": "/housing/v1/m2/"}
    assert route["route"]["cluster"] == "housing/v1/m2"
    assert (route["route"]["timeout"], route["route"]["idle_timeout"]) == ("5.000s", "60.000s")
    assert headers(route)["x-rung-route"] == "exact"


def test_exact_paths_come_before_production():
    order = [route["name"] for route in routes(routing())]
    assert order.index("housing.v1.m3") < order.index("housing.v1 absent") < order.index("housing.v1")
    assert order[-1] == "elsewhere"


def test_challenger_is_first_and_weights_are_constant():
    experiment, _ = named(routing(split=SPLIT), "housing.v1")
    arms = experiment["route"]["weighted_clusters"]["clusters"]
    assert [arm["weight"] for arm in arms] == [1_000, 9_000]
    assert [arm["name"] for arm in arms] == ["housing/v1/m3-or-m2", "housing/v1/m2"]
    assert [headers(arm) for arm in arms] == [
        {"x-rung-arm": "challenger", "x-rung-propensity": "0.1000"},
        {"x-rung-arm": "incumbent", "x-rung-propensity": "0.9000"},
    ]


def test_bandit_has_an_arm_for_each_revision():
    experiment, _ = named(routing((M2, M3, M4), split=BANDIT), "housing.v1")
    arms = experiment["route"]["weighted_clusters"]["clusters"]
    assert [(arm["name"], arm["weight"]) for arm in arms] == [
        ("housing/v1/m4-or-m2", 3_000),
        ("housing/v1/m3-or-m2", 2_000),
        ("housing/v1/m2", 5_000),
    ]
    assert [headers(arm)["x-rung-arm"] for arm in arms] == ["m4", "m3", "m2"]
    assert [headers(arm)["x-rung-propensity"] for arm in arms] == ["0.3000", "0.2000", "0.5000"]


def test_paused_test_keeps_its_marks():
    paused = Split.ab(experiment="e1", challenger="housing.v1.m3", share=0.0)
    experiment, _ = named(routing(split=paused), "housing.v1")
    arms = experiment["route"]["weighted_clusters"]["clusters"]
    assert [arm["weight"] for arm in arms] == [0, 10_000]
    assert headers(experiment)["x-rung-experiment"] == "e1"


def test_hash_is_salted_by_the_experiment():
    experiment, _ = named(routing(split=SPLIT, unit_header="x-customer"), "housing.v1")
    (policy,) = experiment["route"]["hash_policy"]
    assert policy["header"]["header_name"] == "x-customer"
    assert policy["header"]["regex_rewrite"]["substitution"] == r"e1:\1"


def test_salt_of_a_split_takes_the_place_of_its_id():
    experiment, _ = named(routing((M2, M3, M4), split=BANDIT), "housing.v1")
    (policy,) = experiment["route"]["hash_policy"]
    assert policy["header"]["regex_rewrite"]["substitution"] == r"e1.7:\1"
    assert headers(experiment)["x-rung-experiment"] == "e1"


def test_requests_without_unit_go_to_the_incumbent():
    _, rest = named(routing(split=SPLIT), "housing.v1")
    assert "headers" not in rest["match"]
    assert rest["route"]["cluster"] == "housing/v1/m2"
    assert headers(rest) | {"x-rung-experiment": "e1", "x-rung-arm": "none"} == headers(rest)


def test_without_experiment_there_is_no_arm():
    (route,) = named(routing(), "housing.v1")
    assert headers(route) == {"x-rung-route": "production", "x-forwarded-prefix": "/housing/v1"}


def test_experiment_takes_the_careful_limits_of_both():
    experiment, _ = named(routing(split=SPLIT), "housing.v1")
    assert experiment["route"]["timeout"] == "7.000s"
    assert "reset" not in experiment["route"]["retry_policy"]["retry_on"].split(",")


def test_idempotent_revisions_are_asked_again():
    (route,) = named(routing(), "housing.v1")
    assert "reset" in route["route"]["retry_policy"]["retry_on"].split(",")


@pytest.mark.parametrize(("split", "challengers"), [(SPLIT, ["m3"]), (BANDIT, ["m4", "m3"])], ids=["A/B", "bandit"])
def test_dead_challenger_falls_back_to_the_incumbent(split: Split, challengers: list[str]):
    made = clusters(routing((M2, M3, M4), split=split))
    assert [name for name in made if "-or-" in name] == [f"housing/v1/{name}-or-m2" for name in challengers]
    for name in challengers:
        members = made[f"housing/v1/{name}-or-m2"]["cluster_type"]["typed_config"]["clusters"]
        assert members == [f"housing/v1/{name}", "housing/v1/m2"]


def test_each_shadow_gets_its_share_and_a_mark():
    (route,) = named(routing((M2, M3, M4), shadows=SHADOWS), "housing.v1")
    first, second = route["route"]["request_mirror_policies"]
    assert (first["cluster"], second["cluster"]) == ("housing/v1/m3-shadow", "housing/v1/m4-shadow")
    assert first["runtime_fraction"]["default_value"] == {"numerator": 250_000, "denominator": "MILLION"}
    assert second["request_headers_mutations"][0]["append"]["header"] == {"key": "x-rung-route", "value": "shadow"}


def test_experiments_are_mirrored_as_well():
    experiment, rest = named(routing((M2, M3, M4), split=SPLIT, shadows=SHADOWS[1:]), "housing.v1")
    for route in (experiment, rest):
        assert [policy["cluster"] for policy in route["route"]["request_mirror_policies"]] == ["housing/v1/m4-shadow"]


def test_shadow_has_the_servers_but_not_the_limits():
    made = clusters(routing((M2, M3, M4), shadows=SHADOWS))
    exact, shadow = made["housing/v1/m4"], made["housing/v1/m4-shadow"]
    assert shadow["load_assignment"]["endpoints"] == exact["load_assignment"]["endpoints"]
    limits = [each["circuit_breakers"]["thresholds"][0]["max_requests"] for each in (exact, shadow)]
    assert limits == [100_000, 64]
    (options,) = shadow["typed_extension_protocol_options"].values()
    assert options["common_http_protocol_options"]["max_stream_duration"] == "3.000s"


def test_major_without_incumbent_says_so():
    (route,) = named(Routing(backends=(M2,)), "housing.v1")
    assert route["direct_response"]["status"] == 503
    assert "no incumbent" in route["direct_response"]["body"]["inline_string"]
    assert "/housing/v1/m2/<route>" in route["direct_response"]["body"]["inline_string"]


def test_answers_list_only_so_many_paths():
    many = tuple(Backend(revision=f"{'s' * 63}.v1.m{minor}", endpoints=("unix:/a",)) for minor in range(300))
    bodies = [
        route["direct_response"]["body"]["inline_string"]
        for route in routes(Routing(backends=many))
        if "direct_response" in route
    ]
    assert any("and 280 more" in body for body in bodies)
    assert max(map(len, bodies)) < 4_096  # the most that Envoy answers by itself


def test_outcomes_go_to_the_collector():
    wanted = routing(outcomes="unix:/run/collector.sock")
    assert named(wanted, "outcomes")[0]["route"]["cluster"] == "outcomes"
    assert clusters(wanted)["outcomes"]["type"] == "STATIC"


def test_without_collector_outcomes_wait():
    assert named(routing(), "outcomes")[0]["direct_response"]["status"] == 503


def test_no_cluster_name_has_a_dot():
    assert not [
        name
        for name in clusters(routing((M2, M3, M4), split=SPLIT, shadows=SHADOWS[1:], outcomes="127.0.0.1:1"))
        if "." in name
    ]


def test_endpoints_are_printed_as_envoy_does():
    made = files(routing())
    assert addresses(made)["housing/v1/m2"] == {"/run/m2.sock"}
    assert addresses(made)["housing/v1/m3"] == {"127.0.0.1:9000", "[::1]:9000"}


@pytest.mark.parametrize(
    "changed",
    [{"incumbent": "housing.v1.m3"}, {"split": SPLIT}, {"shadows": SHADOWS[:1]}],
)
def test_any_change_is_a_new_version(changed: dict[str, Any]):
    assert files(routing())[ROUTES]["version_info"] != files(routing(**changed))[ROUTES]["version_info"]


def test_new_endpoints_are_a_new_version():
    moved = Backend(revision="housing.v1.m2", endpoints=("unix:/run/other.sock",), timeout_s=5)
    assert files(routing())[ROUTES]["version_info"] != files(routing((moved, M3)))[ROUTES]["version_info"]


def test_holders_are_read_back_from_the_routes():
    table = files(routing(split=SPLIT))[ROUTES]["resources"][0]
    assert holders(table) == {"housing.v1": {"housing.v1.m2", "housing.v1.m3"}}
    assert holders(files(Routing(backends=(M2,)))[ROUTES]["resources"][0]) == {}


def test_widened_configuration_keeps_what_is_used():
    moved = Backend(revision="housing.v1.m2", endpoints=("unix:/run/other.sock",), timeout_s=5)
    before, after = files(routing(split=SPLIT)), files(routing((moved,)))
    wide = widened(before, after)
    assert {cluster["name"] for cluster in wide[CLUSTERS]["resources"]} == set(clusters(routing(split=SPLIT)))
    assert addresses(wide)["housing/v1/m2"] == {"/run/m2.sock", "/run/other.sock"}
    assert wide[ROUTES] == after[ROUTES]


def test_same_configuration_needs_no_widening():
    assert widened(files(routing(split=SPLIT)), files(routing(split=SPLIT))) == files(routing(split=SPLIT))


def test_missing_file_is_not_a_whole():
    made = files(routing(shadows=SHADOWS[:1]))
    assert is_whole(made)
    assert not is_whole({CLUSTERS: made[CLUSTERS]})
    assert not is_whole({})


def test_admin_is_for_its_owner_only():
    made = bootstrap(FOLDER, host="127.0.0.1", port=8080, admin_socket=FOLDER / "admin.sock")
    assert made["admin"]["address"]["pipe"] == {"path": "/run/gateway/admin.sock", "mode": 0o600}
    assert json.dumps(made)
