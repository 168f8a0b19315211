"""A document as text: its sections, the part that is made from evidence, and the template of a new one. Pure.

The made part lies between two markers. The first one holds a digest of it, so that a change by hand is seen.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.schema import RevisionName

PLANNED = ("Intention", "Hypothesis", "Approach", "What would change our mind")
"""Sections that are written, and reviewed, before the code."""

_RESULTS, _LESSONS = "Results", "Lessons"
_TITLE = re.compile(r"^# +(.+?)[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"^## +(.+?)[ \t]*$", re.MULTILINE)
_OUTCOME = re.compile(r"\*\*([A-Za-z ]+)\*\*")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_END = "<!-- end of results -->"
_MADE = re.compile(
    r"^<!-- results, made by `rung doc fill`: sha256:(?P<digest>[0-9a-f]{64}) -->\n(?P<body>.*?)^"
    + re.escape(_END)
    + "$",
    re.MULTILINE | re.DOTALL,
)
_NAME = re.compile(r"v(?P<major>[1-9][0-9]{0,8})\.m(?P<minor>0|[1-9][0-9]{0,8})\.md")

_TEMPLATE = """\
# {name}: <!-- what is tried, in a few words -->

The first four sections are written, reviewed and merged before the code of this revision.

## Intention

<!-- What is to be found out or made better, for whom, and why now. -->

## Hypothesis

<!-- What is expected, as a number: "at least one house in four within 10 % of its price; v1.m1 has 24 %". -->

## Approach

<!-- Data, features, model, tests that are added; what stays as it is, so that the effect can be told apart. -->

## What would change our mind

<!-- The result after which this way is given up. -->

## Results

<!-- Nothing is written here by hand: `rung doc fill {name}` does it from the evidence. -->

## Lessons

<!-- What the next person should know, whatever the outcome. `rung knowledge search` finds it. -->
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a document says."""

    title: str
    sections: Mapping[str, str]
    """By heading, without comments."""
    made: str | None
    """The part that was made from evidence; None where there is none yet."""
    is_edited: bool
    """That part is not what was made."""

    @property
    def unwritten(self) -> tuple[str, ...]:
        """Sections that are to be written before the code, and say nothing."""
        return tuple(name for name in PLANNED if not self.sections.get(name, ""))

    @property
    def outcome(self) -> str:
        """`promoted`, `rejected` or `not decided`, as its results say; "" where none were filled in."""
        found = _OUTCOME.match(self.made or "")
        return "" if found is None else found[1].lower()

    @property
    def lessons(self) -> str:
        """What was learned."""
        return self.sections.get(_LESSONS, "")


def document_name(file: str) -> tuple[int, int] | None:
    """Read the name of a document's file: major and minor; None for another file.

    >>> document_name("v1.m12.md"), document_name("notes.md")
    ((1, 12), None)
    """
    found = _NAME.fullmatch(file)
    return None if found is None else (int(found["major"]), int(found["minor"]))


def template(name: RevisionName) -> str:
    """Give the document of a revision to begin with."""
    return _TEMPLATE.format(name=name)


def parse(text: str) -> Document:
    r"""Read a document; any text is one, with what it has.

    >>> parse("# Trees\n\n## Intention\n\nBe better.\n\n## Lessons\n<!-- none -->").sections
    {'Intention': 'Be better.', 'Lessons': ''}
    """
    made = _MADE.search(text)
    title = _TITLE.search(text)
    parts = _HEADING.split(_MADE.sub("", text))
    return Document(
        title="" if title is None else _said(title[1]),
        sections={heading: _said(body) for heading, body in zip(parts[1::2], parts[2::2], strict=True)},
        made=None if made is None else made["body"],
        is_edited=made is not None and made["digest"] != _digest(made["body"]),
    )


def fill(text: str, body: str) -> str:
    """Put what was made from evidence into a document, in place of what was made before; all else stays as it is.

    Args:
        text: The document.
        body: Markdown without headings of the first two levels.

    Raises:
        CallError: The body could not be told from the document around it.
    """
    body = body.strip("\n") + "\n"
    if _END in body or "<!-- results, made by" in body or _HEADING.search(body) or _TITLE.search(body):
        raise CallError("results hold a marker or a heading of a document", hint="headings begin with ### there")
    block = f"<!-- results, made by `rung doc fill`: sha256:{_digest(body)} -->\n{body}{_END}"
    made = _MADE.search(text)
    if made is not None:
        return text[: made.start()] + block + _MADE.sub("", text[made.end() :])
    return _insert(text, block)


def _insert(text: str, block: str) -> str:
    """Put the block below the heading of the results, in place of what a template said there; else at the end."""
    for heading in _HEADING.finditer(text):
        if heading[1] == _RESULTS:
            following = _HEADING.search(text, heading.end())
            end = len(text) if following is None else following.start()
            kept = _said(text[heading.end() : end])
            parts = [text[: heading.end()], block, kept, text[end:].rstrip("\n")]
            return "\n\n".join(part for part in parts if part) + "\n"
    return f"{text.rstrip()}\n\n## {_RESULTS}\n\n{block}\n"


def _said(text: str) -> str:
    return _COMMENT.sub("", text).strip().removesuffix(":").strip()


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
