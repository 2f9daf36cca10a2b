"""A real Chromium that visits the pages, and says what went wrong on the way.

The browser is the system's own; it can reach nobody but this machine. Every tab writes down what no
page may do: ask another host, break the policy for its content, write an error to the console, or
get an answer that is a fault. axe-core looks for faults of accessibility.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

REQUIRED = "CLAIROBSCUR_REQUIRE_BROWSER"
"""Set where a browser and axe-core have to be there: then their tests fail without, else they are
skipped."""

SCREENSHOTS = "CLAIROBSCUR_SCREENSHOTS"
"""A folder for the pictures that the tests take; none are taken without it."""

CHROMIUM = "CLAIROBSCUR_CHROMIUM"
"""Where the browser is, if not on the path."""

AXE = Path(__file__).resolve().parent.parent / "browser/node_modules/axe-core/axe.min.js"

Width: TypeAlias = Literal[1280, 390]
WIDE: Width = 1280
NARROW: Width = 390
_HEIGHT: dict[Width, int] = {1280: 900, 390: 844}

PICTURE_COLOURS = 128

PATIENCE_MS = 15_000
"""How long a page, an element or what it should say is waited for."""

expect.set_options(timeout=PATIENCE_MS)

REBOUND = "rebound.example"
"""A name that leads the browser to this machine."""

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox",  # it shows our own pages, and its sandbox refuses to be root's
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--font-render-hinting=none",
    "--no-first-run",
    # Nobody else has an address, and one foreign name is this machine's.
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", event => console.error(
    `content security policy: ${event.effectiveDirective} against ${event.blockedURI}`));
"""
_STATUS = re.compile(r"Failed to load resource: the server responded with a status of (\d{3})")


class BrowserMissing(Exception):
    """There is no browser, or no axe-core; the text says what to install."""


def find_chromium() -> Path:
    """The system's browser. Raises `BrowserMissing`."""
    given = os.environ.get(CHROMIUM)
    for name in (given,) if given else _NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise BrowserMissing("no Chromium here (Debian: apt-get install chromium)")


@cache
def axe_script() -> str:
    """axe-core's source. Raises `BrowserMissing`."""
    try:
        return AXE.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BrowserMissing("no axe-core here (make browser)") from None


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, closed in the end. Raises `BrowserMissing`.

    While it is open this thread has an event loop, so that nothing else can run one in it.
    """
    path = find_chromium()
    axe_script()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A person's tab on the site at ``url`` (no slash at the end), in a context of its own.

    ``faults`` are what no page may do. What a test brings about on purpose: ``expected`` HTTP
    statuses from 400 on, and other sites of the test's own (``strangers``).
    """

    page: Page
    url: str
    expected: set[int] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        context = self.page.context
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(_TELL_VIOLATIONS)
        context.on("request", self._on_request)
        context.on("response", self._on_response)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))

    def go(self, path: str) -> Response:
        """Open a page of the site; its answer."""
        answer = self.page.goto(self.url + path)
        assert answer is not None
        return answer

    @property
    def path(self) -> str:
        """Where the tab is, with its query."""
        parts = urlsplit(self.page.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def text(self) -> str:
        """What a person reads in the page's main part."""
        return self.page.locator("main").inner_text()

    def resize(self, width: Width) -> None:
        """Make the window so wide, in pixels."""
        self.page.set_viewport_size({"width": width, "height": _HEIGHT[width]})

    def check(self) -> None:
        """Raise `AssertionError` if anything happened that no page may do."""
        assert self.faults == [], "\n".join(self.faults)

    def assert_it_fits(self) -> None:
        """No part of the page is out of reach without scrolling it sideways."""
        width, room, widest = self.page.evaluate(_WIDTHS)
        assert width <= room, f"{self.path}: {width} px wide in {room} px: {widest}"

    def tab_to(self, selector: str, most: int = 150) -> None:
        """Press the tabulator until the focus is there; it must be seen to be. Raises
        `AssertionError`."""
        wanted = self.page.locator(selector).first.element_handle()
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("wanted => document.activeElement === wanted", wanted):
                outline = self.page.evaluate(_OUTLINE)
                assert outline != "none", f"{selector}: nobody sees that it has the focus"
                return
        raise AssertionError(f"{selector}: not reached by the keyboard")

    def choose(self, value: str, most: int = 20) -> None:
        """In the select that has the focus, by the arrow keys. Raises `AssertionError`."""
        for _ in range(most):
            if self.page.evaluate("() => document.activeElement.value") == value:
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"{value}: not among the choices")

    def status_of_form_from(self, site: str) -> int:
        """The answer that the form on another site's page gets when it is sent by this browser,
        whoever is logged in with it."""
        self.strangers.add(site)
        stranger = self.page.context.new_page()
        stranger.goto(site)
        self.expected |= {403, 404}  # our refusal; the other site has no icon
        with stranger.expect_navigation() as sent:
            stranger.get_by_role("button").click()
        stranger.close()
        assert sent.value is not None
        return sent.value.status

    def accessibility_faults(self) -> list[str]:
        """What axe-core calls serious or critical on the page as it stands; a line each."""
        self.page.evaluate(axe_script())
        found: list[dict[str, Any]] = self.page.evaluate(_RUN_AXE)
        return [
            f"{self.path}: {fault['id']} ({fault['impact']}) at {node['target']}: {node['summary']}"
            for fault in found
            for node in fault["nodes"]
        ]

    def _on_request(self, request: Request) -> None:
        if not any(request.url.startswith(f"{site}/") for site in (self.url, *self.strangers)):
            self.faults.append(f"asked another host: {request.method} {request.url}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.faults.append(
                f"{response.status} for {response.request.method} {response.url} on {self.page.url}"
            )

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        status = _STATUS.match(message.text)
        if status and int(status[1]) in self.expected:
            return
        self.faults.append(f"console: {message.text} at {message.location.get('url')}")


