"""A browser, and tabs in it that have to end without a fault."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browsing import REQUIRED, BrowserMissing, Tab, chromium, open_tab


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a file of tests, closed before others run: an open one keeps an event loop."""
    opened = chromium()
    try:
        found = opened.__enter__()
    except BrowserMissing as error:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set: {error}")
        pytest.skip(str(error))
    try:
        yield found
    finally:
        opened.__exit__(None, None, None)


OpenTab = Callable[..., Tab]


@pytest.fixture
def tabs(browser: Browser) -> Iterator[OpenTab]:
    """Opens tabs (`open_tab` without the browser). After the test none of them may have a fault."""
    opened: list[Tab] = []

    def open_one(url: str, **choices: object) -> Tab:
        opened.append(open_tab(browser, url, **choices))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for tab in opened:
        tab.page.context.close()
    for tab in opened:
        tab.check()
