"""Comments, posted to a server that keeps them as GitHub and GitLab do."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from rung.errors import BrokenError, NotAllowedError, UnavailableError
from rung.reviews import Forge, find_forge, post

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "<!-- rung review of housing -->"
_PAGE = 2


@dataclass(slots=True)
class Comments:
    """What the server keeps, and what it was asked."""

    url: str = ""
    bodies: dict[int, str] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    status: int = 0
    """That it answers to everything, once set."""


class _Handler(BaseHTTPRequestHandler):
    """Two comments a page, whatever is asked for, so that pages are turned."""

    kept: Comments

    def do_GET(self) -> None:
        page = int(self.path.partition("&page=")[2] or 1)
        ids = sorted(self.kept.bodies)
        shown = [{"id": one, "body": self.kept.bodies[one]} for one in ids[(page - 1) * _PAGE : page * _PAGE]]
        following = {"link": f'<{self.kept.url}{self.path.partition("&")[0]}&page={page + 1}>; rel="next"'}
        self._answer(200, shown, following if page * _PAGE < len(ids) else {})

    def do_POST(self) -> None:
        identity = max(self.kept.bodies, default=0) + 1
        self._keep(identity, 201)

    def do_PATCH(self) -> None:
        self._keep(int(self.path.rpartition("/")[2]), 200)

    def do_PUT(self) -> None:
        self.do_PATCH()  # as GitLab has it

    def _keep(self, identity: int, status: int) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))["body"]
        if not self.kept.status:
            self.kept.bodies[identity] = body
        self._answer(status, {"id": identity, "body": body, "html_url": f"{self.kept.url}/seen/{identity}"}, {})

    def _answer(self, status: int, value: Any, headers: dict[str, str]) -> None:
        token = self.headers.get("authorization") or self.headers.get("private-token") or ""
        self.kept.tokens.append(token)
        data = json.dumps(value).encode()
        self.send_response(self.kept.status or status)
        for name, text in {**headers, "content-length": str(len(data))}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base's name
        """Keep the test's output clean."""


@pytest.fixture
def comments() -> Iterator[Comments]:
    kept = Comments()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"kept": kept}))
    kept.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


def github(comments: Comments) -> Forge:
    return find_forge(
        {
            "GITHUB_REPOSITORY": "shop/models",
            "GITHUB_REF": "refs/pull/12/merge",
            "GITHUB_TOKEN": "secret",
            "GITHUB_API_URL": comments.url,
        }
    )


def gitlab(comments: Comments) -> Forge:
    return find_forge(
        {
            "CI_API_V4_URL": comments.url,
            "CI_PROJECT_ID": "34",
            "CI_MERGE_REQUEST_IID": "5",
            "RUNG_GITLAB_TOKEN": "own",
        }
    )


@pytest.mark.parametrize(("find", "token"), [(github, "Bearer secret"), (gitlab, "own")])
def test_a_comment_is_written_once_and_then_anew(comments: Comments, find: Any, token: str):
    comments.bodies = {1: "somebody", 2: "somebody else", 3: "a third"}
    first = post(f"{MARK}\nfirst", find(comments), marker=MARK)
    again = post(f"{MARK}\nsecond", find(comments), marker=MARK)
    assert comments.bodies == {1: "somebody", 2: "somebody else", 3: "a third", 4: f"{MARK}\nsecond"}
    assert first == again == f"{comments.url}/seen/4"
    assert set(comments.tokens) == {token}


@pytest.mark.parametrize(
    ("status", "kind"), [(403, NotAllowedError), (404, NotAllowedError), (503, UnavailableError), (422, BrokenError)]
)
def test_a_refusal_is_told(comments: Comments, status: int, kind: type[Exception]):
    comments.status = status
    with pytest.raises(kind, match=f"GitHub answered {status}"):
        post(MARK, github(comments), marker=MARK)


def test_nobody_there_is_told():
    away = replace(github(Comments(url="http://127.0.0.1:9")), name="GitHub")
    with pytest.raises(UnavailableError, match="GitHub does not answer"):
        post(MARK, away, marker=MARK)
