from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from rung.control._telemetry import Family, add

PAGE = """\
# HELP rung_requests_total Requests answered
# TYPE rung_requests_total counter
rung_requests_total{route="predict",status="200"} 3.0
# HELP rung_wait_seconds Time
# TYPE rung_wait_seconds histogram
rung_wait_seconds_bucket{le="0.1",route="predict"} 3.0
rung_wait_seconds_bucket{le="+Inf",route="predict"} 3.0
rung_wait_seconds_count{route="predict"} 3.0
rung_wait_seconds_sum{route="predict"} 0.5
# HELP rung_held_bytes Bodies
# TYPE rung_held_bytes gauge
rung_held_bytes 0.0
"""


def merged(**pages: str) -> str:
    families: dict[str, Family] = {}
    for name, page in pages.items():
        for line in page.splitlines():
            add(families, line, labels=f'revision="housing.v1.{name}"')
    return "".join(f"{line}\n" for family in families.values() for line in (*family.head, *family.lines))


def test_pages_of_two_servers_make_one_that_can_be_read():
    families = {family.name: family for family in text_string_to_metric_families(merged(m1=PAGE, m2=PAGE))}
    assert {name: family.type for name, family in families.items()} == {
        "rung_requests": "counter",
        "rung_wait_seconds": "histogram",
        "rung_held_bytes": "gauge",
    }
    assert {one.labels["revision"] for one in families["rung_held_bytes"].samples} == {"housing.v1.m1", "housing.v1.m2"}
    assert len(families["rung_wait_seconds"].samples) == 8


def test_each_family_is_told_once():
    text = merged(m1=PAGE, m2=PAGE)
    assert text.count("# TYPE rung_requests_total counter") == 1
    assert text.index("# TYPE rung_wait_seconds") > text.rindex("rung_requests_total{")


def test_what_is_no_sample_is_left_out():
    assert merged(m1="<html>\n\n# a comment\n") == ""
