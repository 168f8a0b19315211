"""Repacks the running package into a wheel, so that a revision's environment has the very `rung` that made it.

The running one may be installed editable, from a wheel, or be a version that no index has.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import zipfile
from pathlib import Path

import rung

__all__ = ["own_wheel"]

_MOMENT = (1980, 1, 1, 0, 0, 0)  # the earliest that an archive can say: the same content gives the same bytes
_WHEEL = "Wheel-Version: 1.0\nGenerator: rung\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def own_wheel(folder: Path) -> Path:
    """Write the wheel of the running package as `folder/<sha256 of its content>/rung-...whl`, unless it is there."""
    distribution = importlib.metadata.distribution("rung")
    name = f"rung-{distribution.version}"
    files = _package_files() | {
        f"{name}.dist-info/{part}": text.encode()
        for part in ("METADATA", "entry_points.txt")
        if (text := distribution.read_text(part))
    }
    files[f"{name}.dist-info/WHEEL"] = _WHEEL.encode()
    wheel = folder / _digest(files) / f"{name}-py3-none-any.whl"
    if not wheel.exists():
        files[f"{name}.dist-info/RECORD"] = _record(files, f"{name}.dist-info/RECORD")
        _zip(files, wheel)
    return wheel


def _package_files() -> dict[str, bytes]:
    root = Path(rung.__file__).parent
    return {
        f"rung/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }


def _digest(files: dict[str, bytes]) -> str:
    content = hashlib.sha256()
    for name in sorted(files):
        content.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return content.hexdigest()


def _record(files: dict[str, bytes], own: str) -> bytes:
    """List every file with its hash, as the wheel format (PEP 427) asks."""
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for name, content in sorted(files.items())
    ]
    return "\n".join([*lines, f"{own},,", ""]).encode()


def _zip(files: dict[str, bytes], wheel: Path) -> None:
    wheel.parent.mkdir(parents=True, exist_ok=True)
    partial = wheel.with_suffix(f".{os.getpid()}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, date_time=_MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    partial.replace(wheel)
