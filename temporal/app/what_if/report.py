"""Two turns side by side: what was recorded and what another definition or model made of it. Pure.

A recorded turn and one that was run again are summed up by the same function, from the states of their sessions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text as Line

from perdure.temporal.app.console.terminal import arguments, dollars, duration, one_line, plain, tokens
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.vocabulary.events import StepFinished, TurnFinished
from perdure.workflows.vocabulary.parts import Message, Text, ToolCall, ToolError, ToolResult, Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """What a turn came to. What only its events tell is None where these are no longer kept."""

    agent: str
    #: `provider/model`, each once.
    models: tuple[str, ...]
    text: str
    calls: tuple[ToolCall, ...]
    results: dict[str, ToolResult]
    steps: int
    #: Why it ended.
    reason: str | None
    error: ToolError | None
    usage: Usage | None
    #: Dollars; None also where a price is unknown.
    cost_usd: float | None
    #: Milliseconds that models took; the tools' own time is not counted.
    model_ms: float | None


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One turn of one session, then and now."""

    #: Its workflow id.
    session: str
    turn_id: str
    #: The text of the message that began it.
    asked: str
    recorded: Answer
    what_if: Answer
    #: Ids of calls that were answered from a call with other arguments, and of those that were not recorded.
    other_args: tuple[str, ...] = ()
    not_recorded: tuple[str, ...] = ()

    @property
    def error(self) -> str | None:
        """Why there is no answer to compare, if the turn failed."""
        error = self.what_if.error
        failed = self.what_if.reason == "failed"
        return f"{error.type}: {error.message}" if failed and error else "the turn failed" if failed else None


@dataclass
class Report:
    turns: list[WhatIf] = field(default_factory=list)
    #: Sessions that could not be run again, and why.
    failed: list[tuple[str, str]] = field(default_factory=list)
    #: Sessions among those that were searched for in which no turn has ended yet.
    skipped: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return 2 if self.failed or any(turn.error for turn in self.turns) else 0


def answer_of(state: SessionState, turn_id: str, messages: Sequence[Message]) -> Answer:
    """A turn of `state`, whose messages are given whole."""
    events = [event for event in state.log.events if event.turn_id == turn_id]
    steps = [event for event in events if isinstance(event, StepFinished)]
    end = next((event for event in events if isinstance(event, TurnFinished)), None)
    said = [message for message in messages if message.role == "assistant"]
    parts = [part for message in messages for part in message.parts]
    texts = ["".join(part.text for part in message.parts if isinstance(part, Text)) for message in said]
    return Answer(
        agent=state.new.agent,
        models=tuple(dict.fromkeys(step.model for step in steps)),
        text="\n\n".join(text for text in texts if text),
        calls=tuple(part for part in parts if isinstance(part, ToolCall)),
        results={part.call_id: part for part in parts if isinstance(part, ToolResult)},
        steps=len(steps) or len(said),
        reason=end.reason if end else None,
        error=end.error if end else None,
        usage=end.usage if end else None,
        cost_usd=end.cost_usd if end else None,
        model_ms=sum(step.timing.total_ms for step in steps) if end else None,
    )


def tables(report: Report) -> list[Table]:
    return [_table(turn) for turn in report.turns]


def summary(report: Report) -> str:
    bad = len(report.failed) + sum(turn.error is not None for turn in report.turns)
    ran = sum(turn.error is None for turn in report.turns)
    parts = [f"{ran} {'turn' if ran == 1 else 'turns'} run again"]
    if bad:
        parts.append(f"{bad} failed")
    if report.skipped:
        parts.append(f"{len(report.skipped)} skipped, for no turn of theirs has ended")
    for words, count in (
        ("calls answered from one with other arguments", sum(len(turn.other_args) for turn in report.turns)),
        ("calls that were not recorded", sum(len(turn.not_recorded) for turn in report.turns)),
    ):
        if count:
            parts.append(f"{words}: {count}")
    return ", ".join(parts)


def as_json(report: Report) -> dict[str, Any]:
    return {
        "turns": [
            {
                "session": turn.session,
                "turn_id": turn.turn_id,
                "asked": turn.asked,
                "recorded": _answer_json(turn.recorded),
                "what_if": _answer_json(turn.what_if),
                "other_args": list(turn.other_args),
                "not_recorded": list(turn.not_recorded),
                "error": turn.error,
            }
            for turn in report.turns
        ],
        "failed": [{"session": session, "reason": reason} for session, reason in report.failed],
        "skipped": report.skipped,
        "exit_code": report.exit_code,
    }


def _answer_json(answer: Answer) -> dict[str, Any]:
    return {
        "agent": answer.agent,
        "models": list(answer.models),
        "text": answer.text,
        "tool_calls": [
            {
                "call_id": call.call_id,
                "name": call.name,
                "args": call.args,
                "output": result.output if (result := answer.results.get(call.call_id)) else None,
                "is_error": result.is_error if result else None,
            }
            for call in answer.calls
        ],
        "steps": answer.steps,
        "reason": answer.reason,
        "error": answer.error.model_dump(mode="json") if answer.error else None,
        "usage": answer.usage.model_dump(mode="json") if answer.usage else None,
        "cost_usd": answer.cost_usd,
        "model_ms": answer.model_ms,
    }


def _table(turn: WhatIf) -> Table:
    title = Line(f"{plain(turn.session)}  {turn.turn_id}  {one_line(turn.asked)}")
    table = Table("", "recorded", "what if", title=title, title_justify="left", show_lines=True)
    then, now = turn.recorded, turn.what_if
    for name in ("agent", "model", "answer", "tools", "steps", "tokens", "cost", "model time", "ended"):
        cells = _cell(name, then, turn), _cell(name, now, turn)
        if any(cells):
            table.add_row(Line(name, style="dim"), *(Line(plain(cell)) for cell in cells))
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.ratio, column.overflow = 1, "fold"
    return table


def _cell(name: str, answer: Answer, turn: WhatIf) -> str:
    match name:
        case "agent":
            return answer.agent
        case "model":
            return ", ".join(answer.models) or "?"
        case "answer":
            return answer.text
        case "tools":
            return "\n".join(_call(call, turn) if answer is turn.what_if else _words(call) for call in answer.calls)
        case "steps":
            return str(answer.steps)
        case "tokens":
            return "?" if answer.usage is None else tokens(answer.usage.model_dump())
        case "cost":
            return "?" if answer.usage is None else dollars(answer.cost_usd)
        case "model time":
            return duration(answer.model_ms)
        case "ended":
            error = f": {answer.error.message}" if answer.error else ""
            return f"{answer.reason or '?'}{error}"
        case _:
            raise AssertionError(name)


def _call(call: ToolCall, turn: WhatIf) -> str:
    if call.call_id in turn.other_args:
        return f"{_words(call)}  [recorded with other arguments]"
    return f"{_words(call)}  [not recorded]" if call.call_id in turn.not_recorded else _words(call)


def _words(call: ToolCall) -> str:
    args = arguments(call.args) if call.args_raw is None else one_line(call.args_raw, 80)
    return f"{one_line(call.name)}({args})"
