from __future__ import annotations

import pytest

from rung.errors import CallError
from rung.practice import changed_parts, check_size, digest_of, parts_of, short
from rung.practice._document import LARGEST

TEXT = '+++\ntitle = "Houses"\nlatency_p99_ms = 250\n+++\n\n# Problem\n\nNobody knows.\n\n# Pitfalls\n\n- One.\n'

CHANGES = {
    "nothing": (TEXT, ()),
    "line ends": (TEXT.replace("\n", "\r\n"), ()),
    "blanks": (TEXT.replace("knows.", "knows.   ") + "\n\n", ()),
    "a level": (TEXT.replace("250", "200"), ("latency_p99_ms",)),
    "a section": (TEXT.replace("Nobody", "Somebody"), ("# Problem",)),
    "a level and a section": (TEXT.replace("250", "200").replace("One", "Two"), ("latency_p99_ms", "# Pitfalls")),
    "a section is gone": (TEXT.partition("# Pitfalls")[0], ("# Pitfalls",)),
    "a section is new": (TEXT + "\n# Consumers\n\nNone.\n", ("# Consumers",)),
    "a comment": (TEXT.replace("250", "250  # at noon"), ("words outside of any section, or comments",)),
}


@pytest.mark.parametrize(("text", "changed"), CHANGES.values(), ids=CHANGES.keys())
def test_changed_parts_are_named(text: str, changed: tuple[str, ...]):
    assert changed_parts(TEXT, text) == changed
    assert (digest_of(text) == digest_of(TEXT)) == (not changed)


def test_front_matter_that_cannot_be_read_has_sections_all_the_same():
    assert parts_of(TEXT.replace('"Houses"', "Houses")) == {"# Problem": "Nobody knows.", "# Pitfalls": "- One."}


def test_large_document_is_refused():
    check_size("a" * LARGEST)
    with pytest.raises(CallError, match="262,145 bytes, and 262,144 are kept"):
        check_size("a" * (LARGEST + 1))


def test_digest_is_shortened():
    assert len(short(digest_of(TEXT))) == 8
