"""Templates: one environment per language, everything escaped, every name known or an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined

from pages import figures
from pages.catalogue import LANGUAGES, OWN_PACKAGE, Catalogue, Language, typeset

_FILTERS: Final[Mapping[str, Callable[..., str]]] = {
    "day": figures.day,
    "euros": figures.euros,
    "instant": figures.instant,
    "milliseconds": figures.milliseconds,
    "number": figures.number,
    "percent": figures.percent,
}


class Renderer:
    """Makes pages from the templates of some packages and of `pages` itself.

    A package's template hides one of the same name in a later package and in `pages`.
    """

    def __init__(self, packages: tuple[str, ...], catalogue: Catalogue, base: str = "/") -> None:
        """``base`` is the path under which the pages stand, with a slash at both ends: assets are
        at ``{base}assets/NAME``, the switch of languages at ``{base}language``.

        Raises `ValueError` for another base, or a package without templates.
        """
        if not (base.startswith("/") and base.endswith("/")) or base.startswith("//"):
            raise ValueError("base: a path with a slash at both ends")
        self.base = base
        self.catalogue = catalogue
        loaders: list[BaseLoader] = [
            PackageLoader(package) for package in dict.fromkeys((*packages, OWN_PACKAGE))
        ]
        self._environments = {
            language: self._environment(language, ChoiceLoader(loaders)) for language in LANGUAGES
        }

    def render(self, template: str, language: Language, **context: Any) -> str:
        """The text of a page.

        Raises `jinja2.TemplateError` (no such template, a name that is not given) and `KeyError` (a
        text that no catalogue has): faults of the program, not of a request.
        """
        return self._environments[language].get_template(template).render(**context)

    def template_names(self) -> list[str]:
        """Every template that can be rendered or included, sorted."""
        return self._environments[LANGUAGES[0]].list_templates()

    def compile_all(self) -> None:
        """Reads every template now, so that the first request does not wait for it, and a template
        that is none is found at the start."""
        for environment in self._environments.values():
            for name in environment.list_templates():
                environment.get_template(name)

    def _environment(self, language: Language, loader: BaseLoader) -> Environment:
        environment = Environment(
            loader=loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
            extensions=["jinja2.ext.do"],
        )
        environment.filters |= {
            name: partial(_in_language, make, language) for name, make in _FILTERS.items()
        }
        environment.filters["titled"] = lambda titles: typeset(titles[language], language)
        environment.globals |= {
            "base": self.base,
            "language": language,
            "languages": LANGUAGES,
            "t": partial(self._say, language),
            "count": partial(self._count, language),
            "known": self.catalogue.__contains__,
        }
        return environment

    # The language comes first here, so that a text may have places of any name.

    def _say(self, spoken: Language, text_key: str, /, **values: object) -> str:
        return self.catalogue.say(text_key, spoken, **values)

    def _count(self, spoken: Language, text_key: str, amount: int, /, **values: object) -> str:
        return self.catalogue.count(text_key, spoken, amount, **values)


def _in_language(make: Callable[..., str], language: Language, value: Any) -> str:
    return make(value, language)
