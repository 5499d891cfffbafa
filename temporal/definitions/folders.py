"""Reads folders of agent definitions as they lie on disk now, and can tell later whether they still lie so.

Rule 1: a faulty file is listed in `problems`; where an earlier reading found it good, that stands in for it.
Rule 2: in a later folder the same name replaces. A faulty file that was never good takes its name all the same, for
quietly serving the one below it would be worse than serving none.
Rule 3: a folder `@TENANT` in one of them is that tenant's own, and lies over all that are shared. What is in it, and what is
wrong with it, concerns nobody else.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from perdure import workflows
from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.definitions.links import misread_calls, unknown_agents, without_broken_links
from perdure.temporal.definitions.models_file import load_models
from perdure.temporal.schemas.yaml_source import DefinitionProblem
from perdure.temporal.stores.blobs import RESERVED_TENANTS
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.definition.tools import AgentTool
from perdure.workflows.vocabulary.parts import ToolSpec

#: The folder of the agents that come with the product.
SHIPPED: Final = Path(workflows.__file__).parent / "agents"

#: The first character of the names of tenants' folders.
OF_TENANT: Final = "@"
_TENANT: Final = re.compile(r"(?!\.\.?$)[A-Za-z0-9._~:-]{1,200}")

_SHARED_MODELS: Final = ("models.yaml", "models.yml")

_Stamp = tuple[int, int] | None


@dataclass(slots=True)
class Reading:
    """What one reading of all files gave."""

    #: By name: the definition that serves, and its file.
    serving: dict[str, tuple[AgentDefinition, Path]] = field(default_factory=dict)
    problems: list[DefinitionProblem] = field(default_factory=list)
    #: What is odd in definitions, and refuses none.
    warnings: list[DefinitionProblem] = field(default_factory=list)
    #: What cannot be known where they are read.
    unchecked: list[DefinitionProblem] = field(default_factory=list)
    #: The last good definition by file.
    good: dict[Path, AgentDefinition] = field(default_factory=dict)
    #: Files that are refused, and the tools in them that are agents.
    refused: dict[Path, tuple[tuple[int, AgentTool], ...]] = field(default_factory=dict)
    #: Documents of definitions, by sha256, that the blob store may not hold yet.
    documents: dict[str, bytes] = field(default_factory=dict)
    #: Every file and folder that was looked at, as it was then.
    stamps: dict[Path, _Stamp] = field(default_factory=dict)
    #: By tenant with a folder of its own: what serves for it, shared ones included, and what is wrong for it alone.
    tenants: dict[str, "Reading"] = field(default_factory=dict)

    @property
    def every(self) -> "tuple[Reading, ...]":
        """What all share, then each tenant's own."""
        return (self, *self.tenants.values())

    @property
    def every_problem(self) -> list[DefinitionProblem]:
        return [problem for one in self.every for problem in one.problems]

    @property
    def labelled(self) -> dict[str, tuple[AgentDefinition, Path]]:
        """What all share by name, then what each tenant has of its own as `@tenant/name`; each sorted."""
        own = {
            f"{OF_TENANT}{tenant}/{name}": entry for tenant in self.tenants for name, entry in self.own(tenant).items()
        }
        return dict(sorted(self.serving.items())) | dict(sorted(own.items()))

    def own(self, tenant: str) -> dict[str, tuple[AgentDefinition, Path]]:
        """What serves for a tenant of its own folder, by name."""
        serving = self.tenants[tenant].serving
        return {name: entry for name, entry in serving.items() if entry[1].parent.name == f"{OF_TENANT}{tenant}"}

    def of_tenant(self) -> "Reading":
        """A reading of what is one tenant's own, which knows the same files."""
        return Reading(good=self.good, stamps=self.stamps, documents=self.documents)


