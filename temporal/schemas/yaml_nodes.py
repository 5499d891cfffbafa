"""The nodes of a YAML text, with their places: by libyaml where it takes the text, which is thirty times as fast.

Rule 1: what libyaml refuses is read again by PyYAML's own parser, whose errors are the ones that people are told.
Rule 2: libyaml's composer calls itself for each level, and would end the process on a text that is nested deeply enough. So
the depth is counted first, from events.
Rule 3: scalars follow YAML 1.2: only `true` and `false` are booleans (`thinking: off` is a string), and a date is a string.
"""

import re
from typing import Any, Final

import yaml


class Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), [*"~nN", ""])
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), [*"tTfF"])
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), [*"-+0123456789"])
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    [*"-+.0123456789"],
)
Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def _fast_loader() -> Any:
    """The same by libyaml; None where PyYAML was built without it."""
    if not yaml.__with_libyaml__:
        return None
    return type("_Fast", (yaml.CSafeLoader,), {"yaml_implicit_resolvers": Loader.yaml_implicit_resolvers})


_FAST: Final = _fast_loader()


def single_node(loader: Loader, text: str, deepest: int) -> yaml.Node | None:
    """The node of the only document in `text`, which `loader` was made for; None: there is none. Raises `YAMLError`, and
    `RecursionError` for what is nested very deeply."""
    if _FAST is not None:
        try:
            if not _is_deeper(text, deepest):
                fast: yaml.Node | None = _FAST(text).get_single_node()
                return fast
        except yaml.YAMLError:
            pass
    return loader.get_single_node()


def _is_deeper(text: str, deepest: int) -> bool:
    parser, depth = _FAST(text), 0
    while not isinstance(event := parser.get_event(), yaml.StreamEndEvent):
        match event:
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
        if depth > deepest:
            return True
    return False
