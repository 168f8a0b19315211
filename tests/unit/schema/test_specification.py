from __future__ import annotations

import pytest

from rung.errors import WorkspaceError
from rung.schema import ServiceLevel, parse_specification

LEVELS = 'title = "Houses"\nlatency_p99_ms = 250\nthroughput_rps = 20\nerror_rate = 0.01\n'
TEXT = f"+++\n{LEVELS}+++\n# Problem\n"

READABLE = {
    "as documented": TEXT,
    "blank lines before": f"\n\n{TEXT}",
    "byte order mark": f"\ufeff{TEXT}",
    "Windows line ends": TEXT.replace("\n", "\r\n"),
    "spaces after the fences": TEXT.replace("+++", "+++  "),
    "no prose": f"+++\n{LEVELS}+++",
    "a fence in the prose": f"{TEXT}\n+++\nmore\n+++\n",
    "pluses in a value": TEXT.replace("+++\n#", '[owners]\nproduct = """\n++++\n"""\n+++\n#'),
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_front_matter_is_read(text: str):
    found = parse_specification(text)
    assert found.title == "Houses"
    assert found.service_level == ServiceLevel(latency_p99_ms=250, throughput_rps=20, error_rate=0.01)


WHOLE = """
[owners]
product = "ada"
engineering = "bob"

[[consumers]]
name = "listing form"
needs = ["price"]
route = "predict"
requests_per_s = 15
instances = 1

[[consumers]]
name = "valuation desk"
needs = ["price"]
transforms = "round it"
requests_per_s = 4.5

[[edge_cases]]
name = "no price"
test = "test_no_price_is_an_error"

[[accuracy]]
test = "r2"
at_least = 0.5
"""


def test_whole_front_matter_is_read():
    found = parse_specification(TEXT.replace("+++\n#", f"{WHOLE}+++\n#"))
    assert (found.owners.product, found.owners.engineering) == ("ada", "bob")
    assert found.expected_rps == 19.5
    assert [(one.name, one.needs, one.transforms) for one in found.consumers] == [
        ("listing form", ("price",), None),
        ("valuation desk", ("price",), "round it"),
    ]
    assert found.edge_cases[0].test == "test_no_price_is_an_error"
    assert str(found.accuracy[0]) == "r2 >= 0.5"


def test_consumer_may_be_named_alone():
    found = parse_specification(TEXT.replace("+++\n#", 'consumers = ["desk"]\n+++\n#'))
    assert [one.name for one in found.consumers] == ["desk"]
    assert found.expected_rps is None


def test_threshold_may_be_from_above():
    (needed,) = parse_specification(
        TEXT.replace("+++\n#", '[[accuracy]]\ntest = "error"\nat_most = 0.2\n+++\n#')
    ).accuracy
    assert (needed.holds(0.2), needed.holds(0.3), needed.holds(float("nan"))) == (True, False, False)


REFUSED = {
    "nothing": ("", "has no front matter"),
    "prose only": ("# Problem\n", "has no front matter"),
    "prose first": (f"# Problem\n{TEXT}", "has no front matter"),
    "never closed": (f"+++\n{LEVELS}", "has no front matter"),
    "other fence": (TEXT.replace("+++", "---"), "has no front matter"),
    "empty": ("+++\n+++\n", "title: Field required"),
    "not TOML": ("+++\ntitle = Houses\n+++\n", "the front matter is not TOML"),
    "empty title": (TEXT.replace("Houses", ""), "title: String should have at least 1 character"),
    "level missing": (TEXT.replace("throughput_rps = 20\n", ""), "throughput_rps: Field required"),
    "latency 0": (TEXT.replace("250", "0"), "latency_p99_ms: Input should be greater than 0"),
    "latency infinite": (TEXT.replace("250", "inf"), "latency_p99_ms: Input should be a finite number"),
    "latency no number": (TEXT.replace("250", "nan"), "latency_p99_ms: Input should be a finite number"),
    "every request may fail": (TEXT.replace("0.01", "1"), "error_rate: Input should be less than 1"),
    "field that is not known": (TEXT.replace("+++\n#", 'owner = "ada"\n+++\n#'), "there is no field owner"),
    "owner that is not known": (TEXT.replace("+++\n#", '[owners]\nsales = "ada"\n+++\n#'), "no field owners.sales"),
    "two thresholds": (
        TEXT.replace("+++\n#", '[[accuracy]]\ntest = "r2"\nat_least = 0.1\nat_most = 0.2\n+++\n#'),
        "give either at_least or at_most",
    ),
    "edge case without a test": (TEXT.replace("+++\n#", '[[edge_cases]]\nname = "x"\n+++\n#'), "edge_cases.0.test"),
    "two consumers of one name": (
        TEXT.replace("+++\n#", 'consumers = ["desk", "desk"]\n+++\n#'),
        "two consumers are named desk",
    ),
    "share below 0": (TEXT.replace("0.01", "-0.1"), "error_rate: Input should be greater than or equal to 0"),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_front_matter_is_refused(text: str, told: str):
    with pytest.raises(WorkspaceError) as caught:
        parse_specification(text, name="housing/specification.md")
    assert caught.value.message.startswith("housing/specification.md")
    assert told in str(caught.value)
    assert caught.value.hint