_OUTLINE = "() => getComputedStyle(document.activeElement).outlineStyle"

# The widest element is told as well: it is the one to look at.
_WIDTHS = """() => {
    const root = document.documentElement;
    let widest = root, right = 0;
    for (const one of document.body.querySelectorAll("*")) {
        const edge = one.getBoundingClientRect().left + one.scrollWidth;
        if (edge >= right) { widest = one; right = edge; }
    }
    return [root.scrollWidth, root.clientWidth, `${widest.tagName}.${widest.className}`];
}"""

_RUN_AXE = """async () => {
    const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const found = await axe.run(document, {
        runOnly: {type: "tag", values: rules}, resultTypes: ["violations"]});
    return found.violations
        .filter(one => ["serious", "critical"].includes(one.impact))
        .map(one => ({id: one.id, impact: one.impact, nodes: one.nodes.map(node => ({
            target: node.target.join(" "), summary: node.failureSummary}))}));
}"""


def open_tab(
    browser: Browser,
    url: str,
    *,
    width: Width = WIDE,
    language: Literal["en", "fr"] = "en",
    has_scripts: bool = True,
) -> Tab:
    """A tab in a fresh context: nobody is logged in, and the browser's owner reads ``language``."""
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": _HEIGHT[width]},
        locale={"en": "en-GB", "fr": "fr-FR"}[language],
        timezone_id="Europe/Paris",
        reduced_motion="reduce",
        java_script_enabled=has_scripts,
    )
    return Tab(context.new_page(), url)


def take_picture(tab: Tab, name: str, height: int | None = None) -> None:
    """Write the page, or its upper ``height`` pixels, as ``name``.png where `SCREENSHOTS` says;
    nothing without it."""
    folder = os.environ.get(SCREENSHOTS)
    if not folder:
        return
    path = Path(folder) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    taken = tab.page.screenshot(full_page=True, animations="disabled", caret="hide")
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    if height is not None:
        picture = picture.crop((0, 0, picture.width, min(height, picture.height)))
    _with_few_colours(picture).save(path, optimize=True)


def _with_few_colours(picture: Image.Image) -> Image.Image:
    """Pages are of few colours, and shades at the edge of letters: with the most frequent ones, the
    others as the nearest of them, a picture looks the same and takes a third of the bytes."""
    data = picture.tobytes()
    counted = Counter(zip(data[::3], data[1::3], data[2::3], strict=True))
    palette = Image.new("P", (1, 1))
    palette.putpalette(
        [part for colour, _ in counted.most_common(PICTURE_COLOURS) for part in colour]
    )
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)
