"""What counts as a task's code: each case edits one file and asks whether the closure is another one."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from rung.closure import Closure, Closures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAIN = """
import functools
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pack.whole
import pack.deep.inner
from pack import aliased as other
from pack.base import Base
from pack.decorators import passes_on, plain, times
from pack.helpers import add
from pack.made import SCALER, TABLE
from pack.methods import Tool
from pack.star import *

logger = logging.getLogger(__name__)
LIMIT = 3
NESTED = {"a": [1, (2, 3)], "b": {"x", "y", "z"}}
FOLDER = Path("data")
Rows = Annotated[list[Tool], "rows"]
CHOICES = {"add": add, "other": other.work}


def task(x):
    \"\"\"Do it.\"\"\"
    # quickly
    return BODY


class Child(Base):
    def go(self):
        return 1


def unrelated():
    return 1
"""

FILES = {
    "__init__": "",
    "whole": "VALUE = 1\ndef f():\n    return 1\n",
    "deep/__init__": "",
    "deep/inner": "def f():\n    return 1\n",
    "aliased": "from pack.second import far\ndef work():\n    return far()\n",
    "second": "def far():\n    return 1\n",
    "base": "class Base:\n    def base(self):\n        return 1\n",
    "decorators": (
        "import functools\n"
        "def plain(f):\n    def inner(*a):\n        return f(*a)\n    return inner\n"
        "def passes_on(f):\n    @functools.wraps(f)\n    def inner(*a):\n        return f(*a)\n    return inner\n"
        "def times(n):\n    def take(f):\n        @functools.wraps(f)\n        def inner(*a):\n"
        "            return n * f(*a)\n        return inner\n    return take\n"
    ),
    "helpers": "from pack.second import far\nSTEP = 1\ndef add(x, by=STEP):\n    return x + by + far()\n",
    "made": (
        "from pack.maker import make\nclass Scaler:\n    def __init__(self, by):\n        self.by = by\n"
        "SCALER = Scaler(make())\nTABLE = [Scaler(1)]\n"
    ),
    "maker": "def make():\n    return 1\n",
    "methods": "from pack.second import far\nclass Tool:\n    rate = 1\n    def use(self):\n        return far()\n",
    "star": "__all__ = ['from_star']\ndef from_star():\n    return 1\n",
    "local": "from pack.second import far\ndef f():\n    return far()\n",
}


class Package:
    """The package `pack` in a workspace, imported anew for every closure."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.body = "x"
        self.files = {f"pack/{name}.py": text for name, text in FILES.items()}
        self.files["pack/main.py"] = MAIN

    def closure(self, function: str = "task", **hyperparameters: object) -> Closure:
        for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
            del sys.modules[name]
        for name, text in self.files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("BODY", self.body))
            os.utime(path, (1, 1))  # as edited long ago
            for cached in path.parent.glob("__pycache__/*"):
                cached.unlink()
        importlib.invalidate_caches()
        module = importlib.import_module("pack.main")
        return Closures(self.root).of(getattr(module, function), hyperparameters)

    def digest(self) -> str:
        return self.closure().digest

    def edit(self, name: str, old: str, new: str) -> None:
        assert old in self.files[f"pack/{name}.py"]
        self.files[f"pack/{name}.py"] = self.files[f"pack/{name}.py"].replace(old, new)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Package(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("body", "file", "change"),
    [
        pytest.param(
            "x + 1",
            "main",
            ("x + 1", "x + 2"),
            id="own body",
        ),
        pytest.param(
            "add(x)",
            "helpers",
            ("x + by", "x - by"),
            id="helper",
        ),
        pytest.param(
            "add(x)",
            "helpers",
            ("STEP = 1", "STEP = 2"),
            id="default argument of a helper",
        ),
        pytest.param(
            "add(x)",
            "second",
            ("return 1", "return 2"),
            id="helper of a helper",
        ),
        pytest.param(
            "LIMIT",
            "main",
            ("LIMIT = 3", "LIMIT = 4"),
            id="constant",
        ),
        pytest.param(
            "NESTED['a']",
            "main",
            ("(2, 3)", "(2, 4)"),
            id="inside a constant",
        ),
        pytest.param(
            "FOLDER",
            "main",
            ('Path("data")', 'Path("other")'),
            id="path",
        ),
        pytest.param(
            "Child().base()",
            "base",
            ("return 1", "return 2"),
            id="base class",
        ),
        pytest.param(
            "Child().go()",
            "main",
            ("def go(self):\n        return 1", "def go(self):\n        return 2"),
            id="method",
        ),
        pytest.param(
            "Tool().use()",
            "second",
            ("return 1", "return 2"),
            id="helper of a method",
        ),
        pytest.param(
            "Tool.rate",
            "methods",
            ("rate = 1", "rate = 2"),
            id="class attribute",
        ),
        pytest.param(
            "other.work()",
            "aliased",
            ("return far()", "return far() + 1"),
            id="module under another name",
        ),
        pytest.param(
            "pack.whole.f()",
            "whole",
            ("return 1", "return 2"),
            id="dotted name",
        ),
        pytest.param(
            "pack.deep.inner.f()",
            "deep/inner",
            ("return 1", "return 2"),
            id="deep dotted name",
        ),
        pytest.param(
            "getattr(pack.whole, 'f')()",
            "whole",
            ("return 1", "return 2"),
            id="module as a whole",
        ),
        pytest.param(
            "getattr(other, 'work')()",
            "second",
            ("return 1", "return 2"),
            id="what a whole module reaches",
        ),
        pytest.param(
            "SCALER.by",
            "maker",
            ("return 1", "return 2"),
            id="object made by a call",
        ),
        pytest.param(
            "TABLE[0].by",
            "made",
            ("[Scaler(1)]", "[Scaler(2)]"),
            id="objects in a list",
        ),
        pytest.param(
            "CHOICES['add'](x)",
            "helpers",
            ("x + by", "x - by"),
            id="function in a dictionary",
        ),
        pytest.param(
            "CHOICES[x]",
            "main",
            ('"add": add', '"plus": add'),
            id="key of a dictionary",
        ),
        pytest.param(
            "from_star()",
            "star",
            ("return 1", "return 2"),
            id="star import",
        ),
        pytest.param(
            "Rows",
            "methods",
            ("rate = 1", "rate = 2"),
            id="class in a type alias",
        ),
        pytest.param(
            "[add(y) for y in x]",
            "helpers",
            ("x + by", "x - by"),
            id="inside a comprehension",
        ),
        pytest.param(
            "(lambda y: add(y))(x)",
            "helpers",
            ("x + by", "x - by"),
            id="inside a lambda",
        ),
    ],
)
def test_what_is_reached_counts(package: Package, body: str, file: str, change: tuple[str, str]):
    old, new = change
    package.body = body
    before = package.digest()
    if file == "main" and old == body:
        package.body = new
    else:
        package.edit(file, *change)
    assert package.digest() != before


