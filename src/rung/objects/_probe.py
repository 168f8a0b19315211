"""Whether a store does what Rung relies on. Called where a platform or a training begins to use one."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from rung.errors import UnavailableError, WorkspaceError

if TYPE_CHECKING:
    from rung.objects._objects import Objects

_HINT = "use a store with conditional writes (If-None-Match): AWS S3, MinIO, Ceph and Cloudflare R2 have them"


def probe(objects: Objects) -> None:
    """Write twice, read and delete: of two writers of one key the second must be refused.

    Raises:
        WorkspaceError: The store lacks something; the message says what.
        UnavailableError: It does not answer.
    """
    key = f"probe/{secrets.token_hex(8)}"
    _create(objects, key)
    told = objects.create(key, b"second")
    found = objects.read(key)
    objects.delete(key)
    if told or found == b"second":
        raise WorkspaceError(
            f"{objects.url} overwrites what is there although it is told not to: two writers would lose each "
            "other's work",
            hint=_HINT,
        )
    if found != b"first":
        raise WorkspaceError(f"{objects.url} does not give what was just written", hint=_HINT)
    if objects.size(key) is not None:
        raise WorkspaceError(f"{objects.url} does not delete: {key} is still there", hint="is it read-only, or locked?")


def _create(objects: Objects, key: str) -> None:
    """Write the first time; a store that takes plain writes alone is told from one that does not answer."""
    try:
        objects.create(key, b"first")
    except UnavailableError:
        objects.replace(key, b"first")
        raise WorkspaceError(f"{objects.url} does not know conditional writes", hint=_HINT) from None
