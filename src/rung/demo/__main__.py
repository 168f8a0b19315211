"""`python -m rung.demo FOLDER`: tells the story of one service with the commands that a user would type."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from rung.demo.consumers import Consumers, live_sales
from rung.demo.documents import BOOSTING, LINEAR, SMALLER

_RATE = 80.0  # production requests per second
_TRAIN = Path("experiments/housing/train/main.py")
_DOCUMENTS = Path("experiments/housing/experiments")
_GIT = ("git", "-c", "user.name=demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false")


class UnexpectedError(Exception):
    """The story did not go as told."""


@dataclass(slots=True)
class Demo:
    """The workspace of the demo, and what is told about it."""

    folder: Path
    started: float = field(default_factory=time.monotonic)

    def tell(self, text: str) -> None:
        """Print a paragraph of the story."""
        click.echo()
        for line in textwrap.wrap(text, width=100):
            click.secho(line, fg="cyan")

    def run(self, *words: str, expect: tuple[int, ...] = (0,)) -> None:
        """Type a command, as a user would, and show what it prints.

        Raises:
            UnexpectedError: It ended with another exit code.
        """
        click.secho(f"$ rung {' '.join(words)}", bold=True)
        ended = subprocess.run([sys.executable, "-m", "rung.cli", *words], cwd=self.folder, check=False)
        if ended.returncode not in expect:
            raise UnexpectedError(f"rung {' '.join(words)} ended with exit code {ended.returncode}")

    def ask(self, *words: str) -> Any:
        """Ask for JSON."""
        command = [sys.executable, "-m", "rung.cli", *words, "--json"]
        return json.loads(subprocess.run(command, cwd=self.folder, check=True, capture_output=True).stdout)

    def change(self, before: str, after: str, *, document: str, text: str) -> None:
        """Change one line of the training, write the experiment document, and commit both."""
        path = self.folder / _TRAIN
        source = path.read_text()
        if before not in source:
            raise UnexpectedError(f"{_TRAIN} has no {before!r}")
        path.write_text(source.replace(before, after))
        target = self.folder / _DOCUMENTS / document
        if not target.exists():
            target.write_text(text)
        click.secho(f"  {_TRAIN}: {before.strip()}  ->  {after.strip()}", fg="yellow")
        self.commit(text.splitlines()[0].lstrip("# "))

    def commit(self, message: str) -> None:
        """Commit everything."""
        subprocess.run([*_GIT, "add", "-A"], cwd=self.folder, check=True)
        subprocess.run([*_GIT, "commit", "--quiet", "-m", message], cwd=self.folder, check=True)
        click.secho(f"$ git commit -m {message!r}", bold=True)


def main() -> int:
    """Tell the story; exit status 0 when it went as told."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo").resolve()
    demo = Demo(folder)
    _begin_anew(folder)
    consumers: Consumers | None = None
    try:
        consumers = _benchmark_and_first(demo)
        _challenger(demo)
        _worse(demo)
        _look_back(demo, consumers)
        _stay(demo, consumers)
    except KeyboardInterrupt:
        click.echo()
    except UnexpectedError as error:
        click.secho(f"the demo did not go as told: {error}", fg="red", err=True)
        return 1
    finally:
        if consumers is not None:
            consumers.stop()
        subprocess.run([sys.executable, "-m", "rung.cli", "down"], cwd=folder, check=False)
    return 1 if consumers is not None and consumers.failures else 0


