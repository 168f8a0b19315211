"""The Dockerfile, as text and as hadolint reads it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from dockerfile_steps import lint

from rung.exports._dockerfile import Image, dockerfile

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = Image(
    python="3.11",
    labels={"rung.revision": "tiny.v1.m1"},
    variables={"RUNG_BUNDLES": '{"tiny.v1.m1": "sha256:ab"}'},
    arguments=("-m", "rung.serving.server"),
    has_packages=True,
)


def steps(image: Image = IMAGE) -> list[tuple[str, str]]:
    lines = dockerfile(image).replace("\\\n", " ").splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line and line[0] != "#")]


def test_base_is_an_argument_with_a_version():
    assert steps()[:2] == [("ARG", "BASE=python:3.11-slim-bookworm"), ("FROM", "${BASE}")]


def test_nothing_is_served_by_root():
    words = [word for word, _ in steps()]
    assert dict(steps())["USER"] == "10001:10001"
    assert words.index("USER") > max(place for place, word in enumerate(words) if word in {"RUN", "COPY"})
    assert words[-1] == "CMD"


def test_commands_need_no_shell():
    told = dict(steps())
    assert json.loads(told["CMD"]) == ["/opt/rung/bin/python", "-m", "rung.serving.server"]
    check = json.loads(told["HEALTHCHECK"].partition(" CMD ")[2])
    assert check[0] == "/opt/rung/bin/python"
    assert "/readyz" in check[2]


def test_packages_leave_no_lists_behind():
    (apt,) = [rest for word, rest in steps() if word == "RUN" and "apt-get" in rest]
    assert re.search("install --yes --no-install-recommends +&& rm -rf /var/lib/apt/lists", apt)


def test_without_packages_apt_is_not_asked():
    image = Image(python="3.11", labels=IMAGE.labels, variables={}, arguments=(), has_packages=False)
    assert "apt-get" not in dockerfile(image)


@pytest.mark.parametrize("has_packages", [True, False])
def test_linter_finds_nothing(tmp_path: Path, has_packages: bool):
    (tmp_path / "Dockerfile").write_text(dockerfile(replace(IMAGE, has_packages=has_packages)))
    assert lint(tmp_path / "Dockerfile") == []


def test_linter_finds_what_is_wrong(tmp_path: Path):
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN sudo apt-get install git\n")
    assert any(finding.startswith("DL3004") for finding in lint(tmp_path / "Dockerfile"))
