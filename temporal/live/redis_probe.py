"""A look at whether a Redis can carry the live plane, for who checks a deployment."""

import secrets
import time
from dataclasses import dataclass
from typing import Final

from perdure.temporal.live.frames import StepProgress
from perdure.temporal.live.redis_connection import ANSWER_S, connected
from perdure.temporal.live.redis_frames import StepEnded, written
from perdure.temporal.live.redis_names import RedisNames
from perdure.temporal.live.redis_outgoing import Write
from perdure.temporal.live.redis_writing import flush
from perdure.temporal.redis_address import RedisAddress

#: Messages of which the fastest is told: the first one pays for what the others find ready.
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Probe:
    version: str
    #: From one process to another.
    took_ms: float
    #: Why Redis keeps nothing, in its words.
    refusal: str | None
    #: Its nodes share the keys, and a script may touch those of one node only.
    cluster: bool
    #: Bytes that it may use; 0: as many as there are.
    max_memory: int
    #: What it does when it is full.
    policy: str


async def probe(address: RedisAddress) -> Probe:
    """Writes a message as sessions do, and hears it. Raises one of `redis_connection.LOST`."""
    session = f"~/doctor-{secrets.token_hex(8)}"
    names = RedisNames(address.db, "~doctor")
    took_ms: list[float] = []
    async with connected(address) as writes, connected(address) as hears:
        (info,) = await writes.ask(("INFO",))
        told = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
        cluster = told.get("cluster_enabled") == "1"
        await hears.ask(("SUBSCRIBE", names.channel(session)))
        refusal: str | None = None
        for attempt in range(0 if cluster else _TRIES):
            begun = time.perf_counter()
            begin = Write("add", session, written(StepProgress("t1.s1", attempt)))
            refusal = await flush(writes, names, [begin])
            if await hears.heard(ANSWER_S) is None:
                raise TimeoutError("a message that was published did not come")
            took_ms.append((time.perf_counter() - begun) * 1000)
        if not cluster:
            await flush(writes, names, [Write("end", session, written(StepEnded("t1.s1", _TRIES)))])
    return Probe(
        told.get("redis_version", "unknown"),
        min(took_ms, default=0.0),
        refusal,
        cluster,
        int(told.get("maxmemory", 0)),
        told.get("maxmemory_policy", "unknown"),
    )
