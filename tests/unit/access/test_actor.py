from __future__ import annotations

import pytest

from rung.access import Actor, Kind, identities


@pytest.mark.parametrize(
    ("kind", "told"), [(Kind.LOCAL, "ada"), (Kind.TOKEN, "token:ada"), (Kind.LOGIN, "login:ada")], ids=str
)
def test_record_tells_how_somebody_was_known(kind: Kind, told: str):
    assert str(Actor(name="ada", kind=kind, grants=())) == told


SAME = [
    ("ada", "bob"),  # at the machine itself nothing proves a name
    ("ada", "token:ada"),
    ("token:Ada", "login:ada@example.org"),
    ("login:ada@example.org", "login:ADA@elsewhere.org"),
    ("rung", "ada"),
    ("strange:ada", "bob"),
]
OTHERS = [
    ("ada", "token:bob"),
    ("token:ada", "token:bob"),
    ("login:ada@example.org", "login:bob@example.org"),
    ("token:local", "ada"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_of_one_person_meet(one: str, other: str):
    assert identities(one) & identities(other)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_names_of_two_people_do_not(one: str, other: str):
    assert not identities(one) & identities(other)
