"""A recorded turn once more, with another definition or model: outside Temporal, by the session's own core and driver.

Rule 1: what comes next is decided as in the session itself, so its limits and its checks hold here too; only who carries
effects out is another.
Rule 2: no tool is ever called. A call gets the result that was recorded for it, and where there is none, an error that
says so to the model. Each recorded result is given once.
Rule 3: model calls are real; see `models.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal

from perdure.activities.models.answer_validation import misfit_of
from perdure.temporal.app.what_if.models import Models
from perdure.workflows.core.actions import Wait
from perdure.workflows.core.agent_changes import AgentLoaded
from perdure.workflows.core.calls.call import Ready, Running
from perdure.workflows.core.changes import Accepted, Change
from perdure.workflows.core.effects import AskModel, CheckAnswer, Effect, Rehearse
from perdure.workflows.core.fold import apply
from perdure.workflows.core.outcomes import AnswerWeighed, ModelEnded, ToolEnded
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.running.driver import Driver
from perdure.workflows.vocabulary.parts import Message, ToolCall, ToolError, ToolResult

NOT_RECORDED: Final = "not_recorded"

#: Where a call's result came from: the same call, a call of the same tool with other arguments, or nowhere.
Match = Literal["same", "other_args", "not_recorded"]


@dataclass
class Recording:
    """The calls of a turn with their results, whole ones, in their order."""

    calls: list[tuple[ToolCall, ToolResult]]
    #: How each call that was answered fared, by its id.
    matches: dict[str, Match] = field(default_factory=dict)

    def answer(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The results of one step's calls. One with other arguments takes none that another call of the step fits."""
        taken = {call.call_id: self._take(call, "same") for call in calls}
        for call in calls:
            taken[call.call_id] = taken[call.call_id] or self._take(call, "other_args")
        return [self._as_result(call, taken[call.call_id]) for call in calls]

    def _take(self, call: ToolCall, match: Match) -> ToolResult | None:
        for pair in self.calls:
            recorded, result = pair
            written = (recorded.as_written().args, recorded.args_raw) == (call.as_written().args, call.args_raw)
            same = written or (recorded.args, recorded.args_raw) == (call.args, call.args_raw)
            if recorded.name == call.name and (same or match == "other_args"):
                self.calls.remove(pair)
                self.matches[call.call_id] = match
                return result
        return None

    def _as_result(self, call: ToolCall, result: ToolResult | None) -> ToolResult:
        if result is not None:
            return result.model_copy(update={"call_id": call.call_id})
        self.matches[call.call_id] = "not_recorded"
        message = f"In the recorded turn, {call.name} has no (further) result. No tool is called here."
        error = ToolError(type=NOT_RECORDED, message=message).model_dump()
        return ToolResult(call_id=call.call_id, name=call.name, output=error, is_error=True)


async def rerun(
    before: SessionState, message: Message, agent: LoadedAgent, recording: Recording, models: Models, at: datetime
) -> SessionState:
    """The session after the turn that begins with `message` in the state `before`, run by `agent`, as if it began `at`.

    What a model call failed with is the turn's error, as in a session."""
    state = replace(before, slot=replace(before.slot, digest=agent.digest), rehearsal=True)
    state = apply(state, AgentLoaded(agent=agent))
    accepted = Accepted(message=message, content_sha256="", cursor=before.log.seq, digest=None)
    world = _World(at)
    driver = Driver(apply(state, accepted), world)
    results: dict[str, ToolResult] = {}
    while isinstance(driver.advance(), Wait):
        # All calls of the step at once, also those that wait for room.
        turn = in_turn(driver.state)
        calls = [call.as_run for call in turn.calls if isinstance(call.stage, Ready | Running)]
        results |= {one.call_id: one for one in recording.answer([one for one in calls if one.call_id not in results])}
        for effect in list(world.open.values()):
            if isinstance(effect, AskModel):
                prompt = build_prompt(driver.state, effect.record)
                outcome = await models.call(prompt, driver.state.transcript.seen(effect.record.view), effect.key)
                driver.settle(ModelEnded(effect.key, outcome))
            elif isinstance(effect, CheckAnswer):
                driver.settle(AnswerWeighed(misfit_of(effect.request.value, effect.request.form)))
            else:
                driver.settle(ToolEnded(effect.key, _output(results[effect.key])))
    return driver.state


def _output(result: ToolResult) -> ToolOutput:
    return ToolOutput(output=result.output, blob=result.blob, attempt=None, is_error=result.is_error)


class _World:
    """Where nothing runs but what `rerun` answers."""

    def __init__(self, at: datetime) -> None:
        self.open: dict[str, Effect] = {}
        self._ago = datetime.now(UTC) - at

    def now(self) -> datetime:
        return datetime.now(UTC) - self._ago

    def start(self, effect: Effect, state: SessionState) -> None:
        if not isinstance(effect, AskModel | Rehearse | CheckAnswer):
            # Its definition is loaded, and a rehearsal looks nothing up.
            raise AssertionError(f"a session with a message to run wants {effect}")
        self.open[effect.key] = effect

    def end(self, key: str) -> None:
        """Nobody stops the turn."""

    def tell(self, key: str) -> None:
        raise AssertionError("a rehearsal has no sub-agents")

    def keep(self, keys: frozenset[str]) -> None:
        self.open = {key: effect for key, effect in self.open.items() if key in keys}

    def took(self, before: SessionState, change: Change, after: SessionState) -> None:
        """Nobody watches."""
