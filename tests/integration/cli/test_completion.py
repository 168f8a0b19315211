"""Completion in a real shell: the script of `rung completion bash`, asked as the tab key asks it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_BASH = shutil.which("bash")
_ASK = """
eval "$(rung completion bash)"
COMP_WORDS=({words}) COMP_CWORD={position}
_rung_completion rung
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(*words: str) -> list[str]:
    """Give what bash offers for the last of the words."""
    assert _BASH is not None
    script = _ASK.format(words=" ".join(word or "''" for word in words), position=len(words) - 1)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        [_BASH, "--norc", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.skipif(_BASH is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("rung", "pro"), {"promote"}),
        (("rung", "deploy", ""), {"training", "serving"}),
        (("rung", "promote", "--ignore"), {"--ignore-plan"}),
        (("rung", "new", "bikes", "--template", "hou"), {"housing"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bash_completes(words: tuple[str, ...], offered: set[str]):
    assert set(completed(*words)) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_script(shell: str):
    ended = subprocess.run(
        [sys.executable, "-m", "rung.cli", "completion", shell], capture_output=True, text=True, check=True
    )
    assert f"_RUNG_COMPLETE={shell}_complete" in ended.stdout
