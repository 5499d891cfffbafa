"""A session in words, for `perdure sessions show`. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import assert_never

from pydantic import JsonValue
from rich.text import Text as Line

from perdure.temporal.app.console.terminal import arguments, dollars, one_line, result, tokens
from perdure.workflows.protocol.queries import SnapshotPage, Timer
from perdure.workflows.vocabulary.parts import Data, File, Message, Part, Reasoning, Text, ToolCall, ToolResult

_WIDTH = 200


def session_lines(
    page: SnapshotPage,
    messages: Sequence[Message],
    turns: int,
    timers: Sequence[Timer] = (),
    variables: Mapping[str, JsonValue] | None = None,
) -> Iterator[Line]:
    """The facts of the session, its timers and variables, then its last `turns` turns and what waits behind them."""
    yield from _facts(page)
    for timer in timers:
        due = f"{timer.due:%Y-%m-%d %H:%M:%S} UTC"
        yield Line.assemble(
            (f"{'wakes up':<9}", "dim"), f"{due}: {one_line(timer.note, _WIDTH)} ", (timer.timer_id, "dim")
        )
    for name, value in (variables or {}).items():
        held = one_line(json.dumps(value, ensure_ascii=False), _WIDTH)
        yield Line.assemble((f"{'variable':<9}", "dim"), f"{name} = {held}")
    known = list(dict.fromkeys(message.turn_id for message in messages))
    shown = set(known[-turns:]) if turns else set()
    left_out = len(known) - len(shown)
    if left_out:
        yield Line(f"\n… {left_out} earlier turns", style="dim")
    for turn, spoken in groupby((m for m in messages if m.turn_id in shown), lambda message: message.turn_id):
        yield Line(f"\n{turn or 'outside turns'}", style="bold")
        for message in spoken:
            yield from _message(message)
    for message in page.queued:
        yield Line("\nwaits for its turn", style="bold")
        yield from _message(message)


def _facts(page: SnapshotPage) -> Iterator[Line]:
    pinned = ", pinned" if page.pinned else ""
    demo = "; no key for its provider, so it runs on the demo model" if page.demo else ""
    facts = {
        "session": page.session_id,
        "status": page.status + (f", turn {page.turn_id}" if page.turn_id else ""),
        "agent": f"{page.agent} (definition {page.digest[:12]}{pinned})",
        "model": f"{page.model}: {page.use or 'not loaded yet'}{demo}",
        "user": one_line(page.user or ""),
        "created": page.created_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "spent": f"{dollars(page.cost_usd)}, tokens: {tokens(page.usage.model_dump())}",
        "events": str(page.seq),
        "to do": "; ".join(f"{one_line(item.text, _WIDTH)} ({item.status})" for item in page.todo),
        "asks": "; ".join(one_line(one.prompt or f"to run {one.name}", _WIDTH) for one in page.questions),
    }
    for name, fact in facts.items():
        if fact:
            yield Line.assemble((f"{name:<9}", "dim"), fact)


def _message(message: Message) -> Iterator[Line]:
    for part in message.parts:
        said = _part(message, part)
        if said is not None:
            yield Line.assemble((f"  {message.role:<10}", "cyan"), said)
    if message.stopped:
        yield Line(f"  {'':<10}(stopped here)", style="dim")


def _part(message: Message, part: Part) -> Line | None:
    match part:
        case Text():
            return Line(one_line(part.text, _WIDTH))
        case Reasoning():
            return Line(one_line(part.text, _WIDTH), style="dim italic") if part.text else None
        case ToolCall():
            return Line(f"calls {part.name}({arguments(part.args)})")
        case ToolResult():
            outcome = result(part.model_dump(mode="json"), _WIDTH)
            return Line(f"{part.name}: {outcome}", style="red" if part.is_error else "")
        case File():
            return Line(f"file {one_line(part.name)} ({part.media_type})")
        case Data(value={"note": str(note)}) if message.is_note(part):
            return Line(f"woke up: {one_line(note, _WIDTH)}", style="dim")
        case Data():
            return Line(f"data {one_line(part.name)}")
        case _:
            assert_never(part)
