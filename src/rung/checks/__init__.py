"""`rung check`: does a service keep its contract? Each finding is one sentence. The CLI calls it."""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.checks._lint import SETTINGS, tidy
    from rung.checks._practice import answer_questions
    from rung.checks._service import Finding, Given, check_service, loose_pins

__all__ = ["SETTINGS", "Finding", "Given", "answer_questions", "check_service", "loose_pins", "tidy"]

__getattr__ = exports(
    __name__,
    {
        "SETTINGS": "_lint",
        "Finding": "_service",
        "Given": "_service",
        "answer_questions": "_practice",
        "check_service": "_service",
        "loose_pins": "_service",
        "tidy": "_lint",
    },
)
