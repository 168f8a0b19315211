"""The practice of one platform: who signed what, what the questions answer, on which step each service is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rung.access import identities
from rung.control.deployment.source import read_major
from rung.control.practice.holds import held_majors
from rung.control.practice.papers import package_of, read_ab_test, read_paper
from rung.control.practice.questions import contract_of, facts_of_package, facts_of_revision
from rung.control.practice.requests import Requests
from rung.control.practice.seen import workspace_facts
from rung.control.practice.specifications import Specifications
from rung.errors import ConflictError, NotFoundError, RungError
from rung.lifecycle import State
from rung.practice import (
    PathFacts,
    RevisionFacts,
    answers,
    digest_of,
    judge_review,
    metrics_digest,
    steps,
    summary,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.control.place import Place
    from rung.practice import Answer, Path, SignOff
    from rung.registry import Registry, Revision
    from rung.schema import RevisionName
    from rung.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """With what a promotion begins: which specification, who stands behind it, what its questions answer."""

    specification: str
    """Digest of the version."""
    is_required: bool
    """A promotion waits for signatures and review."""
    signatures: SignOff
    review: SignOff
    answers: tuple[Answer, ...]

    @property
    def told(self) -> str:
        """One sentence."""
        return f"{self.signatures.because}; {self.review.because}; {summary(self.answers)}"

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "specification": self.specification,
            "sign_off": "required" if self.is_required else "noted",
            "signatures": self.signatures.to_json(),
            "metrics_review": self.review.to_json(),
            "questions": [one.to_json() for one in self.answers],
            "told": self.told,
        }


@dataclass(frozen=True, slots=True)
class Practice:
    """Reads for one registry and one workspace; also where no control plane runs."""

    place: Place
    registry: Registry

    @property
    def specifications(self) -> Specifications:
        """Versions and signatures."""
        return Specifications(self.registry)

    @property
    def requests(self) -> Requests:
        """Reviews, and requests for data."""
        return Requests(self.registry)

    def is_required(self, service: str) -> bool:
        """Tell whether a promotion waits for signatures: as the service says, else wherever there is a team."""
        settings = self.place.workspace.settings()
        chosen = settings.policy(service).sign_off
        return chosen == "required" if chosen is not None else self._is_team(settings)

    def papers(self, name: RevisionName) -> Papers:
        """Tell with what a promotion of a revision would begin.

        Raises:
            ConflictError: It has no specification.
            WorkspaceError: That cannot be read.
        """
        text = read_paper(package_of(self.place, name) / "specification.md", name)
        return Papers(
            specification=digest_of(text),
            is_required=self.is_required(name.service),
            signatures=self.specifications.sign_off(name.service, text),
            review=self.review_of(self.registry.revision(name)),
            answers=answers(facts_of_revision(self.place, self.registry, name)),
        )

    def begin(self, name: RevisionName, *, actor: str) -> Papers:
        """Hold the papers of a revision before it is promoted, and keep its specification.

        Raises:
            ConflictError: Signatures or review are missing, and a promotion waits for them.
            WorkspaceError: The specification cannot be read.
        """
        found = self.papers(name)
        self.keep_specification(name, actor=actor)
        missing = [one for one in (found.signatures, found.review) if not one.is_complete]
        if found.is_required and missing:
            todo = " and ".join(f"`{one.next}`" for one in missing)
            raise ConflictError(
                f"{name} cannot be promoted yet: {'; '.join(one.because for one in missing)}",
                hint=f'{todo}; `[services.{name.service}] sign_off = "noted"` in rung.toml goes on without',
            )
        return found

    def keep_specification(self, name: RevisionName, *, actor: str) -> str:
        """Keep the specification that a revision was deployed with; give its digest."""
        text = read_paper(package_of(self.place, name) / "specification.md", name)
        return self.specifications.keep(name.service, text, actor=actor, because=f"{name} was deployed with it")

    def digest_of(self, name: RevisionName) -> str | None:
        """Name the specification that a revision was deployed with; None where it is not here."""
        text = _text_or_none(package_of(self.place, name) / "specification.md")
        return None if text is None else digest_of(text)

    def path(self, service: str) -> Path:
        """Lay out the path of a service.

        Raises:
            NotFoundError: Neither the workspace nor the registry knows it.
        """
        workspace = self.place.workspace
        is_here, known = service in workspace.services(), self.registry.revisions(service)
        if not is_here and not known:
            raise NotFoundError(f"there is no service {service!r}", hint=f"`rung new {service}` makes one")
        major = self._major(service, known)
        ours = [one for one in known if one.name.major == major]
        facts = path_facts(service, major, ours, on_hold=held_majors(self.registry, service).get(f"{service}.v{major}"))
        facts = replace(facts, benchmark_scores=self._scores_of_benchmark(facts))
        return steps(self._looked_at(facts, ours) if is_here else facts)

    def specification(self, service: str) -> dict[str, Any]:
        """Tell of a service's specification: text, versions, signatures, questions, and which revision had which.

        Raises:
            NotFoundError: There is none.
            WorkspaceError: It cannot be read.
        """
        text = self._text(service)
        known = self.registry.revisions(service)
        deployed = {str(one.name): self.digest_of(one.name) for one in known}
        return {
            "service": service,
            "digest": digest_of(text),
            "text": text,
            "sign_off": "required" if self.is_required(service) else "noted",
            "signatures": self.specifications.sign_off(service, text).to_json(),
            "versions": [
                {
                    "digest": one.digest,
                    "time": one.time.isoformat(),
                    "actor": one.actor,
                    "because": one.because,
                    "revisions": [name for name, digest in deployed.items() if digest == one.digest],
                }
                for one in self.specifications.versions(service)
            ],
            "signed": [one.to_json() for one in self.specifications.signatures(service)],
            "revisions": deployed,
            "questions": [one.to_json() for one in self.questions(service, text, known)],
        }

    def questions(self, service: str, text: str, known: Sequence[Revision]) -> tuple[Answer, ...]:
        """Answer the seven questions for what lies in the workspace; its schema is that of the newest revision."""
        major = self._major(service, known)
        ours = [one.name for one in known if one.name.major == major]
        contracts = (contract_of(self.place, name) for name in reversed(ours))
        contract = next((one for one in contracts if one is not None), None)
        folder = self.place.workspace.experiments / service
        if not folder.is_dir() and ours:
            folder = package_of(self.place, ours[-1])
        return answers(facts_of_package(self.place, self.registry, folder, text=text, major=major, contract=contract))

    def _scores_of_benchmark(self, facts: PathFacts) -> str:
        """Spell what doing nothing achieves: the first real revision is compared with it."""
        trained = self.registry.latest(State.TRAINED, facts.service).get(facts.name(0))
        metrics = {} if trained is None else trained.data.get("metrics", {})
        return ", ".join(f"{metric} {value:.4g}" for metric, value in metrics.items())

    def _looked_at(self, facts: PathFacts, ours: Sequence[Revision]) -> PathFacts:
        """Add what can be seen in the workspace."""
        service = facts.service
        text = _text_or_none(self.place.workspace.service(service).specification)
        return replace(
            facts,
            workspace=workspace_facts(self.place, self.registry, facts, ours),
            signatures=None if text is None else self.specifications.sign_off(service, text),
            review=self._review(ours),
            is_required=self.is_required(service),
        )

    def _review(self, ours: Sequence[Revision]) -> SignOff | None:
        """Tell how far the metrics of the newest trained revision are reviewed; None before there is one."""
        for one in reversed(ours):
            try:
                return self.review_of(one)
            except RungError:
                continue
        return None

    def review_of(self, revision: Revision) -> SignOff:
        """Tell how far the business metrics that a revision declares are reviewed.

        Raises:
            NotFoundError: It is not trained.
        """
        major = revision.name.major_name
        digest = metrics_digest(read_ab_test(self.place, revision.name))
        given = self.requests.reviews(major)
        return judge_review(major, digest, given, author=revision.actor, identities=identities)

    def _major(self, service: str, known: Sequence[Revision]) -> int:
        """Tell the major that is worked on: of the workspace, else the newest that was deployed."""
        newest = max((one.name.major for one in known), default=1)
        if service not in self.place.workspace.services():
            return newest
        try:
            return read_major(self.place.workspace.service(service))
        except RungError:
            return newest

    def _text(self, service: str) -> str:
        """Give the specification in the workspace; where the service is not there, the newest that is kept."""
        workspace = self.place.workspace
        if service in workspace.services():
            text = _text_or_none(workspace.service(service).specification)
            if text is not None:
                return text
        kept = self.specifications.versions(service)
        if kept:
            return kept[-1].text
        raise NotFoundError(f"{service} has no specification", hint=f"write experiments/{service}/specification.md")

    def _is_team(self, settings: Settings) -> bool:
        now = datetime.now(UTC)
        is_open = settings.listen.is_open or settings.login is not None
        return is_open or any(token.is_valid(now) for token in self.registry.tokens())


def path_facts(service: str, major: int, ours: Sequence[Revision], *, on_hold: str | None) -> PathFacts:
    """Give what the registry alone tells of a service's path."""
    told = [RevisionFacts(minor=one.name.minor, state=one.state, because=one.reason) for one in ours]
    return PathFacts(service=service, major=major, revisions=told, on_hold=on_hold or "")


def _text_or_none(path: Any) -> str | None:
    try:
        text: str = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return text
