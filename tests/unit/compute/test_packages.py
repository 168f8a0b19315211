"""Debian packages: what a line may say, and what a machine lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rung.compute.packages import loose_packages, missing_packages, read_packages

if TYPE_CHECKING:
    from pathlib import Path

INSTALLED = {"libgomp1": "12.2.0-14+deb12u1", "ffmpeg": "7:5.1.6-0+deb12u1"}


@pytest.mark.parametrize(
    "line", ["libgomp1=12.2.0-14+deb12u1", "ffmpeg=7:5.1.6-0+deb12u1", "libc6:amd64=2.36-9", "g++-12=12.2.0~rc1"]
)
def test_one_version_is_a_pin(line: str):
    assert loose_packages([line]) == []


@pytest.mark.parametrize("line", ["libgomp1", "libgomp1=", "ffmpeg=7:5.*", "libgomp1==12", "libgomp1 12", "Lib=1"])
def test_anything_else_is_none(line: str):
    assert loose_packages([line]) == [line]


def test_what_a_machine_lacks_is_told_with_what_it_has():
    wanted = ["libgomp1=12.2.0-14+deb12u1", "ffmpeg:amd64=7:4", "graphviz=1"]
    assert missing_packages(wanted, INSTALLED) == ["ffmpeg:amd64=7:4 (it has 7:5.1.6-0+deb12u1)", "graphviz=1"]


def test_comments_are_left_out(tmp_path: Path):
    path = tmp_path / "packages.txt"
    path.write_text("# for the model\nlibgomp1=1  # threads\n\n")
    assert read_packages(path) == ("libgomp1=1",)
    assert read_packages(tmp_path / "none.txt") == ()
