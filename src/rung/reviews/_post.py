"""Posts a review where people review: a comment on GitHub or GitLab, written anew each time rather than added to.

Which of them, and which change, is told by the variables that every job of theirs has.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2

from rung._http import verify
from rung.errors import BrokenError, CallError, NotAllowedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PULL = re.compile(r"refs/pull/(\d+)/")
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')
_TIMEOUT_S = 30.0
_PAGES = 50  # of a hundred comments each
_AWAY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Forge:
    """Where the comments of one change are."""

    name: str
    comments: str
    """URL that lists them, and takes a new one."""
    comment: str
    """URL of one of them, with `{id}`."""
    headers: Mapping[str, str] = field(repr=False)
    update: str
    """Method that changes one."""


def find_forge(environment: Mapping[str, str]) -> Forge:
    """Tell where to post, from the variables of a job.

    Raises:
        CallError: This is no job of a change on GitHub or GitLab, or it has no token.
    """
    if environment.get("GITHUB_ACTIONS") == "true" or environment.get("GITHUB_REPOSITORY"):
        return _github(environment)
    if environment.get("GITLAB_CI") == "true" or environment.get("CI_API_V4_URL"):
        return _gitlab(environment)
    raise CallError(
        "this is no job of GitHub or GitLab, so there is nowhere to post to",
        hint="leave --post out, or set GITHUB_REPOSITORY, GITHUB_REF and GITHUB_TOKEN",
    )


def post(text: str, forge: Forge, *, marker: str) -> str:
    """Write a comment, in place of the one with the same marker; give its address.

    Args:
        text: The comment, with the marker in it.
        forge: Where.
        marker: By which an earlier one is known.

    Raises:
        NotAllowedError: The token may not do that.
        UnavailableError: Nobody answers there, or asks to come later.
        BrokenError: It answered something else.
    """
    try:
        with httpx2.Client(headers=dict(forge.headers), timeout=_TIMEOUT_S, verify=verify(forge.comments)) as client:
            earlier = next((one for one in _comments(client, forge) if marker in (one.get("body") or "")), None)
            if earlier is None:
                answer = client.post(forge.comments, json={"body": text})
            else:
                answer = client.request(forge.update, forge.comment.format(id=earlier["id"]), json={"body": text})
            made = _checked(answer, forge)
    except httpx2.TransportError as error:
        raise UnavailableError(f"{forge.name} does not answer ({error})", hint="try again") from error
    return str(made.get("html_url") or f"{forge.comments}/{made['id']}")


def _github(environment: Mapping[str, str]) -> Forge:
    token = _wanted(environment, "GITHUB_TOKEN", hint="env: GITHUB_TOKEN: ${{ github.token }}")
    repository = _wanted(environment, "GITHUB_REPOSITORY", hint="it is owner/name")
    api = environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    issues = f"{api}/repos/{quote(repository)}/issues"
    return Forge(
        name="GitHub",
        comments=f"{issues}/{_pull(environment)}/comments",
        comment=f"{issues}/comments/{{id}}",
        headers={
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        },
        update="PATCH",
    )


def _gitlab(environment: Mapping[str, str]) -> Forge:
    api = _wanted(environment, "CI_API_V4_URL", hint="GitLab sets it").rstrip("/")
    project = _wanted(environment, "CI_PROJECT_ID", hint="GitLab sets it")
    change = _wanted(environment, "CI_MERGE_REQUEST_IID", hint="the job must run for merge requests")
    notes = f"{api}/projects/{quote(project, safe='')}/merge_requests/{quote(change)}/notes"
    if own := environment.get("RUNG_GITLAB_TOKEN"):
        headers = {"private-token": own}
    else:
        headers = {"job-token": _wanted(environment, "CI_JOB_TOKEN", hint="or set RUNG_GITLAB_TOKEN, with scope api")}
    return Forge(name="GitLab", comments=notes, comment=f"{notes}/{{id}}", headers=headers, update="PUT")


def _pull(environment: Mapping[str, str]) -> int:
    """Tell the number of the pull request: from its ref, else from the event."""
    if found := _PULL.match(environment.get("GITHUB_REF", "")):
        return int(found[1])
    try:
        event = json.loads(Path(environment.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
        return int(event["pull_request"]["number"])
    except (OSError, ValueError, KeyError, TypeError):
        raise CallError(
            f"{environment.get('GITHUB_REF') or 'this job'} is of no pull request", hint="run it on: pull_request"
        ) from None


def _wanted(environment: Mapping[str, str], name: str, *, hint: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise CallError(f"{name} is not set, so nothing can be posted", hint=hint)
    return value


def _comments(client: httpx2.Client, forge: Forge) -> Iterator[dict[str, Any]]:
    url: str | None = f"{forge.comments}?per_page=100"
    for _ in range(_PAGES):
        if url is None:
            return
        answer = client.get(url)
        yield from _checked(answer, forge)
        following = _NEXT.search(answer.headers.get("link", ""))
        is_there = following is not None and httpx2.URL(following[1]).host == httpx2.URL(forge.comments).host
        url = following[1] if following is not None and is_there else None  # the token goes nowhere else


def _checked(answer: httpx2.Response, forge: Forge) -> Any:
    if answer.status_code in (401, 403, 404):
        raise NotAllowedError(
            f"{forge.name} answered {answer.status_code}: the token may not comment there",
            hint="it needs pull-requests: write on GitHub, the scope api on GitLab; jobs of forks have neither",
        )
    if answer.status_code in _AWAY:
        raise UnavailableError(f"{forge.name} answered {answer.status_code}", hint="try again")
    if answer.is_error:
        raise BrokenError(f"{forge.name} answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()
