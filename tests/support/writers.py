"""Simulated writers of reviews: they have sentences read in production, and keep or correct the marks that they see.

Their sentences are those that the sentiment template keeps from training. There is no retry: each failure is counted.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import httpx2
import polars as pl

if TYPE_CHECKING:
    from pathlib import Path

_OUTCOMES_AT_ONCE = 20
_TYPED_SHARE = 0.125  # of the requests, from the editor: nothing is reported of them
_CUT = 1.0  # mean ratings up to -1 are negative, from 1 on positive
_OPPOSITE = {"negative": "positive", "positive": "negative"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """What a writer sends, and means."""

    text: str
    meant: str


@dataclass(slots=True, kw_only=True)
class Writers:
    """Threads that send sentence after sentence, each as another writer, until they are stopped."""

    gateway: str
    sentences: list[Sentence]
    service: str = "reviews"
    requests_per_second: float = 90.0
    """Of all threads together; may be changed while they run."""
    threads: int = 3
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests by route and by the revision that answered."""
    failures: list[str] = field(default_factory=list)
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _end: threading.Event = field(default_factory=threading.Event)
    _workers: list[threading.Thread] = field(default_factory=list)

    def start(self) -> Self:
        """Begin."""
        self._workers = [threading.Thread(target=self._write, args=(seed,)) for seed in range(self.threads)]
        for worker in self._workers:
            worker.start()
        return self

    def stop(self) -> None:
        """End, when what is in flight has been answered."""
        self._end.set()
        for worker in self._workers:
            worker.join()

    @property
    def revisions(self) -> set[str]:
        """Name the revisions that answered."""
        with self._lock:
            return {revision for _, revision in self.answered}

    def _write(self, seed: int) -> None:
        drawn = random.Random(seed)
        outcomes: list[dict[str, Any]] = []
        with httpx2.Client(base_url=self.gateway, timeout=10.0, verify=False) as http:
            while not self._end.is_set():
                began = time.monotonic()
                number, sentence = self._take()
                if drawn.random() < _TYPED_SHARE:
                    self._read(http, "small", f"writer-{number}", sentence)
                else:
                    outcomes += self._publish(http, f"writer-{number}", sentence)
                if len(outcomes) >= _OUTCOMES_AT_ONCE:
                    outcomes = self._report(http, outcomes)
                pause = self.threads / self.requests_per_second
                self._end.wait(max(0.0, pause - (time.monotonic() - began)))

    def _take(self) -> tuple[int, Sentence]:
        with self._lock:
            number = self._next
            self._next += 1
        return number, self.sentences[number % len(self.sentences)]

    def _publish(self, http: httpx2.Client, writer: str, sentence: Sentence) -> list[dict[str, Any]]:
        """Have a sentence marked by its likeliest class; give what its writer says of the mark."""
        distribution = self._read(http, "large", writer, sentence)
        if distribution is None:
            return []
        shown = max(distribution, key=distribution.__getitem__)
        said = {"agreed": shown == sentence.meant, "opposite": _OPPOSITE.get(shown) == sentence.meant}
        return [
            {"service": self.service, "metric": metric, "value": float(so), "unit": writer, "id": f"{writer} {metric}"}
            for metric, so in said.items()
        ]

    def _read(self, http: httpx2.Client, route: str, writer: str, sentence: Sentence) -> dict[str, float] | None:
        body = {"instances": [{"text": sentence.text}]}
        try:
            answer = http.post(f"/{self.service}/v1/{route}", json=body, headers={"x-unit-id": writer})
            answer.raise_for_status()
            (distribution,) = answer.json()["predictions"]
        except (httpx2.HTTPError, ValueError, LookupError) as error:
            with self._lock:
                self.failures.append(f"{route}: {type(error).__name__}: {error}")
            return None
        with self._lock:
            self.answered[route, answer.headers["x-revision"]] += 1
        return distribution

    def _report(self, http: httpx2.Client, outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Report; give back what was not kept, to be sent again with the same ids."""
        try:
            http.post("/outcomes", json=outcomes).raise_for_status()
        except httpx2.HTTPError:
            return outcomes
        return []


def unseen_sentences(workspace: Path, known: pl.DataFrame, *, source: str = "movieReviewSnippets") -> list[Sentence]:
    """Give the rated sentences of a source that training does not know, in a fixed shuffle."""
    rated = pl.read_parquet(workspace / "data" / "sentences.parquet")
    unseen = rated.filter(pl.col("source") == source).join(known, on="text", how="anti")
    sentences = [
        Sentence(text=text, meant="negative" if rating <= -_CUT else "positive" if rating >= _CUT else "neutral")
        for text, rating in unseen.select("text", "sentiment").iter_rows()
    ]
    random.Random(20).shuffle(sentences)
    return sentences
