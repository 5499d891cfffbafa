"""What is known of servers and of models there, as data: the form of each record, and how models are found in them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from perdure.workflows.definition.providers.dialect import (
    Dialect,
    FilesDialect,
    Thinking,
    ThinkingDialect,
    ThinkingForm,
)


@dataclass(frozen=True, slots=True)
class Models:
    """Models whose names match, and how their dialect differs from that of their server."""

    #: A regular expression that is searched for in the name, in lower case.
    names: str
    #: Fields of `Dialect`.
    differ: Mapping[str, Any]

    def match(self, name: str) -> bool:
        return _compiled(self.names).search(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownServer:
    #: For people.
    name: str
    #: Hosts, each also for the hosts below it; `*.example.com` only for those. One may have a port, as in `*:11434`, which
    #: then counts on the machine itself and in private networks.
    hosts: tuple[str, ...]
    dialect: Dialect = field(default_factory=Dialect)
    #: All of those that match count, the later ones more.
    models: tuple[Models, ...] = ()


def with_models(dialect: Dialect, models: Iterable[Models], name: str) -> Dialect:
    """`dialect` as the model of this name has it."""
    for known in models:
        if known.match(name.lower()):
            dialect = replace(dialect, **known.differ)
    return dialect


def thinks(form: ThinkingForm = "effort", off: str | int | None = None, **levels: str | int) -> ThinkingDialect:
    """Thinking with these words for the levels."""
    named: dict[Thinking, str | int] = {
        level: levels[level] for level in ("low", "medium", "high", "max") if level in levels
    }
    return ThinkingDialect(form=form, off=off, levels=named)


def always_thinks(form: ThinkingForm, least: str | int, **levels: str | int) -> ThinkingDialect:
    """Thinking that cannot be turned off; `least` is sent for `off`."""
    return replace(thinks(form, least, **levels), always=True)


_IMAGES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
#: The model does not think, or not by anybody's wish.
NO_THINKING: Final = ThinkingDialect(form="none")


def sees(
    *, images: Iterable[str] = _IMAGES, documents: bool = False, audio: Iterable[str] = (), **limits: Any
) -> FilesDialect:
    """Images of these kinds, PDF where `documents`, and sound of these types."""
    return FilesDialect(
        images=frozenset(images),
        documents=frozenset(("application/pdf",)) if documents else frozenset(),
        audio=frozenset(audio),
        **limits,
    )


@lru_cache(maxsize=1024)
def _compiled(names: str) -> re.Pattern[str]:
    return re.compile(names)
