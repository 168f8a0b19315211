"""Every parser of what comes from outside: a right value or an error of Rung's own, never another exception."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.artifacts import decode, describe, encode
from rung.data import Catalogue, ingest
from rung.errors import CallError, IntegrityError, NotFoundError, RungError, WorkspaceError
from rung.lake._lines import KINDS, parse
from rung.lake.log import OUTCOMES, PREDICTIONS
from rung.schema import RevisionName, parse_specification
from rung.serving import _tensors, read_bundle
from rung.serving._identity import identity
from rung.settings import Settings, read
from rung.training import read_run

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)
DEEP = st.sampled_from(
    [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b"9" * 10_000, b"\xff\xfe"]
)
BYTES = st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()) | DEEP
TEXT = st.text(max_size=200)
ARTIFACT = encode({"numbers": [1, 2.5, None], "text": "größe"})
SETTINGS = b'gateway_port = 1\n[listen]\ngateway = "127.0.0.1"\n[services.a]\napprovals = 1\n'
FRONT = '+++\ntitle = "Houses"\nlatency_p99_ms = 250\nthroughput_rps = 20\nerror_rate = 0.01\n+++\n# Problem\n'


def _archives() -> dict[str, bytes]:
    """A .zip and a .tar of two files that are no tables."""
    packed, plain = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.txt", "in/b.txt"):
            archive.writestr(name, "größe " * 50)
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name in ("a.txt", "in/b.txt"):
            member = tarfile.TarInfo(name)
            member.size = 300
            archive.addfile(member, io.BytesIO(bytes(300)))
    return {"files.zip": packed.getvalue(), "files.tar": plain.getvalue()}


ARCHIVES = _archives()


def changed(good: bytes) -> st.SearchStrategy[bytes]:
    """Give what was right, with a part cut out, doubled, or replaced."""
    places = st.integers(min_value=0, max_value=len(good))

    def change(at: int, to: int, new: bytes) -> bytes:
        begin, end = sorted((at, to))
        return good[:begin] + new + good[end:]

    return st.builds(change, places, places, st.binary(max_size=20))


def in_file(name: str, data: bytes, read_it: Callable[[Path], Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return read_it(Path(folder))


@given(data=BYTES | changed(ARTIFACT))
def test_artifacts(data: bytes):
    for reader in (decode, describe):
        with suppress(RungError):
            reader(data)


@given(name=st.sampled_from(sorted(ARCHIVES)), data=st.data())
def test_archives(name: str, data: st.DataObject):
    def taken(folder: Path) -> None:
        ingest(str(folder / name), name="files", catalogue=Catalogue(folder / "datasets"))

    with suppress(RungError):
        in_file(name, data.draw(BYTES | changed(ARCHIVES[name])), taken)


@pytest.mark.parametrize("stream", [PREDICTIONS, OUTCOMES])
@given(data=st.lists(BYTES, max_size=5))
def test_lines_of_logs(stream: str, data: list[bytes]):
    lines = b"".join(line.replace(b"\n", b" ") + b"\n" for line in data)
    rows, bad = parse(lines, KINDS[stream])
    assert len(rows) + len(bad) == len(data)


@given(text=TEXT | changed(FRONT.encode()).map(lambda data: data.decode(errors="replace")))
def test_front_matter_of_specifications(text: str):
    with suppress(WorkspaceError):
        parse_specification(text)


@given(data=BYTES | changed(SETTINGS))
def test_settings(data: bytes):
    with suppress(WorkspaceError):
        assert isinstance(in_file("rung.toml", data, lambda folder: read(folder / "rung.toml", {})), Settings)


@given(url=TEXT.filter(lambda text: "\0" not in text))
def test_settings_of_the_environment(url: str):
    with suppress(WorkspaceError):
        in_file(
            "rung.toml", b"", lambda folder: read(folder / "rung.toml", {"RUNG_REGISTRY": url, "RUNG_STORAGE": url})
        )


@given(text=TEXT | st.from_regex(r"[a-z]{1,3}\.v[0-9]{1,30}\.m[0-9]{1,30}\n?"))
def test_names_of_revisions(text: str):
    with suppress(CallError):
        assert str(RevisionName.parse(text)) == text


@given(data=BYTES)
def test_bundles(data: bytes):
    with suppress(IntegrityError):
        in_file("revisions/a.v1.m1/bundle.json", data, lambda folder: read_bundle(folder, "a.v1.m1"))


@given(data=BYTES)
def test_records_of_runs(data: bytes):
    with suppress(IntegrityError, NotFoundError):
        in_file("run.json", data, read_run)


@given(
    data=st.binary(max_size=200)
    | st.lists(st.integers(0, 2**32 - 1)).map(lambda sizes: struct.pack(f"<{len(sizes)}I", *sizes)),
    datatype=st.sampled_from(sorted(_tensors.DATATYPES)),
)
def test_tensors_in_binary_form(data: bytes, datatype: str):
    with suppress(_tensors.TensorError):
        _tensors.unpacked(data, datatype, name="x")


@given(shape=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=16), data=st.lists(JSON, max_size=10))
def test_shapes_of_tensors(shape: list[int], data: list[Any]):
    with suppress(_tensors.TensorError):
        assert len(_tensors.given("x", "FP64", shape, data, most_rows=100).values) <= 10_000


@given(given_id=st.binary(max_size=300))
def test_names_of_requests(given_id: bytes):
    taken = identity(given_id)
    assert 0 < len(taken) <= 128
    assert taken.isprintable()
