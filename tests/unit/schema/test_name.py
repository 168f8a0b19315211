from __future__ import annotations

import pytest

from rung.errors import CallError
from rung.schema import RevisionName, check_service_name


@pytest.mark.parametrize("name", ["housing", "a", "house_2", "match", "a" * 63])
def test_good_service_names_pass(name: str):
    assert check_service_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "House", "2go", "_x", "a-b", "a.b", "../x", "a/b", "a b", "class", "größe", "a" * 64, "a\n"]
)
def test_bad_service_names_are_refused(name: str):
    with pytest.raises(CallError, match=r"cannot name a service: use lower-case letters"):
        check_service_name(name)


@pytest.mark.parametrize("text", ["housing.v1.m0", "a_b2.v10.m20", "x.v999999999.m999999999"])
def test_revision_names_survive_parsing(text: str):
    assert str(RevisionName.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "housing", "housing.v1", "housing.1.2", "housing.v0.m1", "housing.v01.m1", "housing.v1.m01"),
        *("housing.v1.m-1", "Housing.v1.m1", "housing.v1.m1\n", " housing.v1.m1", "housing.v1.m1.x"),
        *("../x.v1.m1", "housing.v\u0661.m1", "a" * 64 + ".v1.m1", "housing.v1.m" + "9" * 5_000),
    ],
)
def test_other_texts_are_no_revisions(text: str):
    with pytest.raises(CallError, match=r"is not the name of a revision: write it as housing\.v1\.m2"):
        RevisionName.parse(text)


def test_revisions_sort_by_number():
    names = [RevisionName.parse(f"housing.v1.m{minor}") for minor in (10, 9, 0)]
    assert [name.minor for name in sorted(names)] == [0, 9, 10]


def test_first_minor_is_the_benchmark():
    assert RevisionName.parse("housing.v2.m0").is_benchmark
    assert not RevisionName.parse("housing.v2.m1").is_benchmark


def test_revision_names_its_major():
    assert RevisionName.parse("housing.v2.m7").major_name == "housing.v2"
