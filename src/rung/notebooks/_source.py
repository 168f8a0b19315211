"""What is written in a notebook: its cells, its parameters and what it says, read from the file. Pure.

Without nbformat: to list, to search and to show needs nothing of Jupyter.
"""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PARAMETERS", "Cell", "Source"]

PARAMETERS: Final = "parameters"
"""Tag of the cell whose names a run may set, as papermill has it."""
_FORMAT: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell."""

    number: int
    """Among all cells, from 1 on."""
    id: str
    """Empty where the file's format has none."""
    kind: str
    """`code`, `markdown` or `raw`."""
    source: str
    tags: tuple[str, ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_code(self) -> bool:
        """Whether it is run."""
        return self.kind == "code"

    @property
    def error(self) -> Mapping[str, Any] | None:
        """What it raised: `ename`, `evalue` and `traceback`."""
        return next((output for output in self.outputs if output.get("output_type") == "error"), None)

    @property
    def text(self) -> str:
        """All that its outputs say, as text."""
        return "\n".join(filter(None, map(_text_of, self.outputs)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A notebook."""

    cells: tuple[Cell, ...]

    @classmethod
    def parse(cls, data: bytes, *, name: str) -> Source:
        """Read an `.ipynb` file.

        Args:
            data: Its bytes.
            name: What an error calls it.

        Raises:
            CallError: It is no notebook of format 4.
        """
        try:
            written = json.loads(data)
            if written["nbformat"] != _FORMAT:
                raise CallError(
                    f"{name} has the notebook format {written['nbformat']}",
                    hint="open and save it in Jupyter: that is 4",
                )
            return cls(cells=tuple(_cell(number, cell) for number, cell in enumerate(written["cells"], 1)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CallError(f"{name} is no notebook ({error!r})", hint="it is a file that Jupyter saves") from error

    @property
    def digest(self) -> str:
        """Digest of all that is written in the cells; outputs do not count."""
        spelled = json.dumps([(cell.kind, cell.source, cell.tags) for cell in self.cells], ensure_ascii=False)
        return f"sha256:{hashlib.sha256(spelled.encode(errors='surrogatepass')).hexdigest()}"

    @property
    def code(self) -> tuple[Cell, ...]:
        """The cells that are run."""
        return tuple(cell for cell in self.cells if cell.is_code)

    @property
    def failed(self) -> Cell | None:
        """The cell that raised."""
        return next((cell for cell in self.cells if cell.error is not None), None)

    @property
    def parameters(self) -> dict[str, Any]:
        """Names that the parameters cell sets, with their values; None for one that is no literal."""
        marked = next((cell for cell in self.code if PARAMETERS in cell.tags), None)
        return {} if marked is None else _assigned(marked.source)

    def set(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give all parameters of a run: those that are given, and the notebook's own values for the others.

        Raises:
            CallError: A name that is given is no parameter.
        """
        known = self.parameters
        for name in given:
            if name not in known:
                told = f"they are {', '.join(known)}" if known else f"tag a cell with {PARAMETERS!r} and set it there"
                raise CallError(f"the notebook has no parameter {name!r}", hint=told)
        return known | dict(given)


def parse_value(text: str) -> Any:
    """Read a parameter as it is typed: JSON where it is JSON, else the text itself.

    >>> parse_value("300"), parse_value("true"), parse_value("houses@3")
    (300, True, 'houses@3')
    """
    try:
        return json.loads(text)
    except ValueError:
        return text


def _cell(number: int, written: Mapping[str, Any]) -> Cell:
    return Cell(
        number=number,
        id=str(written.get("id", "")),
        kind=str(written["cell_type"]),
        source=_joined(written["source"]),
        tags=tuple(map(str, written.get("metadata", {}).get("tags", ()))),
        outputs=tuple(output for output in written.get("outputs", ()) if isinstance(output, dict)),
    )


def _joined(text: Any) -> str:
    """Join what the format may keep as lines."""
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def _text_of(output: Mapping[str, Any]) -> str:
    if output.get("output_type") == "error":
        return f"{output.get('ename')}: {output.get('evalue')}"
    data = output.get("data")
    return _joined(output.get("text") or (data.get("text/plain", "") if isinstance(data, dict) else ""))


def _assigned(source: str) -> dict[str, Any]:
    """Give the names that a cell sets at its top level, with their literal values."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):  # it is told when it is run
        return {}
    found: dict[str, Any] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        found |= {target.id: _literal(value) for target in targets if isinstance(target, ast.Name)}
    return found


def _literal(node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
        json.dumps(value)
    except (ValueError, TypeError):
        return None
    return value
