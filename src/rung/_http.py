"""TLS only where there is TLS."""

from __future__ import annotations


def verify(url: str) -> bool:
    """Tell whether a client of this URL checks certificates: what it needs for that takes up to a tenth of a second.

    >>> verify("https://models.example.org"), verify("http://127.0.0.1:4780")
    (True, False)
    """
    return url.lower().startswith("https:")
