"""What of requests and answers is not kept, or kept as a keyed hash: `[services.NAME.log]` of `rung.toml`, applied.

The shipper applies it to the lake's own tables, `rung.data.feedback` to the datasets that are made of them. What was
hashed once stays as it is, so that both may do it.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from rung.errors import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

    from rung.workspace import Workspace

__all__ = ["Part", "Privacy", "privacy_of"]

Part: TypeAlias = Literal["instance", "parameters", "prediction"]
"""What a name in `drop` or `hash` begins with, unless it is `unit`."""

MARK: Final = "hmac:"
_HASHED: Final = re.compile(rf"{MARK}[0-9a-f]{{64}}")
_KEY: Final = "privacy.key"
_KEY_BYTES: Final = 32
_UNIT: Final = "unit"

_Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Privacy:
    """What one service's log leaves out, and what it hashes.

    >>> privacy = Privacy(drop=("instance.owner",), hash=("unit",), key=b"a secret")
    >>> privacy.text("instance", '[{"owner": "Ann", "rooms": 3}]')
    '[{"rooms":3}]'
    >>> privacy.unit("customer-7")[:12]
    'hmac:c8983c1'
    """

    drop: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    key: bytes = field(default=b"", repr=False)
    _rules: dict[str, list[tuple[_Path, bool]]] = field(init=False, repr=False, compare=False)
    """Part to the paths in it, and whether what is there is dropped."""

    def __post_init__(self) -> None:
        rules: dict[str, list[tuple[_Path, bool]]] = {}
        for names, is_dropped in ((self.hash, False), (self.drop, True)):
            for name in names:
                part, *path = name.split(".")
                rules.setdefault(part, []).append((tuple(path), is_dropped))
        object.__setattr__(self, "_rules", rules)

    def touches(self, part: Part) -> bool:
        """Say whether anything in this part is dropped or hashed."""
        return part in self._rules

    @property
    def keeps_requests(self) -> bool:
        """Whether requests are kept whole, so that they can be sent again."""
        return not (self.touches("instance") or self.touches("parameters"))

    def text(self, part: Part, text: str | None) -> str | None:
        """Give the JSON of instances, parameters or predictions as it may be kept.

        Args:
            part: What the text is.
            text: JSON: an array of instances or of predictions, or the one object of parameters; None when there is
                none.

        Returns:
            The very same text when nothing in this part is dropped or hashed.
        """
        rules = self._rules.get(part)
        if rules is None or text is None:
            return text
        value = json.loads(text)
        values = value if part != "parameters" and isinstance(value, list) else [value]
        for path, is_dropped in rules:
            if path:
                for one in values:
                    self._apply(one, path, is_dropped=is_dropped)
            else:
                values[:] = [None if is_dropped else self._hashed(one) for one in values]
        kept = values[0] if value is not values else values
        return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))

    def unit(self, unit: str | None) -> str | None:
        """Give a unit as it may be kept."""
        rules = self._rules.get(_UNIT)
        if rules is None or unit is None:
            return unit
        return None if rules[-1][1] else str(self._hashed(unit))

    def _apply(self, value: Any, path: _Path, *, is_dropped: bool) -> None:
        """Drop or hash what lies at a path; of lists on the way each item."""
        if isinstance(value, list):
            for item in value:
                self._apply(item, path, is_dropped=is_dropped)
            return
        name = path[0]
        if not isinstance(value, dict) or name not in value:
            return
        if len(path) > 1:
            self._apply(value[name], path[1:], is_dropped=is_dropped)
        elif is_dropped:
            del value[name]
        else:
            value[name] = self._hashed(value[name])

    def _hashed(self, value: Any) -> Any:
        if value is None or (isinstance(value, str) and _HASHED.fullmatch(value)):
            return value
        spelled = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
        return MARK + hmac.digest(self.key, spelled.encode(errors="surrogatepass"), "sha256").hex()


def privacy_of(workspace: Workspace, service: str) -> Privacy | None:
    """Read what a service's log leaves out and hashes; None when it keeps everything.

    The key of the hashes is made when it is first needed.

    Raises:
        WorkspaceError: `rung.toml` cannot be read, or others may read the key.
    """
    log = workspace.settings().policy(service).log
    if not log.drop and not log.hash:
        return None
    key = _read_key(workspace.state / "keys") if log.hash else b""
    return Privacy(drop=tuple(log.drop), hash=tuple(log.hash), key=key)


def _read_key(folder: Path) -> bytes:
    path = folder / _KEY
    if not path.exists():
        _make_key(path)
    try:
        if path.stat().st_mode & 0o077:
            raise WorkspaceError(f"others may read the key {path}", hint=f"chmod 600 {path}")
        key = path.read_bytes()
    except OSError as error:
        raise WorkspaceError(f"the key {path} cannot be read ({error.strerror})", hint="see to its owner") from error
    if len(key) < _KEY_BYTES:
        raise WorkspaceError(f"the key {path} has {len(key)} bytes, not {_KEY_BYTES}", hint="bring it back")
    return key


def _make_key(path: Path) -> None:
    """Make a key that is there whole or not at all; of several makers one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
