"""Calls to another system, recorded from a real server and answered from the recording."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from pydantic import BaseModel

from rung.errors import ConflictError, NotFoundError
from rung.schema import Request  # noqa: TC001  read when the application is made
from rung.serving import create_serving_app
from rung.testing import fake_artifacts, recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastapi import FastAPI

SECRET = {"authorization": "Bearer hush"}


@dataclass(slots=True)
class Weather:
    """The real thing."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    weather: Weather

    def do_GET(self) -> None:
        self.weather.asked.append(self.path)
        data = json.dumps({"degrees": 20 + len(self.weather.asked), "token": "hush", "by": [{"name": "hush"}]}).encode()
        self.send_response(200)
        for name, value in (("content-length", str(len(data))), ("set-cookie", "session=hush")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base's name
        """Keep the test's output clean."""


@pytest.fixture
def weather() -> Iterator[Weather]:
    found = Weather()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"weather": found}))
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def record(weather: Weather, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of one call, and its folder."""
    with monkeypatch.context() as set_for, recorded_anew(set_for, tmp_path):
        ask(weather)
    return tmp_path


def recorded_anew(monkeypatch: pytest.MonkeyPatch, folder: Path, **more: Any) -> Any:
    monkeypatch.setenv("RUNG_RECORD", "1")
    return recorded("weather", path=folder, **more)


def ask(weather: Weather, place: str = "toledo") -> int:
    url = f"{weather.url}/today?place={place}&api_key=hush"
    degrees: int = httpx2.post(url, json={"password": "hush", "days": 1}, headers=SECRET).json()["degrees"]
    return degrees


def test_a_recording_answers_in_place_of_the_real_thing(weather: Weather, record: Path):
    with recorded("weather", path=record):
        assert [ask(weather), ask(weather)] == [21, 21]
    assert len(weather.asked) == 1


def test_secrets_are_not_kept(record: Path):
    text = (record / "weather.json").read_text()
    assert "REDACTED" in text
    kept = json.loads(text.replace('\\"', "'"))
    assert "hush" not in json.dumps(kept["interactions"][0]["request"])
    assert text.count("hush") == 1  # a name that nobody said was secret


def test_names_to_be_left_out_can_be_said(weather: Weather, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with recorded_anew(monkeypatch, tmp_path, redact=["Name"]):
        ask(weather)
    assert "hush" not in (tmp_path / "weather.json").read_text()


def replay(folder: Path, *calls: Callable[[], object]) -> None:
    """Do something with the recording in place of the real thing."""
    with recorded("weather", path=folder):
        for call in calls:
            call()


def fail() -> None:
    raise ValueError("of the test")


def test_a_call_that_was_not_recorded_fails(weather: Weather, record: Path):
    with pytest.raises(ConflictError, match=r"POST http://.*place=dayton.* is not in weather\.json"):
        replay(record, lambda: ask(weather, "dayton"))
    assert len(weather.asked) == 1


def test_a_call_whose_failure_is_caught_fails_all_the_same(weather: Weather, record: Path):
    """A handler that has an answer for a system that is away would hide it."""

    def ask_and_go_on() -> None:
        with pytest.raises(Exception, match="dayton"):
            ask(weather, "dayton")

    with pytest.raises(ConflictError, match=r"is not in weather\.json"):
        replay(record, lambda: ask(weather), ask_and_go_on)


def test_a_recorded_call_that_is_not_made_any_more_fails(record: Path):
    with pytest.raises(ConflictError, match=r"weather\.json has 1 of 1 calls that are not made any more: POST http"):
        replay(record)


def test_a_failing_test_is_told_as_it_is(weather: Weather, record: Path):
    with pytest.raises(ValueError, match="of the test"):
        replay(record, lambda: ask(weather), fail)


def test_a_failed_recording_keeps_the_last_one(weather: Weather, record: Path, monkeypatch: pytest.MonkeyPatch):
    before = (record / "weather.json").read_bytes()
    monkeypatch.setenv("RUNG_RECORD", "1")
    with pytest.raises(ValueError, match="of the test"):
        replay(record, lambda: ask(weather, "dayton"), fail)
    with pytest.raises(ConflictError, match="no call was made"):
        replay(record)
    assert (record / "weather.json").read_bytes() == before
    assert [path.name for path in record.iterdir()] == ["weather.json"]


class Instance(BaseModel):
    place: str


class Parameters(BaseModel):
    pass


class Prediction(BaseModel):
    degrees: int


def test_a_handler_is_tested_with_a_recording(weather: Weather, record: Path):
    """The calls of a handler are answered from the recording, those to the service itself are not touched."""

    def predict(request: Request[Instance, Parameters]) -> list[Prediction]:
        return [Prediction(degrees=ask(weather, instance.place)) for instance in request.instances]

    with recorded("weather", path=record), fake_artifacts(create_serving_app(predict=predict)) as client:
        assert [one.degrees for one in client.predict([{"place": "toledo"}])] == [21]
    with pytest.raises(ConflictError, match=r"place=dayton.* is not in weather\.json"):
        replay(record, lambda: refused(create_serving_app(predict=predict), "dayton"))
    assert len(weather.asked) == 1


def refused(app: FastAPI, place: str) -> None:
    """A handler whose call fails gives an error, as in production."""
    with fake_artifacts(app) as client:
        assert client.http.post("/predict", json={"instances": [{"place": place}]}).status_code == 500


def test_no_recording_is_told(tmp_path: Path):
    with (
        pytest.raises(NotFoundError, match=r"there is no recording .*weather\.json"),
        recorded("weather", path=tmp_path),
    ):
        pass
