from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.lake import OUTCOMES, PREDICTIONS, outcome_line, prediction_line
from rung.lake._lines import KINDS, Kind, parse


def good(number: int) -> bytes:
    return outcome_line(service="s", metric="m", value=number, unit=f"u{number}", received=number)


@given(st.lists(st.one_of(st.binary().map(lambda raw: raw.replace(b"\n", b"")), st.none()), max_size=12))
def test_every_line_is_a_row_or_bad(lines: list[bytes | None]):
    data = b"".join(good(number) if raw is None else raw + b"\n" for number, raw in enumerate(lines))
    rows, bad = parse(data, KINDS[OUTCOMES])
    assert rows.height + len(bad) == len(lines)
    assert rows["value"].to_list() == [number for number, raw in enumerate(lines) if raw is None]
    for found in bad:
        assert data[found.position :].startswith(found.line + b"\n")
        assert found.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"service":"s","metric":"m","value":1,"unit":"u"}', "received is not"),
        (b'{"service":"s","metric":"m","value":1,"unit":"u","received":-1}', "received is not"),
        (b'{"service":"s","metric":"m","value":1,"unit":"u","received":1,"time":9e18}', "as Int64"),
        (b'{"service":"s","metric":"m","value":null,"unit":"u","received":1}', "the value is not"),
        (b'{"service":"s","metric":"m","value":"x","unit":"u","received":1}', "as Float64"),
        (b'{"service":"s","metric":"m","value":1,"unit":"","received":1}', "neither unit nor"),
        (b'{"service":"","metric":"m","value":1,"unit":"u","received":1}', "named as a service"),
        (b'{"service":"../x","metric":"m","value":1,"unit":"u","received":1}', "named as a service"),
        (b"[]", "object"),
        (b"", "the line holds no object"),
    ],
)
def test_a_bad_line_has_a_reason(line: bytes, reason: str):
    rows, (bad,) = parse(line + b"\n", KINDS[OUTCOMES])
    assert rows.is_empty()
    assert reason in bad.reason


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_line_gives_no_row(kind: Kind):
    rows, bad = parse(b"", kind)
    assert (rows.height, bad, rows.schema) == (0, [], kind.schema)


@pytest.mark.parametrize(
    ("arm", "taken"),
    [
        *((arm, True) for arm in ("incumbent", "challenger", "none", "m0", "m31", None)),
        *((arm, False) for arm in ("m", "m3x", "M3", "housing.v1.m3", "")),
    ],
)
def test_arms_are_roles_or_short_names(arm: str | None, taken: bool):
    line = prediction_line(
        id="p1", revision="a.v1.m2", time=1, status=200, duration_ms=1, kind="production", instances=b"[]", arm=arm
    )
    rows, bad = parse(line, KINDS[PREDICTIONS])
    assert (rows["arm"].to_list(), len(bad)) == (([arm], 0) if taken else ([], 1))


def test_keys_never_change():
    line = prediction_line(
        id="p1", revision="a.v1.m2", time=1, status=200, duration_ms=1, kind="exact", instances=b"[]", unit="u"
    )
    rows, _ = parse(line, KINDS[PREDICTIONS])
    assert rows.select("id_key", "unit_key").row(0) == (-7940245846511773976, 635684713685137414)


def test_sameness_is_by_id_or_by_content():
    base = {"service": "s", "metric": "m", "value": 1.0, "received": 5, "unit": "u"}
    changes = [{}, {"received": 6}, {"time": 5}, {"value": 2}, {"id": "k"}, {"id": "k", "value": 2, "received": 9}]
    data = b"".join(outcome_line(**(base | change)) for change in changes)
    keys = parse(data, KINDS[OUTCOMES])[0]["same_key"]
    assert keys[0] == keys[2]
    assert keys[4] == keys[5]
    assert keys.n_unique() == 4
