"""How many open sessions rest on each version of an agent, from Temporal's visibility store.

Rule: a session shows its definition once its first turn has ended, and another one when the first turn with that has. One
that shows none, for it is in its first turn or has had none since workers show it, is counted as of no known version.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.service import RPCError

from perdure.temporal.sessions.errors import TemporalSilent, from_rpc
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.visibility import resting_query


@dataclass(frozen=True, slots=True)
class Resting:
    #: Open sessions by digest.
    sessions: Mapping[str, int]
    #: Open sessions of the agent that show no digest.
    unknown: int


async def resting(
    client: Client, within_s: float, caller: Principal, agent: str, digests: Sequence[str]
) -> Resting | None:
    """Counts the sessions that the caller may list; None where it may list none. Raises `SessionError`, `TemporalSilent` for
    one where that takes longer than `within_s` seconds."""
    if not caller.holds("read") or caller.session is not None:
        return None
    own = not caller.holds_any("read")
    user, nobodys = (caller.user, caller.user is None) if own else (None, False)

    async def count(digest: str | None) -> int:
        of_agent = agent if digest is None else None
        query = resting_query(caller.tenant, digest=digest, agent=of_agent, user=user, nobodys=nobodys)
        return (await client.count_workflows(query)).count

    try:
        async with asyncio.timeout(within_s):
            *known, unknown = await asyncio.gather(*map(count, digests), count(None))
    except TimeoutError:
        raise TemporalSilent from None
    except RPCError as error:
        raise from_rpc(error) from error
    return Resting(dict(zip(digests, known, strict=True)), unknown)
