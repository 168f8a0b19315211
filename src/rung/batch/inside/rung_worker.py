"""One worker of a batch: takes parts of the input from a folder of its own, writes their predictions beside them.

Whoever starts it (`rung.batch._crew`) puts `000007.in` into the folder; it writes `000007.out`, whole or not at all,
and takes `000007.in` away. On a machine that does not see the folder there is another one, and files move between both.
Whoever started it stops it; it ends by itself when nobody has touched `alive` for a while.

Lines of `.in` are rows as JSON. Lines of `.out` are `[prediction, null]` or `[null, reason]`, one for each row.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.exports.inside.rung_handlers import Handlers, NotReadyError, Refused, UnavailableError
else:
    from rung_handlers import Handlers, NotReadyError, Refused, UnavailableError

_LOOK_S = 0.02
_ORPHANED_S = 60.0  # nobody has touched `alive` for so long
_AT_ONCE = 4  # requests under way, so that one is read while another is answered
_NOT_READY, _UNAVAILABLE = 3, 4  # exit codes, as `_crew` reads them


class _Order:
    """What a batch asks, the same for all of its workers: `order.json` beside their folders."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.application: str = told["application"]
        self.route: str = told["route"]
        self.rows: int = told["rows"]
        self.parameters: bytes | None = None if told["parameters"] is None else json.dumps(told["parameters"]).encode()
        self.fields: dict[str, str] = told["fields"]
        self.nullable: frozenset[str] = frozenset(told["nullable"])

    def instance(self, line: bytes) -> bytes:
        """Spell a row as an instance: no value is no field, text in a column of numbers is a number where it is one."""
        row = json.loads(line)
        kept = {
            name: _read(value, self.fields.get(name)) if type(value) is str else value
            for name, value in row.items()
            if value is not None or name in self.nullable
        }
        return json.dumps(kept).encode()


def _read(text: str, kind: str | None) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    if kind not in {"integer", "number"} or "_" in text:  # which Python would take for a number
        return text
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


async def _predicted(handlers: Handlers, order: _Order, lines: list[bytes]) -> list[Any]:
    """Predict all rows of a part, some requests at a time."""
    parts = [lines[start : start + order.rows] for start in range(0, len(lines), order.rows)]
    places = asyncio.Semaphore(_AT_ONCE)

    async def ask(part: list[bytes]) -> list[Any]:
        async with places:
            return await handlers.answer(order.route, [order.instance(line) for line in part], order.parameters)

    answered = await asyncio.gather(*(ask(part) for part in parts))
    return [one for part in answered for one in part]


def _write(path: Path, answered: list[Any]) -> None:
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", encoding="utf-8") as file:
        for one in answered:
            told = [None, one.reason] if isinstance(one, Refused) else [one, None]
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
    unfinished.rename(path)


def _given(folder: Path) -> Iterator[Path]:
    """Take one part after the other, as long as somebody wants them back."""
    while time.time() - (folder / "alive").stat().st_mtime < _ORPHANED_S:
        path = min(folder.glob("*.in"), default=None)
        if path is None:
            time.sleep(_LOOK_S)
        else:
            yield path


def main(folder: Path) -> int:
    """Work until nobody wants that any more; give the exit code."""
    order = _Order(json.loads((folder.parent / "order.json").read_bytes()))
    try:
        handlers = Handlers(order.application)
    except NotReadyError as error:
        sys.stderr.write(f"not ready: {error}\n")
        return _NOT_READY
    try:
        for part in _given(folder):
            lines = part.read_bytes().splitlines()
            _write(part.with_suffix(".out"), handlers.run(_predicted(handlers, order, lines)))
            part.unlink()
    except UnavailableError as error:
        sys.stderr.write(f"unavailable: {error}\n")
        return _UNAVAILABLE
    handlers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
