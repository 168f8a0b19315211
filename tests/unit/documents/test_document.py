"""A document as text: what it says, and the part that evidence makes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.documents import PLANNED, document_name, fill, parse, template
from rung.errors import CallError
from rung.schema import RevisionName

NAME = RevisionName.parse("housing.v1.m2")
WRITTEN = """\
# housing.v1.m2: trees

## Intention

Know the neighbourhoods.

## Results

None yet.

## Lessons

Trees need the coordinates.
"""


def test_new_document_has_everything_to_say():
    document = parse(template(NAME))
    assert document.title == "housing.v1.m2"
    assert document.unwritten == PLANNED
    assert (document.made, document.lessons) == (None, "")


def test_sections_are_read():
    document = parse(WRITTEN)
    assert document.sections["Intention"] == "Know the neighbourhoods."
    assert document.unwritten == PLANNED[1:]
    assert document.lessons == "Trees need the coordinates."


def test_results_stand_below_their_heading():
    filled = fill(WRITTEN, "**Promoted**: better.\n")
    before, _, after = filled.partition("**Promoted**: better.\n")
    assert before.rstrip().splitlines()[-3] == "## Results"
    assert "None yet." in after
    assert after.index("None yet.") < after.index("## Lessons")
    assert parse(filled).made == "**Promoted**: better.\n"
    assert not parse(filled).is_edited
    assert (parse(filled).outcome, parse(WRITTEN).outcome) == ("promoted", "")


def test_a_document_without_results_gets_them_at_its_end():
    assert fill("# Any\n\nText.", "Done.").startswith("# Any\n\nText.\n\n## Results\n\n<!-- results, made by")


def test_later_results_take_the_place_of_earlier_ones():
    again = fill(fill(WRITTEN, "Under way."), "Promoted.")
    assert "Under way." not in again
    assert again == fill(again, "Promoted.")


def test_a_change_by_hand_is_seen_and_written_over():
    edited = fill(WRITTEN, "It lost.").replace("It lost.", "It won.")
    assert parse(edited).is_edited
    mended = fill(edited, "It lost.")
    assert not parse(mended).is_edited
    assert "It won." not in mended


@pytest.mark.parametrize("body", ["## Lessons", "# Title", "x\n<!-- end of results -->"])
def test_results_cannot_pass_for_the_rest_of_the_document(body: str):
    with pytest.raises(CallError, match="a marker or a heading"):
        fill(WRITTEN, body)


@pytest.mark.parametrize("file", ["v1.m2.txt", "v0.m1.md", "v1.m02.md", "V1.m2.md", "notes.md"])
def test_other_files_are_no_documents(file: str):
    assert document_name(file) is None


@given(
    st.text(st.characters(codec="utf-8")),
    st.text(st.characters(codec="utf-8", exclude_characters="#<\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), min_size=1),
)
def test_any_text_can_be_filled_and_keeps_what_it_said(text: str, body: str):
    filled = fill(text, body)
    document = parse(filled)
    assert not document.is_edited
    assert document.made is not None
    assert document.made.strip("\n") == body.strip("\n")
    assert fill(filled, body) == filled
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    assert all(line in filled for line in kept if "<!--" not in text and "-->" not in text)