def _begin_anew(folder: Path) -> None:
    """Stop and remove what an earlier demo left; nothing else is touched."""
    if folder.exists():
        if not (folder / "rung.toml").is_file() and any(folder.iterdir()):
            raise SystemExit(f"{folder} is not empty and no workspace of Rung: name another folder")
        if (folder / ".rung").is_dir():
            subprocess.run(
                [sys.executable, "-m", "rung.cli", "down"], cwd=folder, check=False, stdout=subprocess.DEVNULL
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _benchmark_and_first(demo: Demo) -> Consumers:
    demo.tell(
        "A service that values houses in Lucas County, Ohio: from an empty folder to production. It learns from the"
        " sales of 1993 to 1996; the sales of 1997 and 1998 will be its customers."
    )
    demo.run("init", ".")
    demo.run("new", "housing", "--template", "housing")
    (demo.folder / "rung.toml").write_text(
        "# any free ports, so that the demo disturbs nobody\ngateway_port = 0\ncontrol_port = 0\n"
    )
    demo.run("check", "housing")
    demo.commit("Begin housing")
    demo.tell("A first training here, on this machine. The fresh service predicts the median price: the benchmark.")
    demo.run("train", "housing")
    demo.tell("Again: nothing has changed, so nothing is computed.")
    demo.run("train", "housing")
    demo.tell("The platform: a control plane and a gateway, both on this machine. Then revision m0, in two stages.")
    demo.run("up", "--detach")
    demo.run("deploy", "training", "housing")
    demo.run("deploy", "serving", "housing.v1.m0")
    demo.tell("The benchmark is there to be beaten. It is never promoted:")
    demo.run("promote", "housing.v1.m0", expect=(2,))
    demo.tell("Revision m1: a linear model. One line changes.")
    demo.change('] = "benchmark"', '] = "linear"', document="v1.m1.md", text=LINEAR)
    demo.run("deploy", "training", "housing")
    demo.run("deploy", "serving", "housing.v1.m1")
    demo.tell("No revision gets traffic before it has passed every gate, against the benchmark, on its live endpoint.")
    demo.run("promote", "housing.v1.m1")
    gateway = demo.ask("status")["gateway"]
    consumers = Consumers(gateway, live_sales(demo.folder), _RATE)
    consumers.start()
    demo.tell(
        f"Consumers arrive: {_RATE:.0f} requests a second, each the valuation of a house sold in 1997 or 1998."
        " After each they report whether it was within 10 % of the sale price."
    )
    return consumers


def _challenger(demo: Demo) -> None:
    demo.tell("Revision m2: gradient boosting, trained and tested beside the incumbent, which goes on answering.")
    demo.change('] = "linear"', '] = "boosting"', document="v1.m2.md", text=BOOSTING)
    demo.run("deploy", "training", "housing")
    demo.run("deploy", "serving", "housing.v1.m2")
    demo.tell("There is an incumbent now: after the gates, an A/B test on what consumers report decides.")
    demo.run("promote", "housing.v1.m2")
    demo.run("status", "housing")


def _worse(demo: Demo) -> None:
    demo.tell("Revision m3: somebody makes the model much smaller, to answer faster.")
    demo.change("] = 300", "] = 10", document="v1.m3.md", text=SMALLER)
    demo.run("deploy", "training", "housing")
    demo.run("deploy", "serving", "housing.v1.m3")
    demo.tell("It is worse on the same held-out houses, significantly so. It never sees a customer:")
    demo.run("promote", "housing.v1.m3", expect=(1,))


def _look_back(demo: Demo, consumers: Consumers) -> None:
    demo.tell("Everything is kept. Why does m2 answer production, and what answered when?")
    demo.run("why", "housing.v1")
    demo.run("history", "housing.v1")
    demo.run("metrics", "housing.v1")
    demo.tell("The training of m2 again, from its commit, data and environment, with nothing from the cache:")
    demo.run("reproduce", "housing.v1.m2")
    demo.tell("A complaint comes in. The old incumbent was kept warm:")
    demo.run("rollback", "housing.v1", "--because", "complaints from the valuation desk")
    time.sleep(1.0)
    demo.run("status", "housing")
    _hold_the_end(demo, consumers)


def _hold_the_end(demo: Demo, consumers: Consumers) -> None:
    """See that the story ended as it was told."""
    (service,) = demo.ask("status", "housing")["services"]
    (major,) = service["majors"]
    states = {revision["id"]: revision["state"] for revision in major["revisions"]}
    expected = {
        "housing.v1.m0": "candidate",
        "housing.v1.m1": "incumbent",
        "housing.v1.m2": "retired",
        "housing.v1.m3": "torn_down",
    }
    if states != expected:
        raise UnexpectedError(f"the revisions are {states}")
    answered = ", ".join(f"{revision} {count:,}" for revision, count in sorted(consumers.answered.items()))
    demo.tell(
        f"{consumers.requests:,} production requests, {len(consumers.failures)} failed. Answered by {answered}."
        f" {consumers.reported:,} outcomes kept. {time.monotonic() - demo.started:.0f} seconds."
    )
    if consumers.failures:
        raise UnexpectedError(f"{len(consumers.failures)} production requests failed, as {consumers.failures[0]}")


def _stay(demo: Demo, consumers: Consumers) -> None:
    """On a terminal, stay up until Ctrl-C."""
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        return
    demo.tell(f"The platform stays up for you, in {os.path.relpath(demo.folder)}, with its consumers. Ctrl-C ends it.")
    while not consumers.failures:
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
