"""An S3-compatible store, through obstore: retried with growing, random pauses, and never for longer than a while."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rung.errors import UnavailableError, WorkspaceError
from rung.objects._connection import read_connection
from rung.objects._objects import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

try:
    import obstore
    from obstore import exceptions
    from obstore.store import S3Store
except ImportError as missing:
    raise WorkspaceError(
        "storage is set, and obstore is not installed", hint="pip install 'rung[s3]', or take the setting away"
    ) from missing

_WHOLE = 64 << 20  # bytes that are sent in one request; more is sent in parts
_PART = 16 << 20
_MOST_PARTS = 9_000  # of the 10,000 that S3 takes
_CHUNK = 4 << 20  # bytes that are written to a file at once
_PATIENCE: Any = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
}
_LIMITS = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "10m"}
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status(?: code)?:? (\d{3})")


class S3Objects:
    """Objects below a prefix of a bucket.

    Raises:
        WorkspaceError: The environment asks for what is not safe.
    """

    def __init__(self, url: str) -> None:
        connection = read_connection()
        limits: Any = {**_LIMITS, "allow_http": connection.allow_http}
        config: Any = {"region": connection.region, "conditional_put": "etag", "disable_bulk_delete": True}
        if connection.endpoint is not None:
            config["endpoint"] = connection.endpoint
        self._url = url.rstrip("/")
        self._store = S3Store.from_url(
            self._url,
            config=config,
            client_options=limits,
            retry_config=_PATIENCE,
        )

    @property
    def url(self) -> str:
        """Bucket and prefix, as they were given."""
        return self._url

    def size(self, key: str) -> int | None:
        """Give the bytes of an object; None when there is none."""
        with self._asked(f"say whether it has {key}"):
            try:
                return int(obstore.head(self._store, key)["size"])
            except FileNotFoundError:
                return None

    def modified(self, key: str) -> float | None:
        """Give when an object was written last; None when there is none."""
        with self._asked(f"say when {key} was written"):
            try:
                return float(obstore.head(self._store, key)["last_modified"].timestamp())
            except FileNotFoundError:
                return None

    def read(self, key: str) -> bytes | None:
        """Give an object; None when there is none."""
        with self._asked(f"give {key}"):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless there is one; tell whether this call did.

        An answer that is lost is asked for again: then a write that was done is told as one that was there.
        """
        with self._asked(f"take {key}"):
            try:
                obstore.put(self._store, key, data, mode="create")
            except exceptions.AlreadyExistsError:
                return False
            return True

    def replace(self, key: str, data: bytes) -> None:
        """Write an object, in place of one that is there."""
        with self._asked(f"take {key}"):
            obstore.put(self._store, key, data, use_multipart=False)

    def upload(self, key: str, source: Path) -> None:
        """Make a file an object, in place of one that is there; a big one in parts, side by side."""
        size = source.stat().st_size
        part = max(_PART, -(-size // _MOST_PARTS))
        with self._asked(f"take {key}"):
            obstore.put(self._store, key, source, use_multipart=size > _WHOLE, chunk_size=part, max_concurrency=4)

    def download(self, key: str, target: Path) -> bool:
        """Make an object a file, whole or not at all; False when there is none."""
        unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.unfinished")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._asked(f"give {key}"):
                try:
                    found = obstore.get(self._store, key)
                except FileNotFoundError:
                    return False
                with unfinished.open("xb") as file:
                    for chunk in found.stream(min_chunk_size=_CHUNK):
                        file.write(chunk)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        return True

    def digest(self, key: str) -> str | None:
        """Hash an object; None when there is none."""
        sha = hashlib.sha256()
        with self._asked(f"give {key}"):
            try:
                found = obstore.get(self._store, key)
            except FileNotFoundError:
                return None
            for chunk in found.stream(min_chunk_size=_CHUNK):
                sha.update(chunk)
        return f"sha256:{sha.hexdigest()}"

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Give the objects below a prefix."""
        with self._asked("list what it has"):
            for batch in obstore.list(self._store, prefix or None, chunk_size=1_000):
                for found in batch:
                    modified = found["last_modified"].timestamp()
                    yield Entry(key=found["path"], size=found["size"], modified=modified)

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""
        with self._asked(f"remove {key}"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    @contextlib.contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        """Turn what the library raises into what the caller does next; headers and signatures are not repeated."""
        try:
            yield
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise WorkspaceError(
                f"{self._url} refused to {what} ({_reason(error)})",
                hint="look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and the bucket's policy",
            ) from None
        except FileNotFoundError as error:  # of a write: an object that is not there is no error
            raise WorkspaceError(f"{self._url} cannot {what}: there is no such bucket", hint="make it first") from error
        except (exceptions.BaseError, ValueError) as error:
            raise UnavailableError(
                f"{self._url} did not {what} ({_reason(error)})", hint="is it up, and AWS_ENDPOINT_URL right?"
            ) from None


def _reason(error: Exception) -> str:
    """Tell the code or the status that a store answered with."""
    told = str(error)
    code, status = _CODE.search(told), _STATUS.search(told)
    return code.group(1) if code else f"status {status.group(1)}" if status else "no answer"