@pytest.mark.parametrize(
    ("edits", "file", "change"),
    [
        pytest.param(
            "@plain\n",
            "decorators",
            ("return f(*a)\n    return inner\ndef passes", "return f(*a) or 1\n    return inner\ndef passes"),
            id="plain decorator",
        ),
        pytest.param(
            "@passes_on\n",
            "decorators",
            (
                "    def inner(*a):\n        return f(*a)\n    return inner\ndef times",
                "    def inner(*a):\n        return f(*a) or 1\n    return inner\ndef times",
            ),
            id="decorator with wraps",
        ),
        pytest.param(
            "@times(2)\n",
            "main",
            ("times(2)", "times(3)"),
            id="argument of a decorator",
        ),
        pytest.param(
            "@times(2)\n",
            "decorators",
            ("n * f", "n + f"),
            id="code of a factory",
        ),
        pytest.param(
            "@times(2)\n",
            "helpers",
            ("x + by", "x - by"),
            id="helper of what is decorated",
        ),
        pytest.param(
            "@functools.lru_cache\n",
            "helpers",
            ("x + by", "x - by"),
            id="cached function",
        ),
    ],
)
def test_decorators_count(package: Package, edits: str, file: str, change: tuple[str, str]):
    package.body = "add(x)"
    package.edit("main", "def task(x)", f"{edits}def decorated(x):\n    return BODY\n\ndef task(x)")
    package.edit("main", "return BODY\n\n\nclass", "return decorated(x)\n\n\nclass")
    before = package.digest()
    package.edit(file, *change)
    assert package.digest() != before


@pytest.mark.parametrize("statement", ["from pack import local", "from . import local", "import pack.local as local"])
def test_import_inside_function_counts(package: Package, statement: str):
    package.edit("main", "    # quickly\n", f"    {statement}\n")
    package.body = "local.f()"
    before = package.digest()
    package.edit("second", "return 1", "return 2")
    assert package.digest() != before


def test_relative_import_from_above_counts(package: Package):
    package.edit("deep/inner", "def f():\n    return 1\n", "def f():\n    from ..local import f as g\n    return g()\n")
    package.body = "pack.deep.inner.f()"
    before = package.digest()
    package.edit("local", "return far()", "return far() + 1")
    assert package.digest() != before


def test_either_branch_of_a_definition_counts(package: Package):
    package.edit(
        "helpers", "def add(", "if STEP:\n  def pick():\n    return 1\nelse:\n  def pick():\n    return 2\ndef add("
    )
    package.edit("helpers", "+ far()", "+ far() + pick()")
    package.body = "add(x)"
    before = package.digest()
    package.edit("helpers", "def pick():\n    return 1", "def pick():\n    return 3")
    assert package.digest() != before


def test_function_wrapped_by_hand_counts(package: Package):
    package.edit("main", "def unrelated", "wrapped = passes_on(add)\n\n\ndef unrelated")
    package.body = "wrapped(x)"
    before = package.digest()
    package.edit("decorators", "return f(*a)\n    return inner\ndef times", "return 1\n    return inner\ndef times")
    assert package.digest() != before


