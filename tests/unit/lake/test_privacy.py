from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.errors import WorkspaceError
from rung.lake._privacy import Privacy, privacy_of
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

KEY = b"k" * 32
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def kept(value: Any, **rules: tuple[str, ...]) -> Any:
    return json.loads(Privacy(**rules, key=KEY).text("instance", json.dumps(value)) or "")


def test_untouched_part_is_the_very_same_text():
    text = '[ {"price": 1.0} ]'
    assert Privacy(drop=("instance.owner",)).text("prediction", text) is text


def test_dropped_field_is_gone():
    assert kept([{"a": 1, "b": 2}, {"b": 3}], drop=("instance.a",)) == [{"b": 2}, {"b": 3}]


def test_equal_values_have_equal_hashes():
    one, two, other = (found["a"] for found in kept([{"a": "x"}, {"a": "x"}, {"a": "y"}], hash=("instance.a",)))
    assert one == two != other
    assert one.startswith("hmac:")


def test_each_item_of_a_list_on_the_way_counts():
    value = [{"rooms": [{"name": "a", "size": 1}, {"size": 2}]}]
    assert kept(value, drop=("instance.rooms.name",)) == [{"rooms": [{"size": 1}, {"size": 2}]}]


def test_whole_instances_are_dropped():
    assert kept(["a", {"b": 1}], drop=("instance",)) == [None, None]


def test_missing_and_null_stay_as_they_are():
    assert kept([{"a": None}, {}, "text"], hash=("instance.a",)) == [{"a": None}, {}, "text"]


def test_parameters_are_one_object():
    privacy = Privacy(drop=("parameters.note",))
    assert privacy.text("parameters", '{"note":"x","scale":2}') == '{"scale":2}'
    assert privacy.text("parameters", "null") == "null"
    assert privacy.text("parameters", None) is None


def test_units_are_hashed_or_dropped():
    assert Privacy(hash=("unit",), key=KEY).unit("7") != Privacy(hash=("unit",), key=b"other" * 7).unit("7")
    assert Privacy(drop=("unit",)).unit("7") is None
    assert Privacy(drop=("instance.a",)).unit("7") == "7"


def test_requests_are_whole_unless_a_part_of_them_is_left_out():
    assert Privacy(drop=("unit", "prediction.name")).keeps_requests
    assert not Privacy(drop=("instance.owner",)).keeps_requests
    assert not Privacy(hash=("parameters",)).keeps_requests


def test_key_is_not_shown():
    assert "k" * 9 not in repr(Privacy(hash=("unit",), key=KEY))


@given(st.lists(JSON), st.sampled_from(["instance", "instance.a", "instance.a.b"]), st.booleans())
def test_what_was_hashed_once_stays(value: list[Any], name: str, dropped: bool):
    rules = {"drop" if dropped else "hash": (name,)}
    once = kept(value, **rules)
    assert kept(once, **rules) == once


def test_key_is_made_once_for_its_owner(tmp_path: Path):
    (tmp_path / "rung.toml").write_text('[services.a.log]\nhash = ["unit"]\n')
    workspace = Workspace(root=tmp_path, state=tmp_path / ".rung")
    one, two = privacy_of(workspace, "a"), privacy_of(workspace, "a")
    assert one == two
    path = tmp_path / ".rung" / "keys" / "privacy.key"
    assert (path.stat().st_mode & 0o777, path.stat().st_size) == (0o600, 32)
    assert list(path.parent.iterdir()) == [path]
    path.chmod(0o644)
    with pytest.raises(WorkspaceError, match="others may read"):
        privacy_of(workspace, "a")


def test_service_without_rules_has_no_privacy_and_no_key(tmp_path: Path):
    (tmp_path / "rung.toml").write_text('[services.a.log]\nhash = ["unit"]\n')
    assert privacy_of(Workspace(root=tmp_path, state=tmp_path), "b") is None
    assert not (tmp_path / "keys").exists()
