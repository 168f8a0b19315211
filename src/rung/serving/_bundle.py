"""What a server must know of its revision, as one file: `revisions/<name>/bundle.json` in the workspace's state.

Training writes it, the server and other revisions' servers read it. It names artifacts by digest, so it cannot lie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rung.artifacts import verify
from rung.errors import IntegrityError, NotFoundError
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


class Bundle(BaseModel):
    """A trained revision, ready to be served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: str
    run: str
    artifacts: Annotated[dict[str, str], Field(description="task name to digest")]
    contract: dict[str, Any]
    infrastructure: dict[str, Any]
    ab_test: Annotated[dict[str, Any], Field(description="the declared ABTest; without metrics: no promotion")] = {}
    data_tests: Annotated[
        dict[str, str], Field(description="name to digest of what it computes; no digest: not known, told by its name")
    ] = {}
    regression_tests: Annotated[dict[str, str], Field(description="as `data_tests`; none: not known")] = {}
    removed_tests: Annotated[dict[str, str], Field(description="name to why it is gone, as the author says")] = {}
    datasets: Annotated[
        dict[str, int], Field(description="datasets that features are made from, and the version that training read")
    ] = {}
    unit_header: str = "x-unit-id"
    example: Annotated[dict[str, Any], Field(description="a request that a healthy server answers, by route")]

    @field_validator("data_tests", mode="before")
    @classmethod
    def _of_names(cls, given: Any) -> Any:
        """Read what the first bundles held: names alone."""
        return dict.fromkeys(given, "") if isinstance(given, list | tuple) else given


def _path(state: Path, revision: str) -> Path:
    return state / "revisions" / revision / "bundle.json"


def read_bundle(state: Path, revision: str, *, digest: str | None = None) -> Bundle:
    """Read the bundle of a revision.

    Args:
        state: The workspace's state folder.
        revision: Its name.
        digest: What the file must have, as it was signed; None: whatever is there.

    Raises:
        NotFoundError: The revision has not been trained here.
        IntegrityError: The file is not a bundle, or not the one that was signed.
    """
    path = _path(state, revision)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(
            f"{revision} has no trained artifacts", hint="`rung deploy training` makes the next revision"
        ) from None
    if digest is not None:
        verify(data, digest, name=f"{path}, whose digest was signed,")
    try:
        return Bundle.model_validate_json(data)
    except ValidationError as error:
        raise IntegrityError(f"{path} is not a bundle ({error.error_count()} errors)", hint="train it anew") from error


def write_bundle(state: Path, bundle: Bundle) -> Path:
    """Write the bundle of a revision, durably."""
    path = _path(state, bundle.revision)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, bundle.model_dump_json(indent=1).encode(), durable=True)
    return path
