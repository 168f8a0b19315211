"""What is stated of a training, as a value and as an in-toto Statement v1 with SLSA's predicate. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from rung.errors import IntegrityError

__all__ = ["Dependency", "Provenance", "Subject"]

_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://slsa.dev/provenance/v1"
_BUILD = "urn:rung:training:v1"
_BUILDER = "urn:rung:control-plane"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A file that the statement is about."""

    name: str  # "bundle.json", or "artifacts/TASK"
    digest: str  # "sha256:" and 64 hexadecimal digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Something that the training used."""

    name: str  # "source", "requirements.lock", "data/NAME"
    digest: str  # "sha256:..." or "gitCommit:..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Which files a training made, and of what."""

    revision: str  # "housing.v1.m2"
    subjects: tuple[Subject, ...]
    dependencies: tuple[Dependency, ...]
    run: str
    actor: str  # who asked for the training
    rung: str  # version of the control plane
    started: str  # RFC 3339
    ended: str  # RFC 3339
    adopted: bool = False  # it was trained before anything was signed, and taken as it was found

    def digest_of(self, name: str) -> str | None:
        """Return the digest of a subject, or None."""
        return next((subject.digest for subject in self.subjects if subject.name == name), None)

    def to_json(self) -> bytes:
        """Write it as a statement."""
        statement = {
            "_type": _STATEMENT,
            "subject": [{"name": one.name, "digest": _split(one.digest)} for one in self.subjects],
            "predicateType": _PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": _BUILD,
                    "externalParameters": {"revision": self.revision},
                    "internalParameters": {"actor": self.actor, "adopted": self.adopted},
                    "resolvedDependencies": [
                        {"name": one.name, "digest": _split(one.digest)} for one in self.dependencies
                    ],
                },
                "runDetails": {
                    "builder": {"id": _BUILDER, "version": {"rung": self.rung}},
                    "metadata": {"invocationId": self.run, "startedOn": self.started, "finishedOn": self.ended},
                },
            },
        }
        return to_json(statement)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a statement that Rung wrote.

        Raises:
            IntegrityError: It is another one, or none.
        """
        try:
            found = _Statement.model_validate_json(data)
        except ValidationError as error:
            raise IntegrityError(
                f"the statement is not one of a training ({error.error_count()} errors)", hint="train it anew"
            ) from None
        definition, details = found.predicate.build_definition, found.predicate.run_details
        return cls(
            revision=definition.external.revision,
            subjects=tuple(Subject(name=one.name, digest=one.joined) for one in found.subject),
            dependencies=tuple(Dependency(name=one.name, digest=one.joined) for one in definition.dependencies),
            run=details.metadata.run,
            actor=definition.internal.actor,
            rung=details.builder.version.get("rung", ""),
            started=details.metadata.started,
            ended=details.metadata.ended,
            adopted=definition.internal.adopted,
        )


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class _Named(_Part):
    name: str
    digest: Annotated[dict[str, str], Field(min_length=1, max_length=1)]

    @property
    def joined(self) -> str:
        ((algorithm, value),) = self.digest.items()
        return f"{algorithm}:{value}"


class _External(_Part):
    revision: str


class _Internal(_Part):
    actor: str
    adopted: bool


class _Definition(_Part):
    build_type: Annotated[Literal["urn:rung:training:v1"], Field(alias="buildType")]
    external: Annotated[_External, Field(alias="externalParameters")]
    internal: Annotated[_Internal, Field(alias="internalParameters")]
    dependencies: Annotated[list[_Named], Field(alias="resolvedDependencies")]


class _Builder(_Part):
    id: str
    version: dict[str, str]


class _Metadata(_Part):
    run: Annotated[str, Field(alias="invocationId")]
    started: Annotated[str, Field(alias="startedOn")]
    ended: Annotated[str, Field(alias="finishedOn")]


class _Details(_Part):
    builder: _Builder
    metadata: _Metadata


class _Predicate(_Part):
    build_definition: Annotated[_Definition, Field(alias="buildDefinition")]
    run_details: Annotated[_Details, Field(alias="runDetails")]


class _Statement(_Part):
    type: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: list[_Named]
    predicate_type: Annotated[Literal["https://slsa.dev/provenance/v1"], Field(alias="predicateType")]
    predicate: _Predicate


def _split(digest: str) -> dict[str, str]:
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}
