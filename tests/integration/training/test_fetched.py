"""Files from elsewhere in a training: from a real web server and a real object store, kept by their digests."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from rung.objects import open_objects
from rung.reproduction import reproduce
from rung.training import fetched
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from object_store import ObjectStore

    from conftest import Place

WORDS = b"b\xc3\xa4r\nwolf\n\xff\n"  # no text in UTF-8
DIGEST = hashlib.sha256(WORDS).hexdigest()
OTHER = hashlib.sha256(b"").hexdigest()

MAIN = """
from rung.training import Experiment, TestResults, fetched


def words() -> int:
    return len(fetched("{url}", sha256="{sha256}").read_bytes())


def evaluate(words: int) -> TestResults:
    return TestResults(rows=words, data=(), regression=(), example={{}})


experiment = Experiment(words, evaluate)
"""


@dataclass(slots=True)
class Site:
    """A web server that has one file, and counts how often it was asked."""

    server: ThreadingHTTPServer
    asked: list[str] = field(default_factory=list)
    content: bytes = WORDS

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/lists/words.txt"


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            self.send_response(200 if "words" in self.path else 404)
            self.send_header("content-length", str(len(site.content)))
            self.end_headers()
            self.wfile.write(site.content)

        def log_message(self, *_: object) -> None:
            pass

    site = Site(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    threading.Thread(target=site.server.serve_forever, daemon=True).start()
    yield site
    site.server.shutdown()
    site.server.server_close()


def service(place: Place, url: str, sha256: str = DIGEST) -> None:
    place.service("toy", MAIN.format(url=url, sha256=sha256))


def workspace(place: Place) -> Workspace:
    return Workspace(root=place.root, state=place.root / ".rung")


def kept(place: Place) -> list[Path]:
    return [path for path in workspace(place).fetched.rglob("*") if path.is_file()]


def states(place: Place) -> dict[str, str]:
    return {task.name: task.state for task in place.last().tasks}


def test_a_file_is_fetched_once_and_on_record_without_secrets(place: Place, site: Site):
    service(place, f"{site.url}?signature=swordfish")
    record = place.train("toy")
    path = f"{site.url}?signature"
    assert record.tasks[0].data == [
        {"path": path, "digest": f"sha256:{DIGEST}", "size": len(WORDS), "fetched": f"{DIGEST}/words.txt"}
    ]
    assert [one.read_bytes() for one in kept(place)] == [WORDS]
    place.train("toy")
    assert states(place) == {"words": "cached", "evaluate": "cached"}
    place.train("toy", use_cache=False)
    assert site.asked == ["/lists/words.txt?signature=swordfish"]
    shown = place.python("-m", "rung.cli", "runs", "show", record.id).stdout
    assert f"words read {path}, {len(WORDS)} bytes, sha256:{DIGEST}" in shown


def test_another_content_is_another_input(place: Place, site: Site):
    service(place, site.url)
    place.train("toy")
    site.content = b"more words"
    service(place, site.url, hashlib.sha256(site.content).hexdigest())
    place.train("toy")
    assert states(place) == {"words": "ran", "evaluate": "ran"}
    assert len(kept(place)) == 2


def test_a_content_with_another_digest_is_refused_and_the_digest_told(place: Place, site: Site):
    service(place, site.url, OTHER)
    told = place.fail("toy")
    assert f"IntegrityError: {site.url} has the digest sha256:{DIGEST}, and sha256:{OTHER} was asked for" in told
    assert kept(place) == []


def test_what_is_no_digest_is_refused_with_how_to_get_one(place: Place, site: Site):
    service(place, site.url, "")
    told = place.fail("toy")
    assert "which is no digest" in told
    assert "| sha256sum" in told
    assert site.asked == []


def test_a_damaged_file_is_fetched_again(place: Place, site: Site):
    service(place, site.url)
    place.train("toy")
    (path,) = kept(place)
    path.write_bytes(WORDS[:3])
    place.train("toy", use_cache=False)
    assert path.read_bytes() == WORDS
    assert len(site.asked) == 2


@pytest.mark.parametrize(
    ("url", "because"),
    [
        ("{site}/nothing.txt", "NotFoundError: there is nothing at {site}/nothing.txt (status 404)"),
        ("http://127.0.0.1:9/words.txt", "UnavailableError: http://127.0.0.1:9/words.txt was not sent"),
        ("data/words.txt", "CallError: data/words.txt names no single file elsewhere"),
        ("ftp://example.org/words.txt", "CallError: ftp://example.org/words.txt names no single file elsewhere"),
    ],
    ids=["missing", "away", "of the workspace", "another scheme"],
)
def test_what_cannot_be_fetched_says_why(place: Place, site: Site, url: str, because: str):
    server = f"http://127.0.0.1:{site.server.server_port}"
    service(place, url.format(site=server))
    assert because.format(site=server) in place.fail("toy")
    assert kept(place) == []


def test_a_run_is_repeated_from_what_is_kept_else_from_its_place(place: Place, site: Site):
    service(place, site.url)
    place.commit()
    run = place.train("toy").id
    assert reproduce(workspace(place), run).is_identical
    assert len(site.asked) == 1
    for path in kept(place):
        path.unlink()
    assert reproduce(workspace(place), run).is_identical
    assert len(site.asked) == 2


def test_lineage_names_it(place: Place, site: Site):
    service(place, site.url)
    run = place.train("toy").id
    told = json.loads(place.python("-m", "rung.cli", "lineage", run, "--json").stdout)
    assert site.url in {node["name"] for node in told["nodes"] if node["kind"] == "file"}


def test_gc_keeps_what_is_young(place: Place, site: Site):
    service(place, site.url)
    place.train("toy")
    ended = place.python("-m", "rung.cli", "gc")
    assert ended.returncode == 0, ended.stderr
    assert len(kept(place)) == 1


def test_an_object_of_a_store_is_fetched(place: Place, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch):
    for name, value in object_store.variables.items():
        monkeypatch.setenv(name, value)
    bucket = object_store.bucket()
    open_objects(bucket).create("lists/words.txt", WORDS)
    service(place, f"{bucket}/lists/words.txt")
    record = place.train("toy")
    assert record.tasks[0].data[0]["path"] == f"{bucket}/lists/words.txt"
    open_objects(bucket).create("lists/more.txt", WORDS)
    service(place, f"{bucket}/lists/")
    assert "names no single file elsewhere" in place.fail("toy", use_cache=False)


def test_outside_of_a_task_it_is_only_fetched(place: Place, site: Site, monkeypatch: pytest.MonkeyPatch):
    (place.root / "rung.toml").touch()
    monkeypatch.chdir(place.root)
    assert fetched(site.url, sha256=f"sha256:{DIGEST}").read_bytes() == WORDS
