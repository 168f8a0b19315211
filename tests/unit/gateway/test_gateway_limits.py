from __future__ import annotations

from typing import Any

import pytest

from rung.errors import CallError
from rung.gateway import Backend, Consumer, Limits, Production, Rate, Routing, Split
from rung.gateway._guards import buckets
from rung.gateway._routes import holders, route_table
from rung.infrastructure import RateLimit, ServingHardware

DIGEST = "0" * 64
RATE = Rate(requests_per_s=2.5, burst=7)


def table(*limits: Limits, split: Split | None = None, **more: Any):
    backends = tuple(
        Backend(revision=f"housing.v1.m{minor}", endpoints=("unix:/run/s",), limits=one)
        for minor, one in enumerate(limits)
    )
    production = Production(service="housing", major=1, incumbent="housing.v1.m0", split=split)
    return route_table(Routing(backends=backends, productions=(production,), **more))


def host(*limits: Limits, **more: Any):
    return table(*limits, **more)["virtual_hosts"][0]


def named(found: dict[str, Any], name: str):
    return [route for route in found["routes"] if route["name"] == name]


def marks(route: dict[str, Any]):
    return route["metadata"]["filter_metadata"]["rung"]


def test_declared_limits_become_the_gateways():
    serving = ServingHardware(
        max_body_mib={"large": 20}, rate_limit={"large": RateLimit(requests_per_s=2.5, burst=7), "small": None}
    )
    limits = Limits.of(serving)
    assert (limits.body("large"), limits.body("small"), limits.body(None)) == (20 << 20, 10 << 20, 10 << 20)
    assert (limits.rate, limits.rates, limits.routes) == (None, (("large", RATE),), ("large",))
    assert Limits.of(ServingHardware(rate_limit=RateLimit(requests_per_s=2.5, burst=7))) == Limits(rate=RATE)
    assert Limits.of(ServingHardware()) == Limits()


def test_a_route_with_a_limit_comes_before_the_others():
    large, rest = named(host(Limits(bodies=(("large", 5),))), "housing.v1.m0")
    assert (marks(large)["max_body_bytes"], marks(rest)["max_body_bytes"]) == ("5", str(10 << 20))
    assert large["match"]["safe_regex"]["regex"].startswith("/housing/v1/m0/(large|v2/models/large")
    assert rest["match"] == {"prefix": "/housing/v1/m0/"}


def test_all_routes_share_the_bucket_of_all():
    found = host(Limits(rate=RATE, bodies=(("large", 5),)))
    assert [marks(route)["bucket"] for route in named(found, "housing.v1")] == ["housing.v1", "housing.v1"]
    assert [marks(route)["bucket"] for route in named(found, "housing.v1.m0")] == ["housing.v1.m0", "housing.v1.m0"]


def test_without_a_rate_there_is_no_bucket():
    found = host(Limits(rates=(("large", RATE),)))
    large, rest = named(found, "housing.v1")
    assert (marks(large)["bucket"], "bucket" in marks(rest)) == ("housing.v1/large", False)


def test_production_has_the_rate_of_the_incumbent():
    split = Split.ab(experiment="e1", challenger="housing.v1.m1", share=0.5)
    found = host(Limits(rate=RATE, max_body_bytes=9), Limits(max_body_bytes=8), split=split)
    told = [marks(route) for route in named(found, "housing.v1")]
    assert {(each["bucket"], each["max_body_bytes"]) for each in told} == {("housing.v1", "8")}


def test_every_bucket_is_there_once():
    (filters,) = buckets({"a.v1": Limits(rate=RATE), "b.v1": Limits(rates=(("x", RATE),))}).values()
    assert [each["entries"][0]["value"] for each in filters["descriptors"]] == ["a.v1", "b.v1/x"]


RATES = {0.01: (1, "100.000000s"), 2.5: (3, "1.200000s"), 40.0: (40, "1.000000s"), 1e6: (1_000_000, "1.000000s")}


@pytest.mark.parametrize(("rate", "told"), RATES.items())
def test_a_bucket_fills_at_its_rate(rate: float, told: tuple[int, str]):
    (filters,) = buckets({"a.v1": Limits(rate=Rate(requests_per_s=rate, burst=7))}).values()
    tokens = filters["descriptors"][0]["token_bucket"]
    assert (tokens["max_tokens"], (tokens["tokens_per_fill"], tokens["fill_interval"])) == (7, told)


def test_limits_do_not_hide_who_answers():
    assert holders(table(Limits(rates=(("large", RATE),)))) == {"housing.v1": frozenset({"housing.v1.m0"})}


def test_only_guarded_services_ask_for_keys():
    asks = "envoy.filters.http.lua"
    for guarded, expected in ((("housing",), True), (("sentiment",), False)):
        routes = [*named(host(Limits(), guarded=guarded), "housing.v1"), *named(host(Limits(), guarded=guarded), "x")]
        assert [asks in route["typed_per_filter_config"] for route in routes] == [expected]


def test_table_knows_digests_alone():
    known = host(Limits(), consumers=(Consumer(name="shop", digest=DIGEST, service="housing"),))["metadata"]
    assert known["filter_metadata"]["envoy.filters.http.lua"] == {DIGEST: {"name": "shop", "service": "housing"}}


BAD = {
    "a name with a space": {"name": "a b", "digest": DIGEST},
    "no name": {"name": "", "digest": DIGEST},
    "a name with a line": {"name": "a\nb", "digest": DIGEST},
    "a key in place of its digest": {"name": "shop", "digest": "rung_secret"},
}


@pytest.mark.parametrize("values", BAD.values(), ids=BAD.keys())
def test_bad_consumers_are_refused(values: dict[str, str]):
    with pytest.raises(CallError) as caught:
        Consumer(**values)
    assert "secret" not in str(caught.value)


def test_a_key_has_one_consumer():
    with pytest.raises(CallError, match="a key has one consumer"):
        Routing(consumers=(Consumer(name="a", digest=DIGEST), Consumer(name="b", digest=DIGEST)))