def test_two_closures_of_one_factory_differ(package: Package):
    factory = "def by(n):\n    def step(x):\n        return x + n\n    return step\n"
    package.edit("helpers", "STEP = 1", f"STEP = 1\n{factory}one = by(1)\ntwo = by(2)")
    package.edit("main", "import add", "import add, one, two")
    package.body = "one(two(x))"
    before = package.digest()
    package.edit("helpers", "two = by(2)", "two = by(3)")
    assert package.digest() != before


@pytest.mark.parametrize(
    ("body", "file", "change"),
    [
        pytest.param(
            "x",
            "main",
            ("# quickly", "# slowly"),
            id="comment",
        ),
        pytest.param(
            "x",
            "main",
            ("Do it.", "Do this."),
            id="docstring",
        ),
        pytest.param(
            "add(x)",
            "helpers",
            ("x + by + far()", "(x +\n        by + far())"),
            id="layout",
        ),
        pytest.param(
            "x",
            "main",
            ("def unrelated():\n    return 1", "def unrelated():\n    return 2"),
            id="other function",
        ),
        pytest.param(
            "x",
            "helpers",
            ("x + by", "x - by"),
            id="helper of others",
        ),
        pytest.param(
            "logger.info(x)",
            "main",
            ("def unrelated():\n    return 1", "def unrelated():\n    return 2"),
            id="beside a logger",
        ),
        pytest.param(
            "math.sqrt(x)",
            "main",
            ("def unrelated():\n    return 1", "def unrelated():\n    return 2"),
            id="beside a library",
        ),
        pytest.param(
            "SCALER.by",
            "main",
            ("def unrelated():\n    return 1", "def unrelated():\n    return 2"),
            id="beside an imported object",
        ),
        pytest.param(
            "getattr(pack.whole, 'f')()",
            "whole",
            ("def f():", 'def f():\n    """Say."""'),
            id="docstring of a whole module",
        ),
    ],
)
def test_what_is_not_reached_does_not_count(package: Package, body: str, file: str, change: tuple[str, str]):
    package.body = body
    before = package.digest()
    package.edit(file, *change)
    assert package.digest() == before


def test_parameter_is_not_the_function_of_that_name(package: Package):
    package.edit("main", "def task(x)", "def task(add, far=LIMIT)")
    package.body = "add + far"
    before = package.digest()
    package.edit("helpers", "x + by", "x - by")
    assert package.digest() == before
    package.edit("main", "LIMIT = 3", "LIMIT = 4")
    assert package.digest() != before


def test_edit_after_the_import_is_never_taken_for_the_loaded_code(package: Package):
    package.closure()
    (package.root / "pack" / "main.py").touch()
    task = sys.modules["pack.main"].task
    assert Closures(package.root).of(task, {}).digest != Closures(package.root).of(task, {}).digest


def test_library_is_not_imported_to_look_at_code(package: Package):
    package.edit("main", "    # quickly\n", "    import tkinter.ttk\n    import wsgiref.validate\n")
    package.digest()
    assert "wsgiref.validate" not in sys.modules


@pytest.mark.parametrize(
    ("body", "read"),
    [
        pytest.param("hyperparameters.depth", {"depth"}, id="one"),
        pytest.param("hyperparameters.depth + hyperparameters.rate", {"depth", "rate"}, id="two"),
        pytest.param("1", set(), id="none"),
        pytest.param("str(hyperparameters)", None, id="handed on"),
        pytest.param("hyperparameters.model_dump()", None, id="a method"),
        pytest.param("[h for h in [hyperparameters]]", None, id="in a list"),
    ],
)
def test_fields_read_are_told(package: Package, body: str, read: set[str] | None):
    package.edit("main", "def task(x)", "def task(hyperparameters)")
    package.body = body
    closure = package.closure(depth=1, rate=2, seed=3)
    assert closure.hyperparameters == (None if read is None else frozenset(read))


def test_class_of_hyperparameters_counts_only_when_handed_on(package: Package):
    package.edit("main", "def task(x)", "class Settings:\n    depth = 1\n\n\ndef task(hyperparameters: Settings)")

    def digests() -> list[str]:
        found = []
        for package.body in ("hyperparameters.depth", "vars(hyperparameters)"):
            found.append(package.closure(depth=1).digest)
        return found

    before = digests()
    package.edit("main", "    depth = 1\n", "    depth = 1\n    rate = 2\n")
    after = digests()
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_closure_is_equal_across_hash_seeds(package: Package):
    package.edit("main", "def unrelated", "pick = lambda x: x in {'p', 'q', 'r', 's'}\n\n\ndef unrelated")
    package.body = "NESTED, CHOICES, pick(x), SCALER, Child, Rows, add(x)"
    package.digest()
    program = dedent("""
        import pathlib, pack.main, json
        from rung.closure import Closures
        print(Closures(pathlib.Path(".")).of(pack.main.task, {}).digest)
    """)
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=package.root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1, json.dumps([text.decode() for text in found])
