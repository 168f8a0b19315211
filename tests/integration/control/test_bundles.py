"""Bundles that the loop keeps: what is on the disk counts, also when it was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rung.control._bundles import Bundles
from rung.errors import NotFoundError
from rung.schema import RevisionName
from rung.serving import Bundle, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

NAME = RevisionName(service="tiny", major=1, minor=2)
HARDWARE: dict[str, Any] = {"vcpus": 1, "memory_gib": 1, "gpus": 0, "disk_gib": 1}


def write(state: Path, *, timeout_s: float, unit_header: str = "x-unit-id") -> Path:
    serving = {
        **HARDWARE,
        "request_timeout_s": timeout_s,
        "gunicorn_workers": 1,
        "autoscaling": {"minimum": 1, "maximum": 1, "target_concurrency": 8},
    }
    infrastructure = {"training": HARDWARE, "serving": serving}
    bundle = Bundle(
        revision=str(NAME),
        run="r",
        artifacts={},
        contract={},
        infrastructure=infrastructure,
        unit_header=unit_header,
        example={},
    )
    return write_bundle(state, bundle)


def test_unchanged_bundle_is_read_once(tmp_path: Path):
    write(tmp_path, timeout_s=5)
    bundles = Bundles(tmp_path)
    assert bundles.read(NAME) is bundles.read(NAME)


def test_replaced_bundle_is_read_again(tmp_path: Path):
    write(tmp_path, timeout_s=5)
    bundles = Bundles(tmp_path)
    assert bundles.serving(NAME).request_timeout_s == 5
    write(tmp_path, timeout_s=7, unit_header="x-customer")
    assert (bundles.serving(NAME).request_timeout_s, bundles.read(NAME).unit_header) == (7, "x-customer")


def test_bundle_that_is_gone_is_told(tmp_path: Path):
    path = write(tmp_path, timeout_s=5)
    bundles = Bundles(tmp_path)
    bundles.read(NAME)
    path.unlink()
    with pytest.raises(NotFoundError, match=r"tiny\.v1\.m2 has no trained artifacts"):
        bundles.read(NAME)
