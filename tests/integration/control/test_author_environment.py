"""What processes with an author's code inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rung.control.servers import author_environment, clean_environment, without_secrets
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

STORAGE = 'storage = "s3://models/shop"\n'


@pytest.mark.parametrize(
    ("settings", "gets_them"),
    [("", True), (STORAGE, False), (f'{STORAGE}aws_variables_for = ["housing"]\n', True)],
    ids=["without a storage", "with a storage", "with a storage and leave"],
)
def test_credentials_of_the_storage_stay(
    settings: str, gets_them: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("RUNG_STORAGE", raising=False)
    (tmp_path / "rung.toml").write_text(settings)
    workspace = Workspace(root=tmp_path, state=tmp_path / ".rung")
    assert ("AWS_SECRET_ACCESS_KEY" in author_environment(workspace, "housing")) is gets_them
    assert ("AWS_SECRET_ACCESS_KEY" in author_environment(workspace, "other")) is (settings == "")


def test_others_get_no_credentials():
    given = {"AWS_SECRET_ACCESS_KEY": "secret", "RUNG_STORAGE": "s3://models/shop", "PATH": "/bin"}
    assert clean_environment(given) == without_secrets(given) == {"PATH": "/bin"}
