"""Where a session runs without Temporal: what it spends is watched, at every change."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from perdure.workflows.core.changes import Change, Configured, StepOpened, StepPassedOn
from perdure.workflows.core.effects import (
    Effect,
    RunSession,
)
from perdure.workflows.core.limit_changes import SetAside
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.protocol.steps import Left, StepRecord
from tests.support.random_agents import tokens_of

_NAMES: Final = ("cost_usd", "tokens", "tool_calls")
_EPSILON: Final = 1e-9


@dataclass
class World:
    """Where one session runs: its effects are open until somebody ends them."""

    now_is: Callable[[], datetime]
    open: dict[str, Effect] = field(default_factory=dict)
    ending: set[str] = field(default_factory=set)
    #: Sub-agents that are to be told that nobody answers them.
    told: set[str] = field(default_factory=set)
    top: dict[str, float] = field(default_factory=dict)
    #: What a compaction may cost that was open when caps were lowered.
    carried: dict[str, dict[str, float]] = field(default_factory=dict)

    def now(self) -> datetime:
        return self.now_is()

    def start(self, effect: Effect, state: SessionState) -> None:
        self.open[effect.key] = effect

    def end(self, key: str) -> None:
        self.ending.add(key)

    def tell(self, key: str) -> None:
        self.told.add(key)

    def keep(self, keys: frozenset[str]) -> None:
        self.open = {key: effect for key, effect in self.open.items() if key in keys}

    def took(self, before: SessionState, change: Change, after: SessionState) -> None:
        if isinstance(change, StepOpened | StepPassedOn) and after.turn is not None:
            self._commits(before, change.record)
        if isinstance(change, SetAside):
            self._sets_aside(after, change)
        if isinstance(change, Configured):
            self._lowered(after)
        self._never_over(after)

    def _commits(self, before: SessionState, record: StepRecord) -> None:
        """What begins fits below every cap that holds then."""
        for name, needs in (("cost_usd", record.reserved_usd), ("tokens", tokens_of(before, record))):
            for scope, spent_so_far, top in tops(before, name):
                assert needs is not None, f"an unknown price under a cap: {record}"
                # What costs nothing is never held back.
                assert not needs or spent_so_far + needs <= top + _EPSILON, (
                    f"{scope} {name}: {spent_so_far} + {needs} > {top}"
                )

    def _sets_aside(self, after: SessionState, change: SetAside) -> None:
        for name, amount in (("cost_usd", change.usd), ("tokens", change.tokens), ("tool_calls", change.tool_calls)):
            for scope, used, top in tops(after, name):
                assert not amount or used <= top + _EPSILON, f"{scope} {name} set aside"

    def _lowered(self, after: SessionState) -> None:
        """A cap that is lowered takes nothing back that is under way."""
        step = after.turn.step if after.turn is not None else None
        beside = after.context.open
        if beside is not None:
            self.carried[beside.record.step_id] = {name: _left_of(beside.record, name) for name in _NAMES}
        for name in _NAMES:
            under_way = 0.0 if step is None else _left_of(step, name)
            if any(isinstance(one, RunSession) and _uncapped(one, name) for one in self.open.values()):
                under_way = math.inf
            for scope, used, _ in tops(after, name):
                key = self._key(after, scope, name)
                self.top[key] = max(self.top.get(key, 0), used + under_way)

    def _key(self, state: SessionState, scope: str, name: str) -> str:
        return f"{scope}.{name}" if scope == "session" else f"{in_turn(state).turn_id}.{name}"

    def _never_over(self, state: SessionState) -> None:
        """What is spent is never above the highest that ever held: caps that were lowered take nothing back."""
        for name in _NAMES:
            for scope, used, top in tops(state, name, aside=False):
                key = self._key(state, scope, name)
                beside = state.context.open
                pays = beside is not None and (scope == "session" or state.turn_id == beside.record.turn_id)
                carried = self.carried.get(beside.record.step_id, {}) if beside is not None and pays else {}
                self.top[key] = max(self.top.get(key, 0), top, carried.get(name, 0))
                assert used <= self.top[key] + _EPSILON, f"{key}: {used} > {self.top[key]}"


def _left_of(record: StepRecord, name: str) -> float:
    """What a model call that is open may still take, whatever becomes of the caps."""
    held = record.left or Left()
    left = {"cost_usd": held.usd, "tokens": held.tokens, "tool_calls": 0}[name]
    return math.inf if left is None else left


def _uncapped(effect: RunSession, name: str) -> bool:
    given = effect.new.parent
    assert given is not None
    return {"cost_usd": given.cap_usd, "tokens": given.cap_tokens, "tool_calls": given.cap_tool_calls}[name] is None


def _own(state: SessionState, held: Mapping[str, float]) -> Mapping[str, float]:
    """Without what is set aside for a compaction that another turn has begun."""
    beside = state.context.open
    if beside is None or beside.record.turn_id == state.turn_id:
        return held
    return {key: amount for key, amount in held.items() if key != beside.record.step_id}


def tops(state: SessionState, name: str, *, aside: bool = True) -> list[tuple[str, float, float]]:
    """Of each scope with a cap: what is spent, and set aside, and how far it may go."""
    turn, whole, limits = state.turn, state.books, state.effective_limits
    held_by_all: dict[str, Mapping[str, float]] = {
        "cost_usd": whole.set_aside,
        "tokens": whole.tokens_aside,
        "tool_calls": whole.calls_aside,
    }
    tried = [one.spent for one in turn.step.tried] if turn is not None and turn.step is not None else []
    found = []
    scopes = (
        [("session", limits.session, whole)]
        if turn is None
        else [("turn", limits.turn, turn.books), ("session", limits.session, whole)]
    )
    for scope, caps, books in scopes:
        cap = getattr(caps, name)
        if cap is None:
            continue
        held = held_by_all if scope == "session" else {**held_by_all, name: _own(state, held_by_all[name])}
        used: float = {"cost_usd": books.known_usd, "tokens": books.tokens, "tool_calls": books.tool_calls}[name]
        if name == "cost_usd":
            used += sum(one.cost_usd or 0 for one in tried)
        elif name == "tokens":
            used += sum(one.usage.input_tokens + one.usage.output_tokens for one in tried)
        found.append(
            (
                scope,
                used + (sum(held[name].values()) if aside else 0),
                max(cap, turn.ceiling(scope, name) if turn else 0),
            )
        )
    return found
