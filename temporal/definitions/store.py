"""The agent definitions that serve in this process, by name and by digest; reread when their files change.

Rule 1: a definition that is refused is listed in `problems`; the others serve
(`perdure.temporal.definitions.folders` says how).
Rule 2: a definition is in the blob store before anyone is told of its digest, once `publish` was called at start.
Rule 3: the digest covers all that the definition makes of a session: included files, the models below it, the demo
model where it stands in, and, by a salt, the specs of its tools and the other agents that they are.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from perdure.temporal.definitions.demo_models import on_demo
from perdure.temporal.definitions.folders import SHIPPED, AgentFolders, Reading
from perdure.temporal.definitions.inputs import InputProblem, check_inputs, inputs_schema
from perdure.temporal.definitions.links import links_digest
from perdure.temporal.schemas.yaml_source import DefinitionProblem
from perdure.temporal.stores.blobs import BlobMissing, BlobStore
from perdure.temporal.telemetry.redaction import name_secrets
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.vocabulary.parts import ToolSpec

__all__ = [
    "SHIPPED",
    "DefinitionProblem",
    "Definitions",
    "InputProblem",
    "Known",
    "check_inputs",
    "digest",
    "inputs_schema",
]

#: Definitions kept in memory, newest last; older ones are in the blob store.
_REMEMBERED: Final = 1000
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Known:
    """A definition that serves now."""

    definition: AgentDefinition
    digest: str
    file: Path
    #: Stands in the digest for the specs of its tools and the other agents that it names.
    salt: str = ""

    @property
    def demo(self) -> bool:
        """The model that answers is the demo model."""
        return self.definition.models[self.definition.model].provider == "demo"


def digest(definition: AgentDefinition, salt: str = "") -> str:
    """sha256 (hex) of the definition, included files and all; `salt` stands for the specs of its tools."""
    return hashlib.sha256(_canonical(definition, salt)).hexdigest()


class Definitions:
    """Reads `folders` (each may also be one YAML file), later ones replacing earlier ones by name.

    `models_file` goes below each definition's own models and above a folder's `models.yaml`. `tool_names` are the tools
    that a definition may name (None: any). `tools_digest` gives a fingerprint of the named tools' specs, which then
    belongs to the digest; `tool_spec` gives one of them, to compare conditions with. `demo_for(model)` says that such models
    run on the demo model here.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        models_file: Path | None = None,
        *,
        blobs: BlobStore,
        tool_names: frozenset[str] | None = None,
        tools_digest: Callable[[Sequence[str]], str] | None = None,
        tool_spec: Callable[[str], ToolSpec | None] | None = None,
        demo_for: Callable[[ModelDefinition], bool] | None = None,
    ) -> None:
        self._folders = AgentFolders.of(folders, models_file, tool_names, tool_spec)
        self._blobs = blobs
        self._tools_digest = tools_digest
        self._demo_for = demo_for
        self._by_digest: dict[str, AgentDefinition] = {}
        self._reading = self._folders.read()
        self._known = self._made_ready(self._reading)
        self._remember(self._known)

    @property
    def folders(self) -> tuple[Path, ...]:
        """What is read: folders, and files that are given as such."""
        return self._folders.folders

    @property
    def problems(self) -> tuple[DefinitionProblem, ...]:
        """Why definitions are refused."""
        return tuple(self._reading.problems)

    @property
    def warnings(self) -> tuple[DefinitionProblem, ...]:
        """What is odd in definitions, and refuses none."""
        return tuple(self._reading.warnings)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._known))

    @property
    def providers(self) -> frozenset[str]:
        """Those whose models the definitions that serve may call."""
        known = self._known.values()
        return frozenset(hop.model.provider for one in known for hop in one.definition.every_model)

    def current(self, name: str) -> Known | None:
        return self._known.get(name)

    def as_written(self, name: str) -> AgentDefinition | None:
        """The definition as its files have it, also where the demo model stands in for its models."""
        serving = self._reading.serving.get(name)
        return serving[0] if serving is not None else None

    async def by_digest(self, digest: str) -> AgentDefinition | None:
        """The definition with this digest, also one that serves no longer; None where nobody published it.

        Published is what this process read from its folders, and what the blob store holds below `definitions`, where only
        processes with such folders write: no session can have that name (`perdure.temporal.stores.blobs.RESERVED_TENANTS`).
        """
        if digest in self._by_digest:
            return self._by_digest[digest]
        if _DIGEST.fullmatch(digest) is None:
            return None
        try:
            stored = await self._blobs.get(_key(digest))
        except BlobMissing:
            return None
        if hashlib.sha256(stored).hexdigest() != digest:
            # Whatever the store makes of its keys: a digest stands for this content and no other.
            structlog.get_logger().warning("definition.damaged", digest=digest)
            return None
        try:
            definition = AgentDefinition.model_validate(json.loads(stored)["agent"])
        except (ValueError, KeyError, TypeError) as error:
            # Written by another version of Perdure, whose fields this one does not carry out.
            structlog.get_logger().warning("definition.unreadable", digest=digest, error=type(error).__name__)
            return None
        name_secrets(definition.secrets)
        return definition

    async def publish(self) -> None:
        """Puts every current definition into the blob store, for other processes to find by digest."""
        await self._publish(self._known)

    async def refresh(self) -> bool:
        """Rereads the files if any of them changed; says whether definitions or problems are now others."""
        before, known = self._reading, self._known
        if not await asyncio.to_thread(self._folders.is_stale, before):
            return False
        after = await asyncio.to_thread(self._folders.read, before.good)
        ready = self._made_ready(after)
        await self._publish({name: one for name, one in ready.items() if one != known.get(name)})
        self._remember(ready)
        self._reading, self._known = after, ready
        return ready != known or (after.problems, after.warnings) != (before.problems, before.warnings)

    async def watch(self, interval_s: float) -> None:
        """Refreshes every `interval_s` seconds until it is cancelled, and logs what that changed."""
        log = structlog.get_logger()
        while True:
            await asyncio.sleep(interval_s)
            known, problems, warnings = self._known, self.problems, self.warnings
            try:
                if not await self.refresh():
                    continue
            except Exception:
                # The blob store may be away for a while; what serves now serves on, and the next round tries again.
                log.exception("definitions.refresh_failed")
                continue
            changed = [name for name in self.names() if self.current(name) != known.get(name)]
            log.info("definitions.changed", changed=changed, gone=sorted(known.keys() - self._known.keys()))
            for problem in self.problems:
                if problem not in problems:
                    log.warning("definition.refused", problem=str(problem))
            for warning in self.warnings:
                if warning not in warnings:
                    log.warning("definition.warning", problem=str(warning))

    def _made_ready(self, reading: Reading) -> dict[str, Known]:
        ready = {name: self._on_demo(definition) for name, (definition, _) in reading.serving.items()}
        alone = {name: digest(definition, self._salt(definition)) for name, definition in ready.items()}
        # Agents may hand over to each other in a circle, so each counts what the others are by themselves.
        links = {name: links_digest(name, alone, ready) for name in ready}
        return {name: self._known_as(ready[name], links[name], file) for name, (_, file) in reading.serving.items()}

    def _known_as(self, definition: AgentDefinition, links: str, file: Path) -> Known:
        salt = self._salt(definition) + links
        return Known(definition, digest(definition, salt), file, salt)

    def _on_demo(self, definition: AgentDefinition) -> AgentDefinition:
        if self._demo_for is None:
            return definition
        return definition.model_copy(update={"models": on_demo(definition.models, self._demo_for)})

    def _salt(self, definition: AgentDefinition) -> str:
        return "" if self._tools_digest is None else self._tools_digest(definition.worker_tools)

    def _remember(self, known: Mapping[str, Known]) -> None:
        for one in known.values():
            name_secrets(one.definition.secrets)
            self._by_digest.pop(one.digest, None)
            self._by_digest[one.digest] = one.definition
        while len(self._by_digest) > _REMEMBERED:
            del self._by_digest[next(iter(self._by_digest))]

    async def _publish(self, known: Mapping[str, Known]) -> None:
        for one in known.values():
            await self._blobs.put(_key(one.digest), _canonical(one.definition, one.salt))


def _canonical(definition: AgentDefinition, salt: str) -> bytes:
    """The stored form, whose sha256 is the digest: the blob store can check what it reads."""
    content = {"agent": definition.model_dump(mode="json"), "tools": salt}
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _key(digest: str) -> str:
    return f"definitions/agents/{digest}"
