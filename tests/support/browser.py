"""A browser for tests: Debian's Chromium through Playwright, in which whatever is wrong with a page is collected.

Where a machine has none the tests are skipped with a line that says so; with `CI=true` that is an error.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(slots=True, kw_only=True)
class Visitor:
    """Somebody with a browser window at a platform."""

    page: Page
    url: str
    """Of the platform."""
    errors: list[str] = field(default_factory=list)
    """What the console said."""
    strangers: list[str] = field(default_factory=list)
    """Addresses that were asked for elsewhere."""

    def open(self, path: str) -> Page:
        """Go to a page, and wait until it is there."""
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        assert answer.status == 200, f"{path} answered {answer.status}: {self.page.inner_text('body')[:400]}"
        return self.page

    def violations(self, *rules: str) -> list[str]:
        """Tell what axe-core finds against WCAG on the page that is shown, by all rules or by some."""
        from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415  only where there is a browser

        options = {"runOnly": list(rules)} if rules else {}
        found: list[dict[str, Any]] = Axe().run(self.page, options=options).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]

    def keep(self, name: str) -> None:
        """Keep a picture of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def width(self) -> int:
        """Give how wide the page is, in pixels."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth")
        return found


@contextmanager
def browser() -> Iterator[Browser]:
    """Give a browser for as long as the block lasts."""
    chromium = os.environ.get("RUNG_TEST_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  it starts a process

        if chromium is None:
            raise FileNotFoundError("no Chromium: `apt-get install chromium`")
        driver = sync_playwright().start()
    except (ImportError, OSError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"there is no browser here: {error}")
    try:
        launched = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield launched
        finally:
            launched.close()
    finally:
        driver.stop()


def visitor(context: BrowserContext, url: str, ticket: str) -> Visitor:
    """Open a window, and enter with a ticket."""
    page = context.new_page()
    page.set_default_timeout(10_000)
    made = Visitor(page=page, url=url)
    page.on("console", lambda said: made.errors.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: made.errors.append(str(error)))
    page.on("request", lambda asked: _note(made.strangers, asked.url))
    made.open(ticket)
    return made


def _note(strangers: list[str], url: str) -> None:
    if urlsplit(url).hostname not in {"127.0.0.1", None}:
        strangers.append(url)
