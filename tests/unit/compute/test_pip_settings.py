from __future__ import annotations

import pytest

from rung.compute._uv import pip_settings

INDEX = "https://packages.example/simple"
FILE = f"[global]\nindex-url = {INDEX}\nextra-index-url =\n  https://a.example/s\n  https://b.example/s\n"


def test_nothing_set_hands_nothing_on():
    assert pip_settings({}, []) == {}


def test_file_is_translated():
    assert pip_settings({}, [FILE]) == {
        "UV_DEFAULT_INDEX": INDEX,
        "UV_INDEX": "https://a.example/s https://b.example/s",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_variable_is_stronger_than_file():
    assert pip_settings({"PIP_INDEX_URL": "https://c.example"}, [FILE])["UV_DEFAULT_INDEX"] == "https://c.example"


def test_later_file_is_stronger():
    later = "[install]\nindex_url = https://later.example\n"
    assert pip_settings({}, [FILE, later])["UV_DEFAULT_INDEX"] == "https://later.example"


def test_folders_are_joined_by_commas():
    assert pip_settings({"PIP_FIND_LINKS": "/one /two"}, []) == {"UV_FIND_LINKS": "/one,/two"}


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE"])
def test_settings_of_uv_win(name: str):
    assert pip_settings({name: "set", "PIP_INDEX_URL": INDEX}, [FILE]) == {}


def test_certificate_that_is_set_stays():
    assert pip_settings({"SSL_CERT_FILE": "/mine", "PIP_CERT": "/other"}, []) == {}


def test_broken_file_is_passed_over():
    assert pip_settings({}, ["not an ini file", FILE])["UV_DEFAULT_INDEX"] == INDEX
