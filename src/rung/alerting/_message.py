"""What people and programs are told of an alert: a title and a text, and an event as CloudEvents 1.0 has it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.registry import Delivery

__all__ = ["CONTENT_TYPE", "Message", "cloud_event", "message"]

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
_TOLD: Final = {"opened": "", "worse": "worse: ", "closed": "over: "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is shown to people."""

    title: str
    text: str


def message(delivery: Delivery) -> Message:
    """Say it to people."""
    if delivery.what == "test":
        return Message(title="rung: a test", text=f"{delivery.body['because']}\nNothing is wrong.")
    alert = delivery.body["alert"]
    about = "the platform" if alert["about"] == "*" else alert["about"]
    title = f"{_TOLD[delivery.what]}{alert['severity']}: {alert['kind']} of {alert['subject']}, {about}"
    return Message(title=title, text="\n".join(_lines(alert)))


def cloud_event(delivery: Delivery, *, source: str) -> bytes:
    """Spell it as a CloudEvent in structured JSON.

    Args:
        delivery: What is told; its id is the event's.
        source: URI reference of the platform, as `/rung/shop`.
    """
    body: Mapping[str, Any] = delivery.body
    event = {
        "specversion": "1.0",
        "id": delivery.id,
        "source": source,
        "type": f"rung.alert.{delivery.what}",
        "subject": body["alert"]["about"] if "alert" in body else "*",
        "time": delivery.made.isoformat(),
        "datacontenttype": "application/json",
        "data": dict(body),
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _lines(alert: Mapping[str, Any]) -> Iterator[str]:
    yield alert["ending"] or alert["because"]
    for suspect in alert["suspects"] if not alert["closed"] else ():
        yield f"suspect: {suspect}"
    if alert["owner"]:
        yield f"owner: {alert['owner']}"
    if not alert["closed"]:
        yield f"next: {alert['next']}"
    yield f"alert {alert['id']}, open since {alert['opened'][:16].replace('T', ' ')} UTC"