@dataclass(frozen=True, slots=True)
class AgentFolders:
    """Folders in the order in which they replace each other; each may also be one YAML file.

    `models_file` goes below each definition's own models and above a folder's `models.yaml`, which is for that folder's
    definitions only. `tool_names` are the tools that a definition may name; None: any. `tool_spec` gives what one of them
    takes, where that is known.
    """

    folders: tuple[Path, ...]
    models_file: Path | None = None
    tool_names: frozenset[str] | None = None
    tool_spec: Callable[[str], ToolSpec | None] | None = None
    allowed: Allowed = field(default_factory=Allowed.load)

    @classmethod
    def of(
        cls,
        folders: Sequence[Path],
        models_file: Path | None,
        tool_names: frozenset[str] | None,
        tool_spec: Callable[[str], ToolSpec | None] | None = None,
    ) -> "AgentFolders":
        """Counts a folder that is given twice once."""
        once = {folder.resolve(): folder for folder in folders}
        return cls(tuple(once.values()), models_file, tool_names, tool_spec)

    def read(self, good: Mapping[Path, AgentDefinition] | None = None) -> Reading:
        """Reads every file. `good` are the definitions that an earlier reading found good."""
        reading = Reading()
        taken: dict[str, tuple[AgentDefinition, Path] | None] = {}
        above = self._models(self.models_file, reading) if self.models_file else {}
        for folder in self.folders:
            if not folder.exists():
                reading.problems.append(DefinitionProblem(folder, 1, "", "there is no such file or folder"))
            below: dict[str, ModelDefinition] = {}
            for file in _shared_files(folder):
                below |= self._models(file, reading)
            taken |= self._folder(folder, below | above, good or {}, reading)
        _link(reading, taken)
        for tenant, folders in self._tenants(reading).items():
            own = reading.of_tenant()
            of_tenant = dict(taken)
            for folder in folders:
                below = {}
                for file in (*_shared_files(folder.parent), *_shared_files(folder)):
                    below |= self._models(file, own)
                of_tenant |= self._folder(folder, below | above, good or {}, own)
            _link(own, of_tenant)
            own.problems = [one for one in own.problems if one not in reading.problems]
            own.warnings = [one for one in own.warnings if one not in reading.warnings]
            reading.tenants[tenant] = own
        return reading

    def is_stale(self, reading: Reading) -> bool:
        """A file was changed, added or removed since."""
        folders = [one for folder in self.folders for one in (folder, *_tenant_folders(folder))]
        files = {
            file
            for folder in folders
            for file in ((*_shared_files(folder), *_agent_files(folder)) if _can_be_read(folder) else (folder,))
        }
        return any(_stamp(file) != reading.stamps.get(file) for file in files | reading.stamps.keys())

    def _tenants(self, reading: Reading) -> dict[str, list[Path]]:
        """Each tenant's folders, in the order in which they replace each other."""
        found: dict[str, list[Path]] = {}
        for folder in (one for shared in self.folders for one in _tenant_folders(shared)):
            tenant = folder.name.removeprefix(OF_TENANT)
            if not _can_be_read(folder):
                # Seen again when it has changed.
                reading.stamps[folder] = _stamp(folder)
                reading.problems.append(DefinitionProblem(folder, 1, "", f"no tenant can be named {tenant!r}"))
            else:
                found.setdefault(tenant, []).append(folder)
        return found

    def _folder(
        self,
        folder: Path,
        shared: Mapping[str, ModelDefinition],
        good: Mapping[Path, AgentDefinition],
        reading: Reading,
    ) -> dict[str, tuple[AgentDefinition, Path] | None]:
        found: dict[str, tuple[AgentDefinition, Path] | None] = {}
        owner: dict[str, Path] = {}
        for file in _agent_files(folder):
            # Stamped first: a change while it is read is then seen the next time.
            reading.stamps[file] = _stamp(file)
            loaded = load_agent_file(file, shared, self.tool_names, self.allowed, self.tool_spec)
            reading.stamps |= {path: _stamp(path) for path in loaded.included}
            reading.problems += loaded.problems
            reading.warnings += loaded.warnings
            reading.unchecked += loaded.unchecked
            if loaded.definition is None:
                reading.refused[file] = loaded.agent_tools
            definition = loaded.definition or good.get(file)
            name = definition.name if definition else loaded.name
            if name in owner:
                message = f"{owner[name].name} in the same folder has the name {name!r} already"
                reading.problems.append(DefinitionProblem(file, 1, "name", message))
                continue
            owner[name] = file
            found[name] = (definition, file) if definition else None
            if definition is not None:
                reading.good[file] = definition
                reading.documents |= loaded.documents
        return found

    @staticmethod
    def _models(file: Path, reading: Reading) -> dict[str, ModelDefinition]:
        reading.stamps[file] = _stamp(file)
        models, problems = load_models(file)
        reading.problems += problems
        return models


def _link(reading: Reading, taken: Mapping[str, tuple[AgentDefinition, Path] | None]) -> None:
    """What serves of `taken`, and what is wrong with how its definitions name each other."""
    known = {name: found for name, found in taken.items() if found is not None}
    reading.serving, broken = without_broken_links(known, taken.keys() - known.keys())
    reading.problems += broken
    for file, tools in reading.refused.items():
        reading.problems += unknown_agents(file, tools, taken.keys())
    for definition, file in reading.serving.values():
        reading.warnings += misread_calls(file, definition, reading.serving)


def _tenant_folders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.glob(f"{OF_TENANT}*") if one.is_dir())


def _can_be_read(folder: Path) -> bool:
    """Whether a tenant may have the name of this folder; folders of all tenants always can."""
    tenant = folder.name.removeprefix(OF_TENANT)
    return tenant == folder.name or (_TENANT.fullmatch(tenant) is not None and tenant not in RESERVED_TENANTS)


def _shared_files(folder: Path) -> list[Path]:
    folder = folder.parent if folder.is_file() else folder
    return [folder / name for name in _SHARED_MODELS if (folder / name).is_file()]


def _agent_files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [] if folder.name in _SHARED_MODELS else [folder]
    # Hidden files are what editors and config maps leave behind.
    return sorted(
        file
        for file in folder.glob("*")
        if file.suffix in (".yaml", ".yml") and not file.name.startswith(".") and file.name not in _SHARED_MODELS
    )


def _stamp(file: Path) -> _Stamp:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
