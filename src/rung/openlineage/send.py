"""Sends what is in the file of events and was not sent yet: `python -m rung.openlineage.send WORKSPACE STATE`.

One at a time, in order. How far it came is kept beside the file; what the server does not take now is for the next one.
What it will never take is set aside, with its reason.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2

from rung._http import verify
from rung.openlineage._outbox import EVENTS, SENT
from rung.workspace import MARKER, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main", "send"]

KEY: Final = "OPENLINEAGE_API_KEY"
_REFUSED: Final = "openlineage.refused.jsonl"
_TIMEOUT_S: Final = 10.0
_WITHIN_S: Final = 60.0
"""After which no further event is sent; the next sender goes on."""
_LATER: Final = frozenset({401, 403, 408, 425, 429})
"""Answers of a server that may take the same later: when somebody has seen to the key, or to the load."""


def main(arguments: list[str] | None = None) -> int:
    """Send what waits; exit status 3 when something still does."""
    from rung.settings import read  # noqa: PLC0415  after the arguments are known to be right

    root, state = map(Path, sys.argv[1:] if arguments is None else arguments)
    url = read(root / MARKER).openlineage_url
    if url is None:
        return 0
    return 0 if send(state / "log", url, key=os.environ.get(KEY)) else 3


def send(folder: Path, url: str, *, key: str | None = None) -> bool:
    """Send the events of a folder that were not sent yet; False when some still wait.

    Args:
        folder: `.rung/log`.
        url: Where events are posted to.
        key: Shown to the server, if any.
    """
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    with httpx2.Client(headers=headers, timeout=_TIMEOUT_S, verify=verify(url)) as client:
        while _sent(folder) < (folder / EVENTS).stat().st_size:  # also what came when the last one was just done
            with (folder / "openlineage.lock").open("ab") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False  # another one sends, and looks again when it is done
                before = _sent(folder)
                if not _send(client, folder, url):
                    return False
            if _sent(folder) == before:
                return True  # half a line: its writer goes on
    return True


def _send(client: httpx2.Client, folder: Path, url: str) -> bool:
    until = time.monotonic() + _WITHIN_S
    for line, end in _waiting(folder):
        if time.monotonic() > until:
            return False
        try:
            answer = client.post(url, content=line)
        except httpx2.HTTPError:
            return False
        if answer.is_server_error or answer.status_code in _LATER:
            return False
        if not answer.is_success:
            _set_aside(folder, line, answer)
        write_atomically(folder / SENT, str(end).encode())
    return True


def _waiting(folder: Path) -> Iterator[tuple[bytes, int]]:
    """Give each whole line that was not sent, and where it ends."""
    with (folder / EVENTS).open("rb") as file:
        file.seek(_sent(folder))
        while (line := file.readline()).endswith(b"\n"):
            yield line, file.tell()


def _sent(folder: Path) -> int:
    """Tell how many bytes of the file were sent; a file that was made anew is sent from its beginning."""
    try:
        sent = int((folder / SENT).read_bytes())
    except (FileNotFoundError, ValueError):
        return 0
    return sent if sent <= (folder / EVENTS).stat().st_size else 0


def _set_aside(folder: Path, line: bytes, answer: httpx2.Response) -> None:
    told = {"status": answer.status_code, "answer": answer.text[:1_000], "event": json.loads(line)}
    with (folder / _REFUSED).open("a", encoding="utf-8") as file:
        file.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    sys.exit(main())
