"""Where a review is posted, told by the variables of a job."""

from __future__ import annotations

import pytest

from rung.errors import CallError
from rung.reviews import find_forge

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "shop/models",
    "GITHUB_REF": "refs/pull/12/merge",
    "GITHUB_TOKEN": "secret",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_API_V4_URL": "https://git.example.org/api/v4",
    "CI_PROJECT_ID": "34",
    "CI_MERGE_REQUEST_IID": "5",
    "CI_JOB_TOKEN": "job",
}


def test_a_pull_request_of_github_is_found():
    forge = find_forge(GITHUB)
    assert forge.comments == "https://api.github.com/repos/shop/models/issues/12/comments"
    assert forge.comment.format(id=7) == "https://api.github.com/repos/shop/models/issues/comments/7"
    assert forge.headers["authorization"] == "Bearer secret"
    assert "secret" not in repr(forge)


def test_another_github_is_asked_where_it_says():
    forge = find_forge({**GITHUB, "GITHUB_API_URL": "https://github.example.org/api/v3/"})
    assert forge.comments.startswith("https://github.example.org/api/v3/repos/")


def test_a_merge_request_of_gitlab_is_found():
    forge = find_forge(GITLAB)
    assert forge.comments == "https://git.example.org/api/v4/projects/34/merge_requests/5/notes"
    assert forge.headers == {"job-token": "job"}
    assert find_forge({**GITLAB, "RUNG_GITLAB_TOKEN": "own"}).headers == {"private-token": "own"}


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        pytest.param({}, "this is no job of GitHub or GitLab", id="elsewhere"),
        pytest.param({**GITHUB, "GITHUB_TOKEN": " "}, "GITHUB_TOKEN is not set", id="no token"),
        pytest.param({**GITHUB, "GITHUB_REF": "refs/heads/main"}, "refs/heads/main is of no pull request", id="a push"),
        pytest.param({**GITLAB, "CI_MERGE_REQUEST_IID": ""}, "CI_MERGE_REQUEST_IID is not set", id="no merge request"),
        pytest.param({**GITLAB, "CI_JOB_TOKEN": ""}, "CI_JOB_TOKEN is not set", id="no token of GitLab"),
    ],
)
def test_what_is_missing_is_told(environment: dict[str, str], told: str):
    with pytest.raises(CallError, match=told):
        find_forge(environment)
