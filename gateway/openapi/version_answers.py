"""What the route of an agent's versions answers."""

from datetime import datetime

from pydantic import Field

from perdure.workflows.vocabulary.parts import Frozen


class VersionChange(Frozen):
    """One thing that differs from the version before."""

    #: As in `models.fast.use`.
    field: str = Field(examples=["model"])
    #: In words. Whoever does not hold `session:trace` is told which fields changed, and not how.
    text: str = Field(examples=["model: fast -> capable"])
    #: Of a text of several lines, what was taken out and put in: the lines of a unified diff. Else empty.
    diff: tuple[str, ...] = Field(examples=[["@@ -1,2 +1,2 @@", " You help.", "-Be brief.", "+Be kind."]])


class VersionEntry(Frozen):
    """One version of an agent: all that a session runs, included files, shared models and its tools' descriptions too."""

    #: sha256 of the definition.
    digest: str = Field(examples=["a07b" * 16])
    #: When a worker or a gateway saw it first.
    first_seen: datetime = Field(examples=["2026-03-12T09:30:00Z"])
    #: New sessions get it.
    serving: bool
    #: All tenants have it; false: it is the tenant's own.
    shared: bool
    #: The digest of the version before it; null: it is the first that was seen.
    before: str | None = Field(examples=["3f1c" * 16])
    #: What changed to the version before; null: another version of Perdure wrote one of them, and this one cannot read it.
    changes: tuple[VersionChange, ...] | None
    #: Open sessions that run it, of those that the caller may list; null: none of them. A session is counted once a turn
    #: with this version has ended.
    sessions: int | None = Field(examples=[12])


class VersionList(Frozen):
    agent: str = Field(examples=["support"])
    #: The one that was seen last comes first.
    versions: tuple[VersionEntry, ...]
    #: Open sessions of the agent that no turn has run since versions are counted, or whose first turn runs; null: the caller
    #: may list none.
    uncounted_sessions: int | None = Field(examples=[0])
    #: Where the next page begins, as `cursor`; null: this is the last.
    next_cursor: str | None = Field(examples=[None])
