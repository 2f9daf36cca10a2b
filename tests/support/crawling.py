"""Every page that can be reached by links: what a person who clicks on everything gets to see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from tests.support.browsing import Tab

# Names of claims, cases, digests, classes: with a digit, or longer than a word.
_NAME = re.compile(r".*\d.*|.{25,}", re.DOTALL)


def kind_of(address: str) -> str:
    """What kind of page an address leads to: names in its path are "*", and of its query stand the
    parameters that are not empty, without their values."""
    parts = urlsplit(address)
    path = "/".join(
        "*" if _NAME.fullmatch(segment) else segment for segment in parts.path.split("/")
    )
    names = sorted({name for name, value in parse_qsl(parts.query) if value})
    return path + (f"?{'&'.join(names)}" if names else "")


def links_of(tab: Tab) -> list[str]:
    """Addresses of pages within the site that this one links to, in their order."""
    found: list[str] = tab.page.eval_on_selector_all(
        "a[href]", "links => links.map(link => link.href.split('#')[0])"
    )
    inside = [link.removeprefix(tab.url) for link in found if link.startswith(tab.url + "/")]
    return [link for link in dict.fromkeys(inside) if not _is_file(link)]


def _is_file(address: str) -> bool:
    return urlsplit(address).path.endswith((".csv", ".json"))


def crawl(tab: Tab, start: str, samples: int, *, has_queries: bool) -> Iterator[str]:
    """Visit ``start`` and whatever it leads to; yields each page's kind while the tab shows it.

    ``samples`` pages of a kind are looked at, the others differ in their data alone; without
    ``has_queries`` none that needs a query, which another page shows with other data.
    """
    waiting = [start]
    seen = {start}
    visits: Counter[str] = Counter()
    while waiting:
        address = waiting.pop(0)
        kind = kind_of(address)
        if visits[kind] >= samples or ("?" in kind and not has_queries):
            continue
        visits[kind] += 1
        tab.go(address)
        links = links_of(tab)
        yield kind
        for link in links:
            if link not in seen:
                seen.add(link)
                waiting.append(link)
