"""`perdure trace`: what a session's models were told and said, what its tools did, how long it took and what it cost."""

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import orjson
from rich.console import Console

from perdure.temporal.app.commands.trace_tree import trace_tree, turn_facts
from perdure.temporal.app.console.direct import Direct, reach, run
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.settings import environment
from perdure.workflows.protocol.traces import TraceStep


def trace(session: str, last: int | None, prompt: bool, as_json: bool, tenant: str, data_dir: Path | None) -> None:
    """Prints every step of a session, of its `last` turns only where given."""

    async def work() -> None:
        to = await reach(tenant, data_dir)
        if as_json:
            await _print_json(to, session, last)
        else:
            await _print_tree(to, session, last, prompt)

    run(work())


async def _print_tree(to: Direct, session: str, last: int | None, prompt: bool) -> None:
    traced = to.session(session)
    steps = [orjson.loads(step) async for step in _shown(to, session, last, prompt)]
    if not steps:
        raise Refused("the session has made no step that it still keeps")
    turns = turn_facts([event async for event in traced.all_events()])
    Console(highlight=False).print(trace_tree(traced.workflow_id, turns, steps))


async def _print_json(to: Direct, session: str, last: int | None) -> None:
    # A step at a time, for each of them holds its whole conversation.
    out, before = sys.stdout, '{"steps":['
    async for step in _shown(to, session, last, prompt=True):
        out.write(before + step.decode())
        before = ","
    out.write(f'{before if before != "," else ""}],"next_cursor":null}}\n')


async def _shown(to: Direct, session: str, last: int | None, prompt: bool) -> AsyncIterator[bytes]:
    # The providers' SDKs take seconds to import, which no other command should wait for.
    from perdure.activities.models.providers import Providers
    from perdure.activities.models.rebuilding import Rebuilding

    steps = [step async for step in to.session(session).steps()]
    providers = Providers(environment())

    reader = to.session(session).trace(Rebuilding(providers, to.blobs, environment()).request)
    async with aclosing(providers):
        for step in _of_last_turns(steps, last):
            yield await reader.step_json(step, with_prompt=prompt)


def _of_last_turns(steps: list[TraceStep], last: int | None) -> list[TraceStep]:
    if last is None:
        return steps
    turns = list(dict.fromkeys(step.record.turn_id for step in steps))[-last:]
    return [step for step in steps if step.record.turn_id in turns]
