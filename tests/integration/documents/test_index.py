"""What was learned, found again: in documents, in what revisions were made with, in the reasons on record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from rung.documents import MARKS, Index, read_pages
from rung.errors import CallError
from rung.registry import Registry, open_registry
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Place

LESSON = "# {name}\n\n## Lessons\n\n{text}\n"


@pytest.fixture
def workspace(place: Place) -> Workspace:
    place.write("experiments/shop/experiments/v1.m1.md", LESSON.format(name="trees", text="Late outcomes flatter it."))
    place.write("experiments/desk/experiments/v2.m3.md", LESSON.format(name="x", text="An outcome came late."))
    place.write("experiments/desk/experiments/notes.md", "Late outcomes, but no document.")
    return Workspace(root=place.root, state=place.root / ".rung")


@pytest.fixture
def registry(workspace: Workspace) -> Iterator[Registry]:
    with open_registry(workspace.state) as registry:
        yield registry


def refreshed(workspace: Workspace, registry: Registry) -> tuple[Index, int]:
    index = Index(workspace.state / "knowledge.db")
    newest = registry.newest_event()
    number = 0 if newest is None else newest.id
    return index, index.refresh(read_pages(workspace), lambda after: registry.events(after=after), number)


def found(workspace: Workspace, registry: Registry, words: str, **more: str) -> list[tuple[str, str]]:
    index, _ = refreshed(workspace, registry)
    with index:
        return [(hit.revision, hit.place) for hit in index.search(words, **more)]


def test_endings_and_order_do_not_matter(workspace: Workspace, registry: Registry):
    assert set(found(workspace, registry, "outcomes late")) == {("shop.v1.m1", "Lessons"), ("desk.v2.m3", "Lessons")}
    assert found(workspace, registry, "outcomes late", service="desk") == [("desk.v2.m3", "Lessons")]
    assert found(workspace, registry, "late zebra", service="shop") == [("shop.v1.m1", "Lessons")]
    assert found(workspace, registry, "zebra") == []


def test_what_was_found_is_marked_and_leads_further(workspace: Workspace, registry: Registry):
    index, _ = refreshed(workspace, registry)
    with index:
        (hit,) = index.search("flatters")
    assert hit.snippet == f"Late outcomes {MARKS[0]}flatter{MARKS[1]} it."
    assert hit.command == "rung doc show shop.v1.m1"


def test_reasons_on_record_are_found(workspace: Workspace, registry: Registry):
    said = "the challenger lost by a hair"
    registry.record_event("verdict", "shop.v1.m2", because=said, actor="rung", gate="experiment")
    registry.record_event("gate", "shop.v1.m2", because="a hair of a gate", actor="rung")
    index, _ = refreshed(workspace, registry)
    with index:
        (hit,) = index.search("hair")
    assert (hit.revision, hit.place, hit.command) == ("shop.v1.m2", "experiment gate", "rung why shop.v1.m2")
    registry.record_event("torn_down", "shop.v1.m2", because="torn down within a hair", actor="rung")
    assert ("shop.v1.m2", "torn down") in found(workspace, registry, "hair")


def test_only_what_changed_is_read_again(workspace: Workspace, registry: Registry, place: Place):
    assert refreshed(workspace, registry)[1] == 2
    assert refreshed(workspace, registry)[1] == 0
    place.write("experiments/shop/experiments/v1.m1.md", LESSON.format(name="trees", text="Nothing at all."))
    (place.root / "experiments/desk/experiments/v2.m3.md").unlink()
    assert refreshed(workspace, registry)[1] == 1
    assert found(workspace, registry, "late") == []


def test_documents_of_revisions_are_kept(workspace: Workspace, registry: Registry, place: Place):
    """The workspace may have lost a document; the revision was made with it."""
    source = ".rung/revisions/{name}/source/experiments/shop/experiments/{file}"
    place.write(source.format(name="shop.v1.m4", file="v1.m4.md"), LESSON.format(name="m4", text="A forgotten zebra."))
    place.write(source.format(name="shop.v1.m1", file="v1.m1.md"), LESSON.format(name="m1", text="An older zebra."))
    assert found(workspace, registry, "zebra") == [("shop.v1.m4", "Lessons")]


def test_a_broken_index_is_made_anew(workspace: Workspace, registry: Registry):
    (workspace.state / "knowledge.db").write_bytes(b"no database" * 1000)
    assert len(found(workspace, registry, "late")) == 2
    assert len(found(workspace, registry, "late")) == 2


def test_another_registry_is_read_from_its_beginning(workspace: Workspace, registry: Registry):
    for _ in range(3):
        registry.record_event("failed", "shop.v1.m2", because="a zebra", actor="rung")
    index, _ = refreshed(workspace, registry)
    with index:
        events = registry.events()[:1]
        index.refresh(read_pages(workspace), lambda after: [one for one in events if one.id > after], events[0].id)
        assert len(index.search("zebra")) == 1


@pytest.mark.parametrize("words", ["", "\"'*()", "-"])
def test_nothing_to_look_for_is_refused(workspace: Workspace, registry: Registry, words: str):
    with pytest.raises(CallError, match="no word to look for"):
        found(workspace, registry, words)


@pytest.mark.parametrize("words", ['late" OR x', "NEAR(a b)", "text: late", "late*", "NOT late"])
def test_words_are_never_commands_of_the_index(workspace: Workspace, registry: Registry, words: str):
    found(workspace, registry, words)


def test_two_thousand_documents_are_searched_at_once(workspace: Workspace, registry: Registry, place: Place):
    text = "Trees need coordinates, and neighbourhoods say more than rooms. " * 30
    for number in range(2_000):
        path = place.root / f"experiments/shop/experiments/v3.m{number}.md"
        path.write_text(LESSON.format(name=f"m{number}", text=f"{text} lesson{number}"))
    found(workspace, registry, "anything")
    begun = time.process_time()  # busy neighbours do not count
    assert found(workspace, registry, "lesson1234") == [("shop.v3.m1234", "Lessons")]
    assert time.process_time() - begun < 0.5
