import json
from typing import Any

import pytest

from rung import artifacts
from rung.artifacts import _container
from rung.artifacts._container import Part
from rung.errors import IntegrityError

HEADER = {"artifact": 1, "format": "json", "type": "builtins:int", "libraries": {}, "classes": [], "parts": []}


def made(header: object = HEADER, value: bytes = b"1", **parts: bytes) -> bytes:
    start = [Part("artifact.json", json.dumps(header).encode()), Part("value.json", value)]
    return _container.pack([*start, *(Part(name, data) for name, data in parts.items())])


def test_a_header_made_by_hand_is_read():
    assert artifacts.decode(made()) == 1


@pytest.mark.parametrize(
    "data",
    [
        made(HEADER | {"artifact": 2}),
        made([]),
        made({}),
        made(HEADER | {"parts": [["0.npy", "npy", "numpy:ndarray", []]]}),
        made(value=b"no json"),
        made(value=b"\xff"),
        made(value=b'{"$unheard": 1}'),
        made(HEADER | {"parts": [["x", "unheard", "a:b", []]]}, b'{"$part": 0}', x=b""),
        made(**{"../../x": b""}),
        b"",
        b"PK\3\4",
    ],
    ids=[
        "version",
        "list",
        "empty",
        "lost part",
        "no json",
        "no text",
        "tag",
        "format",
        "extra part",
        "nothing",
        "start",
    ],
)
def test_what_rung_does_not_write_is_refused(data: Any):
    with pytest.raises(IntegrityError):
        artifacts.decode(data)


def test_description_is_read_without_the_value():
    data = made(value=b"no json")
    assert artifacts.describe(data).type == "builtins:int"
    assert artifacts.describe(data).size == len(data)
