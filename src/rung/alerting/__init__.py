"""Alerts: what watching finds, judged by rules, followed from its opening to its end, and told to people.

Pure: reports, facts and the time come in; sightings, steps and messages come out. `rung.control.alerts` looks and
sends. Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.alerting._course import Look, course
    from rung.alerting._facts import Circumstances, Health, Outcomes, Promised, Unready
    from rung.alerting._health import judge_health, judge_outcomes, judge_promises
    from rung.alerting._message import CONTENT_TYPE, Message, cloud_event, message
    from rung.alerting._reports import WINDOWS, Window, judge_report
    from rung.alerting._sighting import SEVERITIES, Sighting, rank
    from rung.alerting._signature import signature, verify
    from rung.alerting._suspects import CHANGES, suspects

__all__ = [
    "CHANGES",
    "CONTENT_TYPE",
    "SEVERITIES",
    "WINDOWS",
    "Circumstances",
    "Health",
    "Look",
    "Message",
    "Outcomes",
    "Promised",
    "Sighting",
    "Unready",
    "Window",
    "cloud_event",
    "course",
    "judge_health",
    "judge_outcomes",
    "judge_promises",
    "judge_report",
    "message",
    "rank",
    "signature",
    "suspects",
    "verify",
]

__getattr__ = exports(
    __name__,
    {
        "CHANGES": "_suspects",
        "CONTENT_TYPE": "_message",
        "SEVERITIES": "_sighting",
        "WINDOWS": "_reports",
        "Circumstances": "_facts",
        "Health": "_facts",
        "Look": "_course",
        "Message": "_message",
        "Outcomes": "_facts",
        "Promised": "_facts",
        "Sighting": "_sighting",
        "Unready": "_facts",
        "Window": "_reports",
        "cloud_event": "_message",
        "course": "_course",
        "judge_health": "_health",
        "judge_outcomes": "_health",
        "judge_promises": "_health",
        "judge_report": "_reports",
        "message": "_message",
        "rank": "_sighting",
        "signature": "_signature",
        "suspects": "_suspects",
        "verify": "_signature",
    },
)
