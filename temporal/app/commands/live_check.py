"""What `perdure doctor` says of the Redis that carries live frames between processes."""

import re
from typing import Final

from perdure.temporal.app.commands.checkup import Check
from perdure.temporal.redis_address import RedisAddress

#: The oldest version that is still looked after, and the milliseconds that one message may take.
_OLDEST: Final = (6, 2)
_SLOW_MS: Final = 5.0
_NAME: Final = "live"
_BOUND_IT: Final = (
    "give it maxmemory 256mb or more and maxmemory-policy volatile-ttl: all that it keeps expires within minutes"
)


async def live(address: RedisAddress | None) -> Check:
    if address is None:
        advice = "perdure dev needs none; workers and gateways of their own do: viewers see answers only when finished"
        return Check("unknown", _NAME, "PERDURE_LIVE is not set", advice)
    # Imported here, because its client takes longer to import than all that needs none of it.
    from perdure.temporal.live.redis_connection import LOST, reason
    from perdure.temporal.live.redis_probe import probe

    try:
        found = await probe(address)
    except LOST as error:
        return Check(
            "failed", _NAME, f"{address} cannot be used: {reason(error)}", "viewers see answers only when finished"
        )
    said = f"{address} runs Redis {found.version}"
    if found.cluster:
        return Check(
            "failed",
            _NAME,
            f"{said} as a cluster",
            "give it a Redis that is no cluster: one holds thousands of sessions",
        )
    if found.refusal is not None:
        return Check(
            "failed",
            _NAME,
            f"{said} and keeps nothing: {found.refusal}",
            "who comes late misses what was written before",
        )
    if _version(found.version) < _OLDEST:
        return Check("warning", _NAME, said, f"run {_OLDEST[0]}.{_OLDEST[1]} or later")
    told = f"{said}; a message takes {found.took_ms:.1f} ms; {_memory(found.max_memory, found.policy)}"
    if found.took_ms > _SLOW_MS:
        return Check("warning", _NAME, told, "put it nearer to workers and gateways, or on a machine with less to do")
    if not found.max_memory:
        return Check("warning", _NAME, told, _BOUND_IT)
    return Check("ok", _NAME, told)


def _memory(most: int, policy: str) -> str:
    return f"it may use {most / 1024**2:.0f} MiB, then {policy}" if most else "nothing bounds its memory"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
