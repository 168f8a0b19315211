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
    "pluses in a value": TEXT.replace('"Houses"', '"Houses"\nnote = """\n++++\n"""'),
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_front_matter_is_read(text: str):
    found = parse_specification(text)
    assert found.title == "Houses"
    assert found.service_level == ServiceLevel(latency_p99_ms=250, throughput_rps=20, error_rate=0.01)


def test_own_fields_are_kept():
    assert parse_specification(TEXT.replace("+++\n#", 'owner = "prices"\n+++\n#')).model_extra == {"owner": "prices"}


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
    "share below 0": (TEXT.replace("0.01", "-0.1"), "error_rate: Input should be greater than or equal to 0"),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_front_matter_is_refused(text: str, told: str):
    with pytest.raises(WorkspaceError) as caught:
        parse_specification(text, name="housing/specification.md")
    assert caught.value.message.startswith("housing/specification.md")
    assert told in str(caught.value)
    assert caught.value.hint
