"""Tells people something through Apprise, in a process of its own: `python -m rung.control.alerts.people`.

What it imports takes 50 MB, which the control plane need not hold. The URL comes on standard input, since it holds a
secret, with title and text; how it went is said by the exit code alone.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from enum import IntEnum

__all__ = ["Ended", "main"]


class Ended(IntEnum):
    """Exit codes."""

    TOLD = 0
    NOT_INSTALLED = 3
    UNKNOWN = 4
    """Apprise knows no such URL."""
    NOT_TOLD = 5


def main() -> Ended:
    """Tell what is on standard input."""
    warnings.simplefilter("ignore")  # of plugins that nobody uses here
    try:
        import apprise  # noqa: PLC0415  an extra
    except ImportError:
        return Ended.NOT_INSTALLED
    logging.disable()  # it logs URLs
    order, sender = json.load(sys.stdin), apprise.Apprise()
    if not sender.add(order["url"]):
        return Ended.UNKNOWN
    return Ended.TOLD if sender.notify(title=order["title"], body=order["text"]) else Ended.NOT_TOLD


if __name__ == "__main__":
    sys.exit(main())
