"""Locks, specifications and licences, as cards read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rung.cards._lock import read_licences, read_packages
from rung.cards._specification import bullets, read_front, read_sections

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = "1" * 64, "2" * 64
LOCK = f"""# Python 3.11
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:{TWO} \\
    --hash=sha256:{ONE}
Fast_API[standard]==0.120.0 \\
    --hash=sha256:{ONE}
mine @ https://example.org/mine-1.0-py3-none-any.whl \\
    --hash=sha256:{TWO}
"""


def test_lock_gives_every_package_with_its_hashes():
    found = read_packages(LOCK, {"numpy": "BSD-3-Clause"})
    assert [(one.name, one.version, one.licence) for one in found] == [
        ("fast-api", "0.120.0", ""),
        ("mine", "", ""),
        ("numpy", "2.4.6", "BSD-3-Clause"),
    ]
    assert found[2].hashes == (ONE, TWO)
    assert found[1].url == "https://example.org/mine-1.0-py3-none-any.whl"
    assert [one.purl for one in found] == ["pkg:pypi/fast-api@0.120.0", "pkg:pypi/mine", "pkg:pypi/numpy@2.4.6"]


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT", "MIT"),
        ("License: Apache-2.0", "Apache-2.0"),
        ("License: " + "x" * 200 + "\nClassifier: License :: OSI Approved :: BSD License", "BSD License"),
        ("Summary: nothing", ""),
    ],
)
def test_licence_is_what_a_package_says_of_itself(tmp_path: Path, metadata: str, licence: str):
    folder = tmp_path / "lib" / "python3.11" / "site-packages" / "Some_Thing-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: Some_Thing\nVersion: 1.0\n{metadata}\n")
    assert read_licences(tmp_path) == {"some-thing": licence}
    assert read_licences(tmp_path / "gone") == {}


def test_specification_without_front_matter_has_sections_alone():
    assert read_front("# Problem\n\nHouses.") == {}
    assert read_sections("# Problem\n\nHouses.") == {"Problem": "Houses."}
    assert read_front("+++\ntitle = \n+++\n") == {}
    assert read_sections("") == {}


def test_text_without_points_is_one_point():
    assert bullets("One\ntwo.") == ["One two."]
    assert bullets(" \n") == []
