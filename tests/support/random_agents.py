"""Agents, limits and models as chance has them."""

import random
from typing import Any, Final

from perdure.workflows.core.budget import input_tokens
from perdure.workflows.core.spending import bears
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.step import StepFailure
from perdure.workflows.definition.agent import Limits, LoadedAgent, Price
from perdure.workflows.definition.pricing import Spent, spent
from perdure.workflows.protocol.activities import Partial, StepOutput
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Part, StopReason, Text, Timing, ToolCall, ToolError, Usage
from tests.support.core import agent

_PRICES: Final = (Price(input=0, output=0), Price(input=3, output=15), Price(input=2000, output=9000))
_STOPS: Final[tuple[StopReason, ...]] = ("end", "end", "end", "max_tokens", "repetition", "refusal", "pause")
_FAILURES: Final = (errors.MODEL_QUOTA, errors.MODEL_AUTH, errors.MODEL_SERVER_ERROR, errors.MODEL_CONTEXT_LENGTH)


def limits(chance: random.Random) -> Limits:
    """Any limits."""

    def maybe(value: Any) -> Any:
        return value if chance.random() < 0.45 else None

    def caps(scale: float) -> dict[str, Any]:
        return {
            "cost_usd": maybe(round(chance.choice((0.0, 0.01, 0.5, 3.0, 40.0)) * scale, 4)),
            "tokens": maybe(int(chance.choice((0, 900, 4000, 20_000)) * scale)),
            "tool_calls": maybe(int(chance.choice((0, 1, 3, 9)) * scale)),
        }

    on_limit: Any = chance.choice(("ask", "ask", "stop", {"cheaper": "other"}))
    turn = caps(1) | {"steps": chance.choice((3, 12)), "repeats": chance.choice((1, 2, 4))}
    turn["working_time"] = maybe(f"{chance.choice((5, 60))}s")
    return Limits.model_validate({"turn": turn, "session": caps(3), "on_limit": on_limit})


def any_agent(chance: random.Random, name: str, digest: str) -> LoadedAgent:
    """An agent with any limits and prices, which has a tool, one that a person allows, and sub-agents."""
    prices = {"main": chance.choice(_PRICES), "other": _PRICES[1]}
    if chance.random() < 0.1:
        del prices["main"]
    share = chance.choice((0.2, 0.5, 1.0))
    tools = [
        "add",
        {"ask": {"approval": "always"}},
        {"agent": {"name": "helper", "description": "Helps", "share": share}},
    ]
    made = agent(digest, limits=limits(chance), name=name, tools=tools)
    models = made.definition.models
    if chance.random() < 0.4:
        models = {
            **models,
            "main": models["main"].model_validate({**models["main"].model_dump(), "fallback": ["other"]}),
        }
    definition = made.definition.model_copy(update={"models": models})
    return made.model_copy(update={"definition": definition, "prices": prices, "agents": {"helper": "d2"}})


def answered(
    chance: random.Random, state: SessionState, record: StepRecord, stopping: bool
) -> StepOutput | StepFailure:
    """What comes of a model call, by the rule of its activity: an attempt that is not borne is not made."""
    price, most = _price(state, record), _bound(state, record)
    asked = Usage(input_tokens=tokens_of(state, record) - most)
    worst = spent(price, asked + Usage(output_tokens=most))
    before = Spent()
    for attempt in range(1, 5):
        if attempt > 1 and not bears(record.left, before, worst):
            return _failure(errors.BUDGET_EXCEEDED, attempt, before)
        roll = chance.random()
        if roll < 0.2:
            # Its worker is killed; some of its answer may have streamed.
            before += spent(price, asked + Usage(output_tokens=chance.choice((0, most // 3, most))))
            continue
        if roll < 0.3:
            return _failure(chance.choice(_FAILURES), attempt, before)
        usage = asked + Usage(output_tokens=chance.choice((1, most // 2, most)))
        if chance.random() < 0.5:
            usage = usage.model_copy(update={"input_tokens": asked.input_tokens // 2})
        cost = spent(price, usage).cost_usd
        parts, stop = _said(chance, record, stopping)
        return StepOutput(
            parts=parts,
            model=record.model,
            usage=usage,
            cost_usd=cost,
            timing=Timing(total_ms=1),
            stop=stop,
            attempt=attempt,
            before=before,
            request_sha256="",
        )
    return _failure(errors.MODEL_SERVER_ERROR, 4, before)


def _said(chance: random.Random, record: StepRecord, stopping: bool) -> tuple[tuple[Part, ...], StopReason]:
    if stopping:
        return (Text(text="Well"),), "stopped"
    if chance.random() < 0.6:
        names = [chance.choice(("add", "add", "ask", "helper")) for _ in range(chance.choice((1, 1, 3)))]
        calls = [
            ToolCall(call_id=f"{record.step_id}.c{number}", name=name, args={"a": 1}, checked="tool")
            for number, name in enumerate(names, 1)
        ]
        return tuple(calls), chance.choice(("tool_calls", "tool_calls", "max_tokens"))
    return (Text(text=chance.choice(("", "Well.", "Well."))),), chance.choice(_STOPS)


def _failure(kind: str, attempt: int, before: Spent) -> StepFailure:
    partial = Partial(attempt=attempt, lost=0, streaming=False, before=before)
    return StepFailure(ToolError(type=kind, message="It failed."), partial)


def _price(state: SessionState, record: StepRecord) -> Price | None:
    loaded = state.slot.kept[record.digest]
    return loaded.prices.get(loaded.definition.route(record.role)[record.hop].key)


def _bound(state: SessionState, record: StepRecord) -> int:
    own = state.slot.kept[record.digest].definition.route(record.role)[record.hop].model.max_output_tokens
    return own if record.bound is None else record.bound


def tokens_of(state: SessionState, record: StepRecord) -> int:
    """Of one attempt at worst."""
    if record.compaction is not None:
        return (record.estimate or 0) + _bound(state, record)
    return input_tokens(state) + _bound(state, record)
