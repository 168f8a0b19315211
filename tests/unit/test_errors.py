from __future__ import annotations

import pytest

from rung import errors
from rung.errors import BrokenError, CallError, RungError, UnavailableError

ALL = [getattr(errors, name) for name in errors.__all__]
EXIT_CODES = {RungError: 1, CallError: 2, UnavailableError: 3, BrokenError: 4}


def test_exported_errors_are_sorted_and_complete():
    assert errors.__all__ == sorted(errors.__all__)
    assert set(ALL) == {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, RungError)}


@pytest.mark.parametrize("error", ALL)
def test_branch_gives_the_exit_code(error: type[RungError]):
    branch = next(base for base in error.__mro__ if base in EXIT_CODES)
    assert error.exit_code == EXIT_CODES[branch]


def test_codes_tell_errors_apart():
    assert len({error.code for error in ALL}) == len(ALL)


@pytest.mark.parametrize("error", ALL)
def test_each_says_a_remedy_of_its_own(error: type[RungError]):
    assert "code" in vars(error), "a code that is inherited tells nothing apart"
    assert "remedy" in vars(error)
    assert error.remedy.endswith(".")


@pytest.mark.parametrize("error", ALL)
def test_tree_is_drawn_in_the_docstring(error: type[RungError]):
    assert error.__name__ in (errors.__doc__ or "")


def test_hint_follows_the_message():
    assert str(CallError("the sky is green", hint="look again")) == "the sky is green: look again"
    assert str(CallError("the sky is green")) == "the sky is green"
