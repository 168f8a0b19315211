"""Who asks, and when two names are taken for the same person. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rung.access._roles import Grant


class Kind(StrEnum):
    """How somebody is known."""

    LOCAL = "local"
    """By the workspace's own token: whoever owns its files. The name is what they say."""
    TOKEN = "token"  # noqa: S105  a kind
    """By a token that an admin made."""
    LOGIN = "login"
    """By an OpenID Connect provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody, or a program, that asks for something."""

    name: str
    kind: Kind
    grants: tuple[Grant, ...]

    def __str__(self) -> str:
        """Spell it as events have it: `ada` at the machine itself, `token:ci`, `login:ada@example.org`."""
        return self.name if self.kind is Kind.LOCAL else f"{self.kind}:{self.name}"


def identities(actor: str) -> frozenset[str]:
    """Give what a recorded actor is known by; two that share one of these are taken for the same person.

    A name counts whatever its case, its kind and what follows its `@`. Everybody at the machine itself is one person,
    whatever they call themselves: nothing there proves a name. Both err towards too few people.

    >>> sorted(identities("login:Ada@example.org")), sorted(identities("bob"))
    (['ada'], ['bob', 'local:'])
    """
    kind, colon, name = actor.partition(":")
    if colon and kind in {Kind.TOKEN, Kind.LOGIN}:
        return frozenset({_bare(name)})
    return frozenset({_bare(actor), "local:"})


def _bare(name: str) -> str:
    return name.casefold().partition("@")[0]
