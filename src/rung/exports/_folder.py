"""A folder that an export fills: it is there whole, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import CallError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """Give a folder to fill, which becomes `output` when the block ends well; all may read what is in it.

    Raises:
        ConflictError: `output` is there, and not an empty folder.
        CallError: Nothing can be written there.
    """
    output = output.absolute()
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ConflictError(f"{output} is there already", hint="name a folder that is not there, or is empty")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
        try:
            yield partial
            _open_to_readers(partial)
            partial.rename(output)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise CallError(f"{output} cannot be written: {error.strerror}", hint="name a folder of yours") from error


def _open_to_readers(folder: Path) -> None:
    """Let another user read it: an image's is not the one who exports."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
