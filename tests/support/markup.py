"""A page as a tree that is just deep enough to be asked about: what is tied to what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset(("br", "hr", "img", "input", "link", "meta"))
REFERENCES = ("for", "aria-describedby", "aria-labelledby", "form")


@dataclass
class Element:
    """A start tag, and the text inside it, all the way down."""

    name: str
    attributes: dict[str, str]
    within: tuple[str, ...]
    text: str = ""


@dataclass
class Markup:
    """Every element of a page in its order; ``faults`` are tags that do not match."""

    elements: list[Element] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def named(self, name: str) -> list[Element]:
        """The elements of one name."""
        return [element for element in self.elements if element.name == name]

    def of(self, attribute: str, value: str) -> list[Element]:
        """The elements of which an attribute has this value."""
        return [one for one in self.elements if one.attributes.get(attribute) == value]

    def check(self) -> list[str]:
        """What is wrong: tags, identifiers that stand twice, references to what is not there,
        fields without a label, anything that the policy of pages forbids."""
        faults = list(self.faults)
        names = Counter(e.attributes["id"] for e in self.elements if "id" in e.attributes)
        faults += [f"id {name} stands {count} times" for name, count in names.items() if count > 1]
        labels = {one.attributes.get("for") for one in self.named("label")}
        for element in self.elements:
            for attribute in REFERENCES:
                for name in element.attributes.get(attribute, "").split():
                    if name not in names:
                        faults.append(f"{element.name}: {attribute} names {name}, which is nowhere")
            href = element.attributes.get("href", "")
            if href.startswith("#") and href[1:] not in names:
                faults.append(f"link to {href}, which is nowhere")
            for attribute in element.attributes:
                if attribute == "style" or attribute.startswith("on"):
                    faults.append(f"{element.name} has {attribute}=")
            is_hidden = element.attributes.get("type") == "hidden"
            is_field = element.name in ("input", "select", "textarea") and not is_hidden
            if is_field and element.attributes.get("id") not in labels:
                faults.append(f"{element.name} without a label")
            if element.name == "style" or (
                element.name == "script" and "src" not in element.attributes
            ):
                faults.append(f"{element.name} inline")
            for attribute in ("href", "src", "action"):
                value = element.attributes.get(attribute, "/")
                if not value.startswith(("/", "#", "?")) or value.startswith("//"):
                    faults.append(f"{element.name}: {attribute} leaves the host")
        return faults


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.markup = Markup()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.markup.faults.append(f"{tag}: an attribute stands twice")
        within = tuple(element.name for element in self._open)
        element = Element(tag, {name: value or "" for name, value in attrs}, within)
        self.markup.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].name != tag:
            self.markup.faults.append(f"</{tag}> closes nothing")
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def finish(self) -> Markup:
        self.markup.faults += [f"<{element.name}> stays open" for element in self._open]
        return self.markup


def read_markup(text: str) -> Markup:
    """The elements of a page."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.finish()
