"""Two sessions to which the same happens; one seals its past, the other holds all of it. Without Temporal."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from perdure.workflows.core.actions import Exit, Rest, Wait
from perdure.workflows.core.changes import Change
from perdure.workflows.core.effects import SEAL, AskModel, Effect, LoadDefinition, RunActivity
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import (
    DefinitionLoaded,
    ModelEnded,
    Outcome,
    SealingEnded,
    ToolEnded,
)
from perdure.workflows.core.runs import SessionInput, handed_over, lifted, taken_over
from perdure.workflows.core.sealing import part_of
from perdure.workflows.core.state.session import SessionState, new_state
from perdure.workflows.core.step import StepFailure
from perdure.workflows.definition.agent import Limits, TurnLimits
from perdure.workflows.protocol.activities import Partial, StepOutput, ToolOutput
from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.protocol.segment_blobs import decode_index, decode_segment, sealed_as
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.segments import Segment
from perdure.workflows.protocol.signals import BEHAVIOR, NewSession, SendMessage, Stop
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.running.driver import Driver
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Message, Text, Timing, ToolCall, Usage
from tests.support.core import AT, agent, failed

#: Of what the sealing session does with its blobs.
FAILING: Final = 0.2


class _World:
    def __init__(self, twins: "Twins") -> None:
        self._twins = twins
        self.open: dict[str, Effect] = {}

    def now(self) -> datetime:
        return self._twins.time

    def start(self, effect: Effect, state: SessionState) -> None:
        self.open[effect.key] = effect

    def end(self, key: str) -> None:
        assert key in self.open

    def tell(self, key: str) -> None:
        assert key in self.open

    def keep(self, keys: frozenset[str]) -> None:
        self.open = {key: effect for key, effect in self.open.items() if key in keys}

    def took(self, before: SessionState, change: Change, after: SessionState) -> None:
        pass


class Twins:
    """`seed` decides all that happens; `longest` is the most characters of a text."""

    def __init__(self, seed: int, *, longest: int = 3_000) -> None:
        self.rng = random.Random(seed)
        self.time = AT
        self.blobs: dict[str, bytes] = {}
        #: How often a part was sealed, and how often not.
        self.sealed, self.failures = 0, 0
        self._longest = longest
        self._sent = 0
        new = NewSession(tenant="acme", session_id="s1", agent="plain", digest="d1", dated=True, behavior=BEHAVIOR)
        worlds = _World(self), _World(self)
        state = new_state(new, AT)
        self.sealing, self.whole = Driver(state, worlds[0]), Driver(_unsealed(state), worlds[1])
        self.open = worlds[0]
        self.open_whole = worlds[1]
        for driver in self.both:
            driver.open(None)

    @property
    def both(self) -> tuple[Driver, Driver]:
        return self.sealing, self.whole

    # What happens.

    def happen(self) -> None:
        """One thing that can happen to a session."""
        self.time += timedelta(minutes=self.rng.choice([0, 1, 1, 700]))
        what = self.rng.random()
        if what < 0.12:
            self.say()
        elif what < 0.14:
            command = Stop(id=f"stop{self.rng.random()}")
            for driver in self.both:
                driver.receive(command)
            self.go_on()
        elif SEAL in self.open.open and self.rng.random() < 0.3:
            self.end_sealing()
        else:
            self.settle()

    def say(self) -> None:
        self._sent += 1
        text = Text(text=self._text())
        command = SendMessage(
            message_id=f"m{self._sent}",
            parts=(text,),
            content_sha256=str(self._sent),
            cursor=self.sealing.state.log.seq,
        )
        for driver in self.both:
            driver.receive(command)
        self.go_on()

    def settle(self) -> None:
        """One of the effects ends that both have open."""
        keys = sorted(key for key in self.open.open if key != SEAL)
        if not keys:
            return
        outcome = self._outcome(self.open.open[self.rng.choice(keys)])
        for driver in self.both:
            driver.settle(outcome)
        self.go_on()

    def settle_alone(self) -> None:
        """One effect ends that the sealing session has open, and nothing is asked of its twin."""
        key = next(key for key in self.open.open if key != SEAL)
        self.sealing.settle(self._outcome(self.open.open[key]))
        self.sealing.advance()

    def end_sealing(self) -> None:
        """What is being sealed is, or cannot be."""
        if self.rng.random() < FAILING:
            self.failures += 1
            self.sealing.settle(SealingEnded(None))
        else:
            self.end_sealing_well()
        self.go_on()

    def end_sealing_well(self) -> None:
        self.sealed += 1
        state = self.sealing.state
        sealed, blobs = sealed_as(part_of(state), state.log.segments)
        self.blobs |= blobs
        self.sealing.settle(SealingEnded(sealed))
        self.sealing.advance()

    def go_on(self) -> None:
        for driver in self.both:
            action = driver.advance()
            assert isinstance(action, Wait | Rest | Exit)
        assert next_action(self.sealing.state) == next_action(self.whole.state)

    def rest(self) -> None:
        """Ends all that is open, seals included."""
        while self.open.open:
            if SEAL in self.open.open:
                self.end_sealing()
            else:
                self.settle()

    def next_run(self) -> None:
        """The sealing session continues as new, if nothing is open."""
        if self.open.open:
            return
        start = handed_over(self.sealing.state)
        again = taken_over(SessionInput.model_validate_json(start.model_dump_json()))
        assert again is not None
        assert again == self.sealing.state
        self.sealing.state = lifted(again, BEHAVIOR)

    # What the sealing session has sealed.

    def leaves(self) -> list[Segment]:
        return [decode_segment(self.blobs[ref.sha256])[0] for ref in self.refs()]

    def refs(self) -> list[SegmentRef]:
        """Of all segments, after a look that each index tells of what is below it."""
        found: list[SegmentRef] = []
        waiting = list(self.sealing.state.log.segments)
        while waiting:
            ref = waiting.pop(0)
            if ref.level == 0:
                found.append(ref)
                continue
            below = decode_index(self.blobs[ref.sha256])[0]
            assert (below[0].first, below[-1].last, below[0].start, below[-1].stop) == (
                ref.first,
                ref.last,
                ref.start,
                ref.stop,
            )
            waiting = [*below, *waiting]
        return found

    def events(self) -> tuple[Event, ...]:
        return (*(event for leaf in self.leaves() for event in leaf.events), *self.sealing.state.log.events)

    def messages(self) -> tuple[Message, ...]:
        sealed = tuple(message for leaf in self.leaves() for message in leaf.said())
        return (*sealed, *self.sealing.state.transcript.messages)

    def steps(self) -> tuple[StepRecord, ...]:
        return (*(step for leaf in self.leaves() for step in leaf.steps), *self.sealing.state.log.steps)

    def numbered(self, stretches: tuple[Stretch, ...]) -> tuple[Message, ...]:
        messages = self.messages()
        return tuple(message for one in stretches for message in messages[one.start : one.stop])

    def _outcome(self, effect: Effect) -> Outcome:
        match effect:
            case LoadDefinition(request=request):
                limits = Limits(turn=TurnLimits(steps=60))
                return DefinitionLoaded(agent(request.digest, limits=limits))
            case AskModel(record=record):
                return ModelEnded(record.step_id, self._answer(record))
            case RunActivity(call=call):
                return ToolEnded(call.call_id, ToolOutput(output=self._text()))
            case _:
                raise AssertionError(f"nobody wants {effect}")

    def _answer(self, record: StepRecord) -> StepOutput | StepFailure:
        if self.rng.random() < 0.03:
            return StepFailure(failed("model_overloaded"), Partial(attempt=1, lost=0, streaming=False))
        calls = tuple(
            ToolCall(call_id=f"{record.step_id}.c{number}", name="add", args={"n": number, "of": record.step_id})
            for number in range(1, 1 + (self.rng.randint(1, 3) if self.rng.random() < 0.6 else 0))
        )
        return StepOutput(
            parts=(Text(text=self._text()), *calls),
            model="demo",
            usage=Usage(input_tokens=1, output_tokens=1),
            cost_usd=0.001,
            timing=Timing(total_ms=1),
            stop="tool_calls" if calls else "end",
            attempt=1,
            request_sha256="x",
        )

    def _text(self) -> str:
        return self.rng.choice("abcdefgh") * self.rng.randint(1, self._longest)


def _unsealed(state: SessionState) -> SessionState:
    return replace(state, sealing=replace(state.sealing, due_above=1 << 60))
