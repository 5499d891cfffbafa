"""The agent definitions that serve in this process, by name and by digest; reread when their files change.

Rule 1: a definition that is refused is listed in `problems`; the others serve
(`perdure.temporal.definitions.folders` says how).
Rule 2: a definition is in the blob store before anyone is told of its digest, once `publish` was called at start. Where the
store was away just then, it follows as soon as the store is back; until then the process serves what it read itself.
Rule 3: the digest covers all that the definition makes of a session: included files, the models below it, the demo
model where it stands in, and, by a salt, the specs of its tools and the other agents that they are.
Rule 4: what one tenant alone has is found by nobody else, by its name or by its digest. Who names no tenant finds what all
share.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog

from perdure.temporal.definitions.folders import SHIPPED, AgentFolders
from perdure.temporal.definitions.inputs import InputProblem, check_inputs, inputs_schema
from perdure.temporal.definitions.library import documents_of, library_key
from perdure.temporal.definitions.news import State, Tell, log_news, news
from perdure.temporal.definitions.shelves import Known, Shelves, Shelving, digest
from perdure.temporal.definitions.stored import key_of, read_stored
from perdure.temporal.definitions.versions import Versions
from perdure.temporal.schemas.yaml_source import DefinitionProblem
from perdure.temporal.stores.blobs import BlobStore, StoreUnavailable
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

log = structlog.get_logger(__name__)

#: Definitions kept in memory, newest last; older ones are in the blob store.
_REMEMBERED: Final = 1000


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
        self._shelving = Shelving(tools_digest, demo_for)
        #: Which there have been, and since when.
        self.versions = Versions(blobs)
        #: By digest, with the only tenant that has it.
        self._by_digest: dict[str, tuple[AgentDefinition, str | None]] = {}
        self._published = True
        self._reading = self._folders.read()
        self._known = self._shelving.shelves(self._reading)
        self._remember(self._known)

    @property
    def folders(self) -> tuple[Path, ...]:
        """What is read: folders, and files that are given as such."""
        return self._folders.folders

    @property
    def problems(self) -> tuple[DefinitionProblem, ...]:
        """Why definitions are refused, those of all tenants."""
        return tuple(self._reading.every_problem)

    @property
    def warnings(self) -> tuple[DefinitionProblem, ...]:
        """What is odd in definitions, and refuses none; those of all tenants."""
        return tuple(warning for reading in self._reading.every for warning in reading.warnings)

    @property
    def tenants(self) -> tuple[str, ...]:
        """Those that have a folder of their own."""
        return tuple(sorted(self._known.tenants))

    def problems_of(self, tenant: str) -> tuple[DefinitionProblem, ...]:
        """Why definitions are refused that would serve for this tenant."""
        own = self._reading.tenants.get(tenant)
        return (*self._reading.problems, *(own.problems if own is not None else ()))

    def names(self, tenant: str | None = None) -> tuple[str, ...]:
        return tuple(sorted(self._known.of(tenant)))

    @property
    def providers(self) -> frozenset[str]:
        """Those whose models the definitions that serve may call."""
        return frozenset(hop.model.provider for one in self._known.every() for hop in one.definition.every_model)

    def current(self, name: str, tenant: str | None = None) -> Known | None:
        """The definition of this name that serves for a tenant; None: for those without a folder of their own."""
        return self._known.of(tenant).get(name)

    def as_written(self, name: str, tenant: str | None = None) -> AgentDefinition | None:
        """The definition as its files have it, also where the demo model stands in for its models."""
        reading = self._reading if tenant is None else self._reading.tenants.get(tenant, self._reading)
        serving = reading.serving.get(name)
        return serving[0] if serving is not None else None

    async def by_digest(self, digest: str, tenant: str | None = None) -> AgentDefinition | None:
        """The definition with this digest, also one that serves no longer; None where nobody published it, or where another
        tenant alone has it.

        Published is what this process read from its folders, and what the blob store holds below `definitions`, where only
        processes with such folders write: no session can have that name (`perdure.temporal.stores.blobs.RESERVED_TENANTS`).
        """
        if digest in self._by_digest:
            definition, only = self._by_digest[digest]
            return definition if only in (None, tenant) else None
        stored = await read_stored(self._blobs, digest)
        if stored is None or stored.tenant not in (None, tenant):
            return None
        name_secrets(stored.definition.secrets)
        return stored.definition

    async def publish(self) -> None:
        """Puts every current definition into the blob store, for other processes to find by digest. Raises
        `StoreUnavailable`; `watch` then goes on with it."""
        self._published = False
        await self._publish(self._known.every(), self._reading.documents)
        self._published = True
        await self.versions.note(self._known.every())

    async def refresh(self) -> bool:
        """Rereads the files if any of them changed; says whether definitions or problems are now others."""
        before, known = self._reading, self._known
        if not await asyncio.to_thread(self._folders.is_stale, before):
            # What the store did not take before.
            await self.versions.note(known.every())
            return False
        after = await asyncio.to_thread(self._folders.read, before.good)
        ready = self._shelving.shelves(after)
        published = {one.digest for one in known.every()}
        await self._publish((one for one in ready.every() if one.digest not in published), after.documents)
        self._remember(ready)
        said = self.problems, self.warnings
        self._reading, self._known = after, ready
        await self.versions.note(ready.every())
        return ready != known or (self.problems, self.warnings) != said

    async def watch(self, interval_s: float, tell: Tell = log_news) -> None:
        """Refreshes every `interval_s` seconds until it is cancelled, and tells what that changed."""
        while True:
            await asyncio.sleep(interval_s)
            before = self._state
            try:
                if not self._published:
                    await self.publish()
                if not await self.refresh():
                    continue
            except StoreUnavailable as error:
                # What serves now serves on, and the next round tries again.
                log.warning("definitions.not_stored", reason=str(error))
                continue
            except Exception:
                log.exception("definitions.refresh_failed")
                continue
            tell(news(before, self._state))

    @property
    def _state(self) -> State:
        return State(self._known, self.problems, self.warnings)

    def _remember(self, known: Shelves) -> None:
        for one in known.every():
            name_secrets(one.definition.secrets)
            self._by_digest.pop(one.digest, None)
            self._by_digest[one.digest] = one.definition, one.tenant
        while len(self._by_digest) > _REMEMBERED:
            del self._by_digest[next(iter(self._by_digest))]

    async def _publish(self, known: Iterable[Known], documents: dict[str, bytes]) -> None:
        for one in known:
            for sha256 in documents_of(one.definition):
                if sha256 in documents:
                    await self._blobs.put(library_key(sha256), documents[sha256])
            await self._blobs.put(key_of(one.digest), one.stored)
        # Whatever serves is stored now, and may be big.
        documents.clear()
