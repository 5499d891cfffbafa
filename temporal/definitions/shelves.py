"""The definitions that serve, with their digests: those that all tenants share, and what each tenant has of its own.

Rule 1: a tenant's folder lies over the shared ones. A shared definition that comes to other agents because of that is
another definition for this tenant.
Rule 2: the digest of what a tenant alone has covers the tenant's name, so that two tenants never have the same one.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perdure.temporal.definitions.demo_models import on_demo
from perdure.temporal.definitions.folders import Reading
from perdure.temporal.definitions.links import links_digest
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition


@dataclass(frozen=True, slots=True)
class Known:
    """A definition that serves now."""

    definition: AgentDefinition
    digest: str
    file: Path
    #: Stands in the digest for the specs of its tools and the other agents that it names.
    salt: str = ""
    #: The only tenant that has it; None: all of them have it.
    tenant: str | None = None
    #: The tenant's own folder has its file.
    own: bool = False

    @property
    def demo(self) -> bool:
        """The model that answers is the demo model."""
        return self.definition.models[self.definition.model].provider == "demo"

    @property
    def stored(self) -> bytes:
        """What the blob store holds of it. The sha256 of that is the digest."""
        return canonical(self.definition, self.salt, self.tenant)


@dataclass(frozen=True, slots=True)
class Shelves:
    shared: Mapping[str, Known] = field(default_factory=dict)
    #: By tenant: all that serves for it, by name. Tenants without a folder have what is shared.
    tenants: Mapping[str, Mapping[str, Known]] = field(default_factory=dict)

    def of(self, tenant: str | None) -> Mapping[str, Known]:
        """What serves for a tenant; None: for those without a folder of their own."""
        return self.shared if tenant is None else self.tenants.get(tenant, self.shared)

    def every(self) -> Iterator[Known]:
        """Each definition once."""
        yield from self.shared.values()
        for shelf in self.tenants.values():
            yield from (one for one in shelf.values() if one.tenant is not None)


@dataclass(frozen=True, slots=True)
class Shelving:
    """Makes shelves of what was read. `tools_digest` and `demo_for` as `Definitions` has them."""

    tools_digest: Callable[[Sequence[str]], str] | None
    demo_for: Callable[[ModelDefinition], bool] | None

    def shelves(self, reading: Reading) -> Shelves:
        shared = self._shelf(reading, None, (), {})
        tenants = reading.tenants.items()
        return Shelves(
            shared, {tenant: self._shelf(one, tenant, reading.own(tenant), shared) for tenant, one in tenants}
        )

    def _shelf(
        self, reading: Reading, tenant: str | None, own: Collection[str], shared: Mapping[str, Known]
    ) -> dict[str, Known]:
        ready = {name: self._on_demo(definition) for name, (definition, _) in reading.serving.items()}
        # Agents may hand over to each other in a circle, so each counts what the others are by themselves.
        alone = {
            name: digest(definition, self._salt(definition), tenant if name in own else None)
            for name, definition in ready.items()
        }
        shelf = {}
        for name, (_, file) in reading.serving.items():
            definition = ready[name]
            salt = self._salt(definition) + links_digest(name, alone, ready)
            if name not in own and name in shared and shared[name].salt == salt:
                shelf[name] = shared[name]
            else:
                made = digest(definition, salt, tenant)
                shelf[name] = Known(definition, made, file, salt, tenant, name in own)
        return shelf

    def _on_demo(self, definition: AgentDefinition) -> AgentDefinition:
        if self.demo_for is None:
            return definition
        return definition.model_copy(update={"models": on_demo(definition.models, self.demo_for)})

    def _salt(self, definition: AgentDefinition) -> str:
        return "" if self.tools_digest is None else self.tools_digest(definition.worker_tools)


def digest(definition: AgentDefinition, salt: str = "", tenant: str | None = None) -> str:
    """sha256 (hex) of the definition, included files and all; `salt` stands for the specs of its tools. `tenant` is the only
    one that has it."""
    return hashlib.sha256(canonical(definition, salt, tenant)).hexdigest()


def canonical(definition: AgentDefinition, salt: str, tenant: str | None) -> bytes:
    """The stored form, whose sha256 is the digest: the blob store can check what it reads."""
    content = {"agent": definition.model_dump(mode="json"), "tools": salt}
    if tenant is not None:
        content["tenant"] = tenant
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
