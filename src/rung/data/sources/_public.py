"""How a source is named where others may read it: without secrets. Pure."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["public", "scheme", "without_secrets"]

_WEB = frozenset({"http", "https"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(?=://)")


def scheme(source: str) -> str | None:
    """Give the scheme of a URL in small letters; None for a path.

    >>> scheme("S3://sales/2020.csv"), scheme("C:/sales.csv"), scheme("sales.csv")
    ('s3', None, None)
    """
    found = _SCHEME.match(source)
    return found[1].lower() if found else None


def public(source: str) -> str:
    """Name a source without user, password, and the values of its query: any of them may be a secret.

    >>> public("postgresql://ann:pw@db:5432/sales?sslmode=require&password=pw")
    'postgresql://db:5432/sales?sslmode&password'
    >>> public("https://files.example.org/a.csv?X-Amz-Signature=1f"), public("sales/*.csv")
    ('https://files.example.org/a.csv?X-Amz-Signature', 'sales/*.csv')
    """
    return "::".join(_public(link) for link in source.split("::"))


def without_secrets(text: str, source: str) -> str:
    """Take out of a library's message what `public` takes out of its source."""
    for secret in sorted(_secrets(source), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _public(link: str) -> str:
    if scheme(link) is None:
        return link
    before, _, rest = link.partition("://")
    if before.lower() not in _WEB:  # a password with a / in it is no part of a path
        asked_of, mark, query = rest.partition("?")
        rest = asked_of.rpartition("@")[2] + mark + query
    place, mark, after = rest.partition("/")
    path, asked, query = after.partition("?")
    place, early, early_query = place.partition("?")
    names = [
        name for part in (early_query, query) for name, _ in parse_qsl(part.partition("#")[0], keep_blank_values=True)
    ]
    told = f"?{'&'.join(names)}" if (early or asked) and names else ""
    return f"{before}://{place.rpartition('@')[2]}{mark}{path.partition('#')[0]}{told}"


def _secrets(source: str) -> set[str]:
    found: set[str] = {source}
    for link in source.split("::"):
        if scheme(link) is None:
            continue
        parts = urlsplit(link)
        user, _, host = parts.netloc.rpartition("@")
        found |= {user, user.partition(":")[2], parts.query}
        found |= {value for _, value in parse_qsl(parts.query)}
        found.discard(host)
    found |= {unquote(secret) for secret in found}
    return {secret for secret in found if len(secret) > 2} - {public(source)}  # noqa: PLR2004  shorter ones are in any text
