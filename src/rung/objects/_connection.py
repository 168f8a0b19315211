"""How an S3-compatible store is reached: from the `AWS_*` variables that all its clients know. Nothing of it is kept.

Credentials are left where they are: the libraries find them in the environment or ask the machine for them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rung.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_PATIENCE = {"max_retries": "2", "retry_timeout": "5s", "connect_timeout": "2s", "timeout": "60s"}
"""Short: whoever reads or ships looks again soon, and others wait for it."""
_NO = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where the store is."""

    endpoint: str | None
    """URL of another store than AWS's own."""
    region: str
    allow_http: bool
    """Whether bytes and signatures may cross the network in the clear."""


def read_connection(environment: Mapping[str, str] = os.environ) -> Connection:
    """Read the variables.

    Raises:
        WorkspaceError: They ask for plain HTTP to another machine, or for writes that can overwrite each other.
    """
    endpoint = next((environment[name] for name in _ENDPOINTS if environment.get(name)), None)
    allowed = environment.get("AWS_ALLOW_HTTP", "").lower() not in _NO
    if endpoint is not None and urlsplit(endpoint).scheme != "https":
        allowed = allowed or urlsplit(endpoint).hostname in _LOOPBACK
        if not allowed:
            raise WorkspaceError(
                f"the store at {urlsplit(endpoint).hostname} would be asked without encryption",
                hint="give AWS_ENDPOINT_URL an https:// URL, or set AWS_ALLOW_HTTP=true where the network is yours",
            )
    _refuse_unsafe(environment)
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    return Connection(endpoint=endpoint, region=region, allow_http=allowed)


def table_options(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Give what delta-rs needs beside the credentials, which it finds itself.

    Raises:
        WorkspaceError: As `read_connection`.
    """
    return {**_PATIENCE, **_options(environment)}


def scan_options(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Give what polars needs beside the credentials, which it finds itself.

    Raises:
        WorkspaceError: As `read_connection`.
    """
    return {"max_retries": int(_PATIENCE["max_retries"]), **_options(environment)}


def _options(environment: Mapping[str, str]) -> dict[str, str]:
    connection = read_connection(environment)
    options = {"aws_region": connection.region, "aws_allow_http": str(connection.allow_http).lower()}
    return options if connection.endpoint is None else {**options, "aws_endpoint_url": connection.endpoint}


def _refuse_unsafe(environment: Mapping[str, str]) -> None:
    if environment.get("AWS_S3_ALLOW_UNSAFE_RENAME", "").lower() not in _NO:
        raise WorkspaceError(
            "AWS_S3_ALLOW_UNSAFE_RENAME is set: two writers of a table would overwrite each other", hint="unset it"
        )
    conditional = environment.get("AWS_CONDITIONAL_PUT", "etag")
    if conditional != "etag":
        raise WorkspaceError(
            f"AWS_CONDITIONAL_PUT is {conditional!r}: Rung relies on writes that are refused where something is",
            hint="unset it",
        )
