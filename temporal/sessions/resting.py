"""How many open sessions rest on each version of an agent, from Temporal's visibility store.

Rule: a session shows its definition once its first turn has ended, and another one when the first turn with that has. One
that shows none, for it is in its first turn or has had none since workers show it, is counted as of no known version.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.visibility import resting_query


@dataclass(frozen=True, slots=True)
class Resting:
    #: Open sessions by digest.
    sessions: Mapping[str, int]
    #: Open sessions of the agent that show no digest.
    unknown: int


async def resting(backend: Backend, caller: Principal, agent: str, digests: Sequence[str]) -> Resting | None:
    """Counts the sessions that the caller may list; None where it may list none. Raises `SessionError`."""
    if not caller.holds("read") or caller.session is not None:
        return None
    own = not caller.holds_any("read")
    user, nobodys = (caller.user, caller.user is None) if own else (None, False)

    async def count(digest: str | None) -> int:
        of_agent = agent if digest is None else None
        query = resting_query(caller.tenant, digest=digest, agent=of_agent, user=user, nobodys=nobodys)
        return await backend.count(query)

    *known, unknown = await asyncio.gather(*map(count, digests), count(None))
    return Resting(dict(zip(digests, known, strict=True)), unknown)
