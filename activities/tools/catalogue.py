"""Where tools come from, and the set of them that a worker has.

Rule 1: a tools file is loaded under a private name, never as `tools`, `workflows` or `activities`, and the working
directory comes last on the path. No module of a user's can shadow one of ours.
Rule 2: two tools or two modules of one name are an error that names both places. The same file twice counts once.
"""

import ast
import asyncio
import hashlib
import importlib
import importlib.util
import json
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import JsonValue
from temporalio import activity

from perdure.activities.tools.arguments import Arguments, BadArguments
from perdure.activities.tools.places import ToolPlaces
from perdure.activities.tools.tool import Tool, ToolLoadError, is_tool, read_tool
from perdure.temporal.definitions.inputs import InputProblem
from perdure.temporal.schemas.check import field_of, input_fault
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.core.binding import spec_sha256
from perdure.workflows.protocol import activities as contract
from perdure.workflows.protocol import document_activities
from perdure.workflows.vocabulary.parts import ToolSpec

_OURS = ("perdure",)
#: Keys that mean something else in an agent's `tools:`.
_KEYWORDS = ("agent", "mcp", "client")


class UnknownTool(LookupError):
    """No tool has this name. The message lists those that exist."""


class Catalogue:
    """The tools of one worker, by name. Raises `ToolLoadError` where one cannot be described or a name is taken."""

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        self._tools: dict[str, Tool] = {}
        reserved = {*_KEYWORDS, *(activity._Definition.must_from_callable(stub).name for stub in _stubs())}
        for tool in map(read_tool, functions):
            name = tool.spec.name
            fault = input_fault(tool.spec.input)
            if fault is not None:
                place, what = fault
                raise ToolLoadError(f"{tool.source}: tool {name!r}: {field_of(place)}: {what}")
            if name in reserved:
                raise ToolLoadError(f"{tool.source}: tool {name!r}: the name is reserved, choose another")
            other = self._tools.setdefault(name, tool)
            if other.source != tool.source:
                raise ToolLoadError(f"two tools are named {name!r}: one at {other.source}, one at {tool.source}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    @property
    def sources(self) -> dict[str, str]:
        """Name to `file:line`."""
        return {name: tool.source for name, tool in self._tools.items()}

    def tool(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def spec(self, name: str) -> ToolSpec | None:
        tool = self._tools.get(name)
        return tool.spec if tool else None

    def arguments(self, spec: ToolSpec) -> Arguments | None:
        """The arguments of the tool that `spec` describes. None: this worker has no such tool, or another one of its name."""
        tool = self._tools.get(spec.name)
        return tool.arguments if tool is not None and tool.spec == spec else None

    def edited(self, name: str, spec: str, args: dict[str, JsonValue]) -> dict[str, JsonValue] | None:
        """Arguments that a person gives a call of the tool with this `spec_sha256`, in their normal form. None: they have
        none, or this process has no such tool. Raises `InputProblem`, which names the field."""
        tool = self._tools.get(name)
        if tool is None or spec_sha256(tool.spec) != spec:
            return None
        try:
            return tool.arguments.normal(args)
        except BadArguments as error:
            field, what = error.faults[0] if error.faults else ("", str(error))
            raise InputProblem(field, what) from None
        except Exception:
            # The user's own validator broke, and will break again where the tool runs.
            return None

    def specs(self, names: Iterable[str]) -> tuple[ToolSpec, ...]:
        """The specs in the order of `names`. Raises `UnknownTool`."""
        found = []
        for name in names:
            spec = self.spec(name)
            if spec is None:
                raise UnknownTool(f"there is no tool {name!r}; there are: {', '.join(self.names) or 'none'}")
            found.append(spec)
        return tuple(found)

    def digest(self, names: Iterable[str]) -> str:
        """sha256 of the specs in the order of `names`. That a tool is missing counts, too."""
        specs = [(name, spec.model_dump(mode="json") if (spec := self.spec(name)) else None) for name in names]
        return hashlib.sha256(json.dumps(specs, sort_keys=True).encode()).hexdigest()

    def activities(
        self, blobs: BlobStore, loop: asyncio.AbstractEventLoop, places: ToolPlaces | None = None
    ) -> list[Callable[..., Any]]:
        """The activities to register on a worker that runs on `loop`. Large results go to `blobs`; for `places` see
        `Tool.activity`.

        A worker with a synchronous tool among these needs an `activity_executor`.
        """
        return [tool.activity(blobs, loop, places) for tool in self._tools.values()]


def load_tools(source: str) -> list[Callable[..., Any]]:
    """The tools of a module (`orders.tools`) or a file (`tools.py`): its functions, its own or imported, decorated with
    `temporalio.activity.defn`. Raises `ToolLoadError`."""
    if source.endswith(".py"):
        module = _load_file(Path(source).expanduser().resolve())
    elif all(part.isidentifier() for part in source.split(".")):
        module = _load_module(source)
    else:
        raise ToolLoadError(f"{source}: neither a module's name, as in orders.tools, nor a .py file")
    found = {id(value): value for value in vars(module).values() if is_tool(value)}
    return list(found.values())


def _stubs() -> list[Callable[..., Any]]:
    return [value for of in (contract, document_activities) for value in vars(of).values() if is_tool(value)]


def _load_module(name: str) -> ModuleType:
    folder = Path.cwd()
    _put_last(folder)
    top = name.partition(".")[0]
    here = _module_in(folder, top)
    there = _place(top)
    if here and there and here != there:
        raise ToolLoadError(
            f"the module {top!r} is at {there} and at {here}: rename yours, or give the path of its file"
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ToolLoadError(
                f"there is no module {name!r}, neither installed nor in {folder}; a file is given as tools.py"
            ) from None
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ToolLoadError(f"there is no file {path}")
    name = f"perdure_tools_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    _put_last(path.parent, Path.cwd())
    _refuse_shadowed_imports(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pydantic look up their own module while it is still being executed.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _failed(str(path), error) from error
    return module


def _refuse_shadowed_imports(path: Path) -> None:
    """A tools file that imports a neighbour of its own called `perdure.py` would silently get this package."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError):
        return  # Executing it gives the better message.
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                tops = [alias.name.partition(".")[0] for alias in node.names]
            case ast.ImportFrom(module=str(module), level=0):
                tops = [module.partition(".")[0]]
            case _:
                continue
        for top in set(tops).intersection(_OURS):
            for folder in (path.parent, Path.cwd()):
                here = _module_in(folder, top)
                if here and here != _place(top):
                    raise ToolLoadError(
                        f"{path}:{node.lineno}: imports {top!r}, which is Perdure's own package at {_place(top)} "
                        f"and also yours at {here}: rename yours"
                    )


def _module_in(folder: Path, name: str) -> Path | None:
    for candidate in (folder / name / "__init__.py", folder / f"{name}.py"):
        if candidate.is_file():
            return candidate.resolve()
    # A folder of modules without __init__.py can be imported too, but only where no package has its name.
    return (folder / name).resolve() if any((folder / name).glob("*.py")) else None


def _place(name: str) -> Path | None:
    """Where importing `name` finds it."""
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:
        return None
    return Path(spec.origin).resolve() if spec and spec.origin and spec.has_location else None


def _put_last(*folders: Path) -> None:
    last = [str(folder) for folder in dict.fromkeys(folders)]
    sys.path[:] = [entry for entry in sys.path if entry not in ("", *last)] + last


def _failed(what: str, error: BaseException) -> ToolLoadError:
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        return ToolLoadError(f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}")
    frames = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and frame.filename not in (__file__, importlib.__file__)
    ]
    if not frames:
        return ToolLoadError(f"{what}: {said}")
    raised = "" if frames[-1] == frames[0] else f" (raised at {frames[-1]})"
    return ToolLoadError(f"{frames[0]}: {said}{raised}")
