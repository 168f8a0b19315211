import io
import zipfile

import pytest

from rung.artifacts import _container
from rung.artifacts._container import Part
from rung.errors import IntegrityError

PARTS = [Part("a.json", b"{}"), Part("0.bin", b"12345"), Part("ö.bin", b"")]


def test_parts_come_back_in_order():
    assert [(name, bytes(data)) for name, data in _container.unpack(_container.pack(PARTS))] == [
        tuple(p) for p in PARTS
    ]


def test_any_zip_tool_reads_it():
    with zipfile.ZipFile(io.BytesIO(_container.pack(PARTS))) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == dict(PARTS)


def test_pieces_weigh_like_a_whole():
    assert _container.pack([Part("x", (b"12", memoryview(b"345")))]) == _container.pack([Part("x", b"12345")])


def test_first_part_is_found_from_the_start():
    data = _container.pack(PARTS)
    offset, size = _container.first_part(data[:100])
    assert data[offset : offset + size] == b"{}"


@pytest.mark.parametrize("at", range(len(_container.pack(PARTS))))
def test_every_flipped_byte_is_noticed(at: int):
    data = bytearray(_container.pack(PARTS))
    data[at] ^= 0x20
    with pytest.raises(IntegrityError):
        _container.unpack(bytes(data))


@pytest.mark.parametrize("end", range(0, len(_container.pack(PARTS)), 7))
def test_a_cut_file_is_refused(end: int):
    with pytest.raises(IntegrityError):
        _container.unpack(_container.pack(PARTS)[:end])


def test_bytes_before_or_after_are_refused():
    data = _container.pack(PARTS)
    for changed in (b"x" + data, data + b"x"):
        with pytest.raises(IntegrityError):
            _container.unpack(changed)


def test_zips_of_other_tools_are_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("artifact.json", "{}")
    with pytest.raises(IntegrityError, match="not an artifact as Rung writes it"):
        _container.unpack(file.getvalue())


def test_what_is_no_container_has_no_first_part():
    for start in (b"", b"PK", b"\x93NUMPY" + bytes(100)):
        with pytest.raises(IntegrityError):
            _container.first_part(start)
