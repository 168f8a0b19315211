"""How sources are named where others read it."""

from __future__ import annotations

import pytest

from rung.data.sources import public
from rung.data.sources._public import without_secrets


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("sales/2026 *.csv", "sales/2026 *.csv"),
        ("sqlite:////data/a.db", "sqlite:////data/a.db"),
        ("postgresql://ann:p%40w@db:5432/sales?sslpassword=x", "postgresql://db:5432/sales?sslpassword"),
        ("postgresql://ann:p/w@db/sales", "postgresql://db/sales"),
        ("https://ann:pw@files.example.org/a.csv?token=t#part", "https://files.example.org/a.csv?token"),
        ("https://files.example.org?token=t", "https://files.example.org?token"),
        ("https://files.example.org/ann@home/a.csv", "https://files.example.org/ann@home/a.csv"),
        ("zip://*.csv::https://ann:pw@files.example.org/a.zip", "zip://*.csv::https://files.example.org/a.zip"),
    ],
)
def test_a_public_name_has_no_secrets(source: str, told: str):
    assert public(source) == told


def test_messages_of_libraries_lose_secrets_too():
    url = "postgresql://ann:secret%20word@db/sales?options=hidden"
    told = without_secrets(f"cannot reach {url}: password 'secret word' of ann was refused, with hidden", url)

    assert not any(secret in told for secret in ("secret word", "secret%20word", "hidden"))
    assert "password '***'" in told
