from __future__ import annotations

import pytest

from rung.compute._lock import Lock, _check_entries
from rung.errors import WorkspaceError

HASHED = " \\\n    --hash=sha256:" + "0" * 64


@pytest.mark.parametrize(
    "entry",
    [
        "click==8.5.1",
        "uvicorn[standard]==0.54.0",
        "torch==2.13.0+cpu",
        "uvloop==0.23.0 ; sys_platform != 'win32'",
        "thing @ https://files.example/thing-1-py3-none-any.whl",
    ],
)
def test_released_packages_can_be_locked(entry: str):
    _check_entries(f"{entry}{HASHED}{HASHED}\nclick==8.5.1{HASHED}\n")


@pytest.mark.parametrize(
    "entry",
    [
        "click==8.5.1",
        f"--index-url https://packages.example{HASHED}",
        f"thing @ https://user:word@files.example/thing.whl{HASHED}",
        f"thing @ file:///home/thing{HASHED}",
        "thing @ git+https://code.example/thing@abc",
        "-e ./thing",
    ],
)
def test_what_only_this_machine_has_cannot(entry: str):
    with pytest.raises(WorkspaceError, match="cannot be locked by hash"):
        _check_entries(f"{entry}\n")


def test_lock_says_its_python():
    assert Lock(text="# Python 3.12\nclick==8.5.1\n").python == "3.12"
    with pytest.raises(WorkspaceError, match="lock again"):
        _ = Lock(text="click==8.5.1\n").python


def test_digest_covers_the_text():
    digests = {Lock(text=f"# Python 3.{minor}\n").digest for minor in (11, 12)}
    assert len(digests) == 2
    assert all(digest.startswith("sha256:") and len(digest) == 71 for digest in digests)
