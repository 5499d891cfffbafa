"""The baseline for turns, on plain Temporal: a workflow that runs one activity per signal.

Rule: it does what the SDK's own examples do, with the settings of Perdure's worker. If it calls a model, it uses the
same provider SDK and one client for all calls, as Perdure does.
"""

from datetime import timedelta
from typing import Final, Literal

from temporalio import activity, workflow

from perdure.workflows.vocabulary.parts import Frozen

TASK_QUEUE: Final = "bench"
#: The function by which a workflow reports a finished turn: the workflow's id and the number of turns so far.
REPORT: Final = "bench_report"
_LONG: Final = timedelta(minutes=5)

#: What an activity does: nothing, or a model call.
Asking = Literal["nothing", "model"]


class Turns(Frozen):
    done: int


@workflow.defn
class Asked:
    @workflow.init
    def __init__(self, asking: Asking) -> None:
        self._open = 0
        self._done = 0

    @workflow.run
    async def run(self, asking: Asking) -> None:
        method = Answers.model if asking == "model" else Answers.nothing
        while True:
            await workflow.wait_condition(lambda: self._open > 0)
            self._open -= 1
            await workflow.execute_activity_method(method, start_to_close_timeout=_LONG)
            self._done += 1
            if not workflow.unsafe.is_replaying():
                workflow.extern_functions()[REPORT](workflow.info().workflow_id, self._done)

    @workflow.signal
    def ask(self) -> None:
        self._open += 1

    @workflow.query
    def turns(self) -> Turns:
        return Turns(done=self._done)


class Answers:
    """The activities, with one shared client."""

    def __init__(self) -> None:
        # Imported here, because the command line imports this module and must not wait for an SDK.
        from anthropic import AsyncAnthropic

        self._client = AsyncAnthropic(max_retries=0)

    @activity.defn
    async def nothing(self) -> str:
        return "Yes."

    @activity.defn
    async def model(self) -> str:
        events = await self._client.messages.create(
            model="claude-haiku-5-5",
            max_tokens=4096,
            messages=[{"role": "user", "content": [{"type": "text", "text": "Go on?"}]}],
            stream=True,
        )
        answer = ""
        async for event in events:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                answer += event.delta.text
        return answer
