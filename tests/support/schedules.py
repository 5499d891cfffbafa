"""Sessions that run by chance, without Temporal: models, tools, sub-agents, people, kills. What they spend is watched."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pydantic import JsonValue

from perdure.workflows.core.actions import Exit, Rest, Wait
from perdure.workflows.core.effects import (
    AskModel,
    Effect,
    FindDefinition,
    LoadDefinition,
    OpenAgent,
    RunActivity,
    RunSession,
    SealPart,
)
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import (
    AgentOpened,
    DefinitionFound,
    DefinitionLoaded,
    ModelEnded,
    Outcome,
    SealingEnded,
    SessionEnded,
    TimePassed,
    ToolEnded,
)
from perdure.workflows.core.state.session import dump_state, new_state, read_state
from perdure.workflows.core.sub_answer import answer_of
from perdure.workflows.protocol.activities import OpenedAgent, ToolOutput
from perdure.workflows.protocol.signals import (
    BEHAVIOR,
    Answer,
    Close,
    Configure,
    NewSession,
    SendMessage,
    Stop,
    Supersede,
)
from perdure.workflows.running.driver import Driver
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.parts import Text, ToolError
from tests.support.core import AT
from tests.support.random_agents import answered, any_agent, limits
from tests.support.spending_watch import World

_MOST_ACTIONS: Final = 400
_EPSILON: Final = 1e-9


@dataclass(eq=False)
class Running:
    """One session, and what is open for it."""

    driver: Driver
    world: World
    #: The call of the parent that it answers.
    answers: tuple["Running", str] | None = None


class Chance:
    """Runs a session and its sub-agents by chance."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = AT
        self.agents = {
            digest: any_agent(self.random, name, digest) for digest, name in (("d1", "plain"), ("d2", "helper"))
        }
        self.sessions: list[Running] = []
        self._ids = 0
        self.root = self._begin(
            NewSession(
                tenant="t", session_id="s", agent="plain", digest="d1", behavior=BEHAVIOR, message=self._message()
            )
        )

    def run(self, steps: int) -> None:
        """So many things happen; then all that is open ends, and the session is asked once more."""
        for _ in range(steps):
            self._something()
        self._settle()
        if self.root.driver.state.closing is None:
            before = self.root.driver.state.turns
            self._tell(self.root, self._message())
            self._settle()
            assert self.root.driver.state.turns > before, "the session takes no more messages"

    # What can happen.

    def _something(self) -> None:
        session = self.random.choice(self.sessions)
        self.now += timedelta(seconds=self.random.choice((0, 1, 7)))
        if self.random.random() < 0.2:
            self._signal(session)
        elif session.world.open:
            self._end_one(session)
        self._go_on(session)

    def _settle(self) -> None:
        """People decline, and what is open ends."""
        for _ in range(2000):
            busy = [one for one in self.sessions if one.world.open or one.driver.state.questions.open]
            if not busy:
                break
            session = self.random.choice(busy)
            for question in session.driver.state.questions.open:
                self._tell(session, self._answer(question.question_id, approved=False))
            if session.world.open:
                self._end_one(session, kindly=True)
            self.now += timedelta(seconds=1)
            self._go_on(session)
        else:
            raise AssertionError("it never comes to rest")
        action = next_action(self.root.driver.state)
        assert isinstance(action, Rest | Exit), f"it rests while {action}"

    def _signal(self, session: Running) -> None:
        state = session.driver.state
        roll = self.random.random()
        if state.questions.open and roll < 0.7:
            question = self.random.choice(state.questions.open)
            answer = self._answer(question.question_id, approved=self.random.random() < 0.7)
            if question.budget is not None and answer.approved and self.random.random() < 0.4:
                short = question.budget
                value = short.spent + short.needs * self.random.choice((0.5, 1, 3)) + 0.01
                result: JsonValue = {short.limit: int(value) if short.limit in ("tokens", "tool_calls") else value}
                answer = answer.model_copy(update={"result": result})
            self._tell(session, answer)
        elif roll < 0.85:
            if session is self.root:
                self._tell(session, self._message())
        elif roll < 0.93:
            self._tell(session, Configure(id=self._id(), limits=limits(self.random)))
        elif roll < 0.99:
            self._tell(session, Stop(id=self._id()))
        else:
            self._tell(session, Close(id=self._id()))

    def _end_one(self, session: Running, *, kindly: bool = False) -> None:
        key = self.random.choice(sorted(session.world.open))
        effect = session.world.open[key]
        if isinstance(effect, RunSession):
            if key in session.world.ending:
                child = next(one for one in self.sessions if one.answers == (session, key))
                self._tell(child, Close(id=self._id()))
            elif not kindly and self.random.random() < 0.05:
                # Its session is lost, and what it has spent with it.
                self._drop(session, key)
                self._settle_one(session, SessionEnded(key, ToolError(type=errors.AGENT_FAILED, message="lost")))
            return
        self._settle_one(session, self._outcome(session, effect))

    def _settle_one(self, session: Running, outcome: Outcome) -> None:
        session.driver.settle(outcome)

    def _outcome(self, session: Running, effect: Effect) -> Outcome:
        match effect:
            case LoadDefinition():
                return DefinitionLoaded(self.agents[effect.request.digest])
            case SealPart():
                return SealingEnded(None)
            case FindDefinition():
                return DefinitionFound(None)
            case OpenAgent():
                opened = OpenedAgent(inputs={}, parts=(Text(text="Help."),), content_sha256="x", demo=False)
                return AgentOpened(effect.key, opened)
            case RunActivity():
                failed = self.random.random() < 0.2
                error = ToolError(type=errors.TOOL_FAILED, message="no")
                return ToolEnded(effect.key, error if failed else ToolOutput(output=self.random.choice((1, 1, 2))))
            case AskModel():
                stopping = effect.key in session.world.ending
                return ModelEnded(effect.key, answered(self.random, session.driver.state, effect.record, stopping))
            case _:
                raise AssertionError(f"nobody carries out {effect}")

    # How sessions run.

    def _begin(self, new: NewSession, answers: tuple[Running, str] | None = None) -> Running:
        world = World(lambda: self.now)
        made = Running(Driver(new_state(new, self.now), world), world, answers)
        self.sessions.append(made)
        made.driver.open(new.message)
        self._go_on(made)
        return made

    def _go_on(self, session: Running) -> None:
        """All that can be done now. Between any two actions, its worker may be killed."""
        for _ in range(_MOST_ACTIONS):
            driver = session.driver
            if self.random.random() < 0.1:
                driver.state = read_state(dump_state(driver.state))
            action = next_action(driver.state)
            if isinstance(action, Exit):
                self._ended(session)
                return
            if isinstance(action, Wait | Rest):
                ends_at = action.ends_at if isinstance(action, Wait) else None
                if not any(at is not None and at <= self.now for at in (action.until, ends_at)):
                    break
                driver.settle(TimePassed())
                continue
            driver.carry_out(action)
        else:
            raise AssertionError("it goes round in circles")
        for key in [key for key in session.world.told if key in session.world.open]:
            session.world.told.discard(key)
            for child in [one for one in self.sessions if one.answers == (session, key)]:
                self._tell(child, Supersede(id=self._id()))
        begun = {one.answers for one in self.sessions}
        for key, effect in list(session.world.open.items()):
            if isinstance(effect, RunSession) and (session, key) not in begun:
                self._begin(effect.new, (session, key))

    def _ended(self, session: Running) -> None:
        if session.answers is None:
            return
        parent, key = session.answers
        answer = answer_of(session.driver.state)
        given = session.driver.state.new.parent
        assert given is not None
        assert given.cap_usd is None or (answer.cost_usd or 0) <= given.cap_usd + _EPSILON
        assert given.cap_tool_calls is None or answer.tool_calls <= given.cap_tool_calls
        self._drop(parent, key)
        if key in parent.world.open:
            parent.driver.settle(SessionEnded(key, answer))
            self._go_on(parent)

    def _drop(self, parent: Running, key: str) -> None:
        """A sub-agent's session, with those below it."""
        for child in [one for one in self.sessions if one.answers == (parent, key)]:
            self.sessions.remove(child)
            for below in list(child.world.open):
                self._drop(child, below)

    def _tell(self, session: Running, signal: Any) -> None:
        session.driver.receive(signal)
        self._go_on(session)

    def _message(self) -> SendMessage:
        made = self._id()
        busy: Busy = self.random.choice(("queue", "queue", "steer", "interrupt"))
        parts = (Text(text="Hi."),)
        return SendMessage(message_id=made, parts=parts, content_sha256=made, cursor=0, digest="d1", busy=busy)

    def _answer(self, question: str, *, approved: bool) -> Answer:
        return Answer(id=self._id(), question_id=question, approved=approved)

    def _id(self) -> str:
        self._ids += 1
        return f"i{self._ids}"
