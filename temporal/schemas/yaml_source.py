"""Reads a YAML file written by people, and keeps the line of every value.

Rule 1: an error is a `DefinitionProblem` with file and line, never a traceback, whatever bytes the file contains.
Rule 2: the expanded size of aliases is checked before anything is built from them.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from perdure.temporal.schemas.yaml_nodes import Loader, single_node
from perdure.temporal.schemas.yaml_words import QUOTE_IT, told
from perdure.temporal.telemetry.redaction import without_secrets

MAX_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 50

Loc = tuple[int | str, ...]
#: The last element of a `Loc` that refers to a key instead of its value, as in pydantic.
KEY: Final = "[key]"


@dataclass(frozen=True, slots=True, order=True)
class DefinitionProblem:
    """A problem in a file. `line` and `column` count from 1; `field` is empty if the problem concerns the whole
    file."""

    file: Path
    line: int
    column: int = field(default=1, kw_only=True)
    field: str
    message: str

    def __post_init__(self) -> None:
        # Whoever writes a message may repeat a value of the file, which may be a secret in the wrong place.
        object.__setattr__(self, "message", without_secrets(self.message))

    def __str__(self) -> str:
        return self.told()

    def told(self, kind: str = "") -> str:
        """The problem as a line of text; `kind` names its kind if it is not a refusal."""
        names = "".join(f"{name}: " for name in (kind, self.field) if name)
        return f"{self.file}:{self.line}:{self.column}: {names}{self.message}"


class Refused(Exception):
    """A file that cannot be used."""

    def __init__(self, *problems: DefinitionProblem, source: "Source | None" = None) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        #: The file's content, if it can be read in spite of the problems.
        self.source = source


@dataclass(frozen=True, slots=True)
class Source:
    """A file's values, and the YAML nodes with their positions."""

    file: Path
    text: str
    values: dict[str, Any]
    root: yaml.MappingNode

    def find(self, loc: Loc) -> tuple[yaml.Node, yaml.Node]:
        """The node at `loc`, or its closest ancestor that exists, and the node where it begins: its key, if it has
        one."""
        node: yaml.Node = self.root
        start = node
        for depth, step in enumerate(loc):
            # `- find_order: {timeout: 30s}`: the tool's options are one level below the tool.
            child = _child(node, step, through=loc[0] == "tools" and depth == 2)
            if child is None:
                break
            node, start = child
        return node, start

    def problem(self, loc: Loc, message: str) -> DefinitionProblem:
        mark = self.find(loc)[1].start_mark
        return DefinitionProblem(self.file, mark.line + 1, field_name(loc), message, column=mark.column + 1)


def field_name(loc: Loc) -> str:
    """`("tools", 1, "timeout")` → `tools[1].timeout`."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc if step != KEY]
    return "".join(steps).removeprefix(".")


def read_text(path: Path) -> str:
    """The file's text. Raises `Refused`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(DefinitionProblem(path, 1, "", f"cannot be read: {error.strerror}")) from None
    if len(data) > MAX_BYTES:
        raise Refused(DefinitionProblem(path, 1, "", f"has {len(data)} bytes; at most {MAX_BYTES} are read"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused(DefinitionProblem(path, line, "", "is not UTF-8 text")) from None


def read_yaml(path: Path) -> Source:
    """The single mapping in the file. Raises `Refused`."""
    text = read_text(path)
    try:
        loader = Loader(text)
        root = single_node(loader, text, MAX_DEPTH)
        if root is None:
            _refuse(path, 1, "the file is empty")
        if not isinstance(root, yaml.MappingNode):
            _refuse(path, _line(root), "must be a mapping of fields, like `name: support`")
        twice = _check(path, root)
        source = Source(path, text, loader.construct_document(root), root)
    except yaml.MarkedYAMLError as error:
        line, column, message = told(error, text)
        _refuse(path, line, message, column)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        _refuse(path, line, f"not valid YAML: the character {error.character!r} is not allowed")
    except (yaml.YAMLError, ValueError) as error:
        _refuse(path, 1, f"not valid YAML: {error}")
    except RecursionError:
        _refuse(path, 1, f"nested deeper than {MAX_DEPTH} levels")
    if twice:
        raise Refused(*twice, source=source)
    return source


def _refuse(path: Path, line: int, message: str, column: int = 1) -> NoReturn:
    raise Refused(DefinitionProblem(path, line, "", message, column=column)) from None


def _check(path: Path, root: yaml.Node) -> list[DefinitionProblem]:
    """Returns duplicate keys. Refuses keys that are not words, and trees that are too large, each alias counted at each
    use."""
    twice: dict[int, DefinitionProblem] = {}
    stack: list[tuple[yaml.Node, int]] = [(root, 1)]
    seen = 0
    while stack:
        node, depth = stack.pop()
        seen += 1
        if seen > MAX_NODES:
            _refuse(path, _line(node), f"holds more than {MAX_NODES} values, its aliases unfolded")
        if depth > MAX_DEPTH:
            _refuse(path, _line(node), f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, yaml.ScalarNode) and any("\ud800" <= char <= "\udfff" for char in node.value):
            _refuse(path, _line(node), "holds half of a surrogate pair, which is not a character")
        if isinstance(node, yaml.SequenceNode):
            stack.extend((item, depth + 1) for item in node.value)
        if isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    column = key.start_mark.column
                    # `when: {{ x }}` is a mapping with a mapping as its key.
                    if isinstance(key, yaml.MappingNode) and key.start_mark.index - node.start_mark.index == 1:
                        _refuse(path, _line(key), f"not valid YAML: {QUOTE_IT}", column)
                    _refuse(path, _line(key), "a key must be a word, not a list or a mapping", column + 1)
                if key.value in keys:
                    message = f"the key {key.value!r} stands here twice"
                    twice[id(key)] = DefinitionProblem(path, _line(key), "", message, column=key.start_mark.column + 1)
                keys.add(key.value)
                stack.append((value, depth + 1))
    return list(twice.values())


def _child(node: yaml.Node, step: int | str, *, through: bool) -> tuple[yaml.Node, yaml.Node] | None:
    """The node at `step`, and the node where it begins. `through`: the step may be one level down, below the only
    key."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key
        if through and len(node.value) == 1:
            return _child(node.value[0][1], step, through=False)
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
