"""The practice: what people do around a service, and in which order. Pure.

The specification and who signed it, the seven questions, what every business metric must say, advice on a schema, and
the guided path: on which step a service is, what comes next, and the command. The control plane and the commands gather
the facts. Names are imported when they are first used: a sign-off needs no path.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.practice._advice import advise
    from rung.practice._declared import DeclaredLoad, DeclaredTests, count_metrics, read_declared
    from rung.practice._document import (
        Version,
        changed_parts,
        check_size,
        digest_of,
        parts_of,
        read_front,
        read_sections,
    )
    from rung.practice._metrics import metrics_digest, metrics_without
    from rung.practice._path import steps
    from rung.practice._questions import Answer, AnswerKind, Loaded, QuestionFacts, Scored, answers, fields_of, summary
    from rung.practice._sign_off import Owner, Review, Signature, SignOff, judge_review, judge_signatures, short
    from rung.practice._step import Path, PathFacts, RevisionFacts, Standing, Step, WorkspaceFacts

__all__ = [
    "Answer",
    "AnswerKind",
    "DeclaredLoad",
    "DeclaredTests",
    "Loaded",
    "Owner",
    "Path",
    "PathFacts",
    "QuestionFacts",
    "Review",
    "RevisionFacts",
    "Scored",
    "SignOff",
    "Signature",
    "Standing",
    "Step",
    "Version",
    "WorkspaceFacts",
    "advise",
    "answers",
    "changed_parts",
    "check_size",
    "count_metrics",
    "digest_of",
    "fields_of",
    "judge_review",
    "judge_signatures",
    "metrics_digest",
    "metrics_without",
    "parts_of",
    "read_declared",
    "read_front",
    "read_sections",
    "short",
    "steps",
    "summary",
]

__getattr__ = exports(
    __name__,
    {
        "advise": "_advice",
        **dict.fromkeys(("DeclaredLoad", "DeclaredTests", "count_metrics", "read_declared"), "_declared"),
        **dict.fromkeys(
            ("Version", "changed_parts", "check_size", "digest_of", "read_front", "parts_of", "read_sections"),
            "_document",
        ),
        **dict.fromkeys(("metrics_digest", "metrics_without"), "_metrics"),
        **dict.fromkeys(("Path", "PathFacts", "RevisionFacts", "Standing", "Step", "WorkspaceFacts"), "_step"),
        "steps": "_path",
        **dict.fromkeys(
            ("Answer", "AnswerKind", "Loaded", "QuestionFacts", "Scored", "answers", "fields_of", "summary"),
            "_questions",
        ),
        **dict.fromkeys(
            ("Owner", "Review", "Signature", "SignOff", "judge_review", "judge_signatures", "short"), "_sign_off"
        ),
    },
)
