"""What `rung check` says of Debian packages."""

from __future__ import annotations

from rung.checks._packages import judge_packages
from rung.checks._practice import Advice

INSTALLED = {"libgomp1": "12.2.0-14+deb12u1"}


def test_none_are_needed():
    assert judge_packages((), None) == (True, "it needs no Debian packages")


def test_a_loose_one_is_wrong_and_the_pin_is_told():
    holds, because = judge_packages(("libgomp1", "foo-not-there"), INSTALLED)
    assert not holds
    assert because == (
        "not pinned exactly: libgomp1 (this machine has 12.2.0-14+deb12u1), foo-not-there; write name=version in "
        "infrastructure/packages.txt"
    )


def test_one_that_is_not_here_is_warned_of():
    holds, because = judge_packages(("libgomp1=12.2.0-14+deb12u1", "foo-not-there=1"), INSTALLED)
    assert holds
    assert isinstance(because, Advice)
    assert because == "every Debian package is pinned; this machine lacks foo-not-there=1"


def test_a_machine_that_has_them_is_well():
    holds, because = judge_packages(("libgomp1=12.2.0-14+deb12u1",), INSTALLED)
    assert (holds, because) == (True, "every Debian package is pinned, and this machine has them")
    assert not isinstance(because, Advice)


def test_without_dpkg_it_cannot_be_known():
    assert judge_packages(("libgomp1=1",), None) == (
        True,
        "every Debian package is pinned; whether they are installed cannot be known without dpkg",
    )
