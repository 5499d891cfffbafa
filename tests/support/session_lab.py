"""Sessions on the real dev server, for features that the test kit's server lacks: visibility, versions, real histories.

None of our code is replaced. Definitions, tools, blobs, the live plane and the demo model are the product's own.
`Stage` is one more implementation of `Wire`, for moments that no model produces on request.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from perdure.activities.models.demo.wire import Demo
from perdure.activities.models.failures import ModelFailed, ModelFailure
from perdure.activities.models.providers import Providers
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.assembly import Parts, assemble, make_worker
from perdure.temporal.app.processes.sources import Sources
from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.live.streamed import until_streamed
from perdure.temporal.server.client import connect
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.content import content_sha256
from perdure.temporal.sessions.limits.caps import Caps
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.sessions.sealed import Sealed, all_events
from perdure.temporal.sessions.starting import Start, start_session
from perdure.temporal.sessions.transcripts import Transcripts
from perdure.temporal.settings import Settings
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.queries import EventsPage, PageRequest
from perdure.workflows.protocol.signals import Answer as Answered
from perdure.workflows.protocol.signals import Close, Configure, NewSession, Rewind, SendMessage, Stop
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Message, Part, StopReason, Text, ToolCall, Usage

#: Seconds after which a test stops waiting.
PATIENCE_S = 30

#: The folder of the agents and tools of all tests that run sessions: `agents`, `tools.py`.
_HERE: Final = Path(__file__).parent

#: Agents that call each other: their extra YAML lines, by name.
_TREE: Final = {
    "boss": "limits: {turn: {cost_usd: 1.0}}\nmodels: {main: {use: demo/stage, price: {input: 1, output: 1}}}\n"
    "tools: [add, agent: {name: helper}, agent: {name: one}, agent: {name: slow, timeout: 1s}, "
    "agent: {name: plain, description: Asks, approval: always}, agent: {name: expert, handoff: true}]",
    "helper": "inputs: {topic: {type: string, default: none}}\n"
    "models: {main: {use: demo/stage, price: {input: 1, output: 1}}}\n"
    "tools: [add, hang, book: {approval: always}, wake_me]\nhandlers: {helper: {do: [say: As you wish.]}}",
    "slow": "models: {main: {use: demo/stage, price: {input: 1, output: 1}}}",
    "expert": "inputs: {level: {type: string}}\ninstructions: 'You are {{ session.agent }}, {{ level }}.'\n"
    "models: {main: {use: demo/stage, price: {input: 1, output: 1}}}\ntools: [add, agent: {name: boss, handoff: true}]",
    "named": "models: {main: {use: demo/stage}}\ntitle: {model: main}",
    "foreman": "instructions: Be brief.\nmodels: {main: {use: demo/stage}}\ntitle: {model: main}\ntools: [add]\n"
    "variables: {visits: {type: integer, default: 0}}\nevents: {came: {inputs: {number: {type: integer}}}}\n"
    "handlers: {message: [set: {visits: '{{ visits + 1 }}'}, "
    "parallel: [call: {tool: add, with: {a: 1, b: 2}, into: one}, call: {tool: add, with: {a: 3, b: 4}, into: two}], "
    "try: {do: [call: {tool: add, with: {a: 1, b: 1}, into: three, compensate: {tool: add, with: {a: -2, b: 1}}}, "
    "call: {tool: add, with: {a: many, b: 1}}], catch: [do: [compensate: {}]]}, "
    "ask: {prompt: 'Is {{ one + two }} enough?', form: {type: object}, into: told}, "
    "wait: {event: came, for: 1h, into: news}, "
    "respond: {instructions: 'It is visit {{ visits }}, with {{ news.number }}.', limits: {steps: 2}}]}",
    "routed": "models: {main: {use: demo/stage, fallback: [other]}, other: {use: demo/quick}}\ntools: [add]",
    "counter": "models: {main: {use: demo/stage}}\ntools: [add]\n"
    "answer: {schema: {type: object, properties: {n: {type: integer}}, required: [n]}}",
    "chief": "limits: {turn: {cost_usd: 1.0}}\nmodels: {main: {use: demo/stage, price: {input: 1, output: 1}}}\n"
    "tools: [agent: {name: helper, share: 0.25}, agent: {name: counter}]\n"
    "handlers: {message: [run_agent: {agent: helper, message: 'Find {{ message }}.', inputs: {topic: plants}, into: found}, "
    "call: {tool: counter, with: {message: '{{ found.text }}'}, into: counted}, "
    "say: 'Found {{ found.text }} {{ counted.result.n + 1 }} in {{ found.session_id }}']}",
    "pair": "limits: {turn: {cost_usd: 1.0}}\nmodels: {main: {use: demo/stage, price: {input: 1, output: 1}}}\n"
    "tools: [agent: {name: helper, share: 0.25}]\n"
    "handlers: {message: [parallel: [run_agent: {agent: helper, message: '{{ message }}', into: left}, "
    "run_agent: {agent: helper, message: '{{ message }}', inputs: {topic: plants}, into: right}], "
    "say: '{{ left.text }} {{ right.text }}']}",
    "one": "models: {main: {use: demo/stage}}\ntools: [agent: {name: two}]",
    "two": "models: {main: {use: demo/stage}}\ntools: [agent: {name: three}]",
    "three": "models: {main: {use: demo/stage}}\ntools: [agent: {name: two, handoff: true}]",
}

ONE_STEP = ["turn.started", "message.added", "step.started", "step.finished", "turn.finished"]


@dataclass(frozen=True)
class Play:
    """One answer of `Stage`: what it streams, where it waits, how it ends."""

    text: str = ""
    calls: Sequence[tuple[str, dict[str, JsonValue]]] = ()
    #: After streaming `text`, the answer waits for this event.
    gate: asyncio.Event | None = None
    stop: StopReason | None = None
    error: ModelFailure | None = None


class Stage:
    """Plays `plays` in order, then answers `ok`. An attempt that follows one which was lost plays the same again: what a
    busy machine loses must not shift the plays."""

    api = "stage"

    def __init__(self) -> None:
        self.plays: list[Play] = []
        #: The messages of each request, oldest first.
        self.requests: list[tuple[Message, ...]] = []
        #: What each call of a model has begun to play, by the workflow's id and the activity's.
        self._begun: dict[tuple[str, str], Play] = {}

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        return {"messages": [message.model_dump(mode="json") for message in messages]}

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        given = request["messages"]
        assert isinstance(given, list)
        self.requests.append(tuple(Message.model_validate(message) for message in given))
        play = self._next()
        yield Started(Usage(input_tokens=10))
        if play.text:
            yield Delta(0, "text", play.text)
        if play.gate is not None:
            await play.gate.wait()
        if play.error is not None:
            raise ModelFailed(play.error)
        calls = [
            ToolCall(call_id=f"{step_id}.c{number}", name=name, args=args)
            for number, (name, args) in enumerate(play.calls, 1)
        ]
        parts: list[Part] = [Text(text=play.text)] if play.text else []
        stop = play.stop or ("tool_calls" if calls else "end")
        yield Answer((*parts, *calls), "stage", Usage(input_tokens=10, output_tokens=2), stop)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _next(self) -> Play:
        call = activity.info()
        key = (call.workflow_id or "", call.activity_id)
        again = self._begun.pop(key, None)
        if call.attempt > 1 and again is not None and again.error is None:
            play = again
        else:
            play = self.plays.pop(0) if self.plays else Play("ok")
        self._begun[key] = play
        return play


class Wires(Providers):
    """The demo model without delays, and a stage under the name `demo/stage`."""

    def __init__(self, stage: Stage) -> None:
        super().__init__({}, {"demo": Demo(pace=0)})
        self._stage = stage

    def wire(self, model: ModelDefinition) -> Wire:
        return self._stage if model.use == "demo/stage" else super().wire(model)


@dataclass
class Lab:
    client: Client
    live: MemoryLive
    parts: Parts
    stage: Stage
    limits: Limits

    @cached_property
    def sealed(self) -> Sealed:
        """The sealed past of its sessions."""
        return Sealed(self.parts.blobs)

    async def start(
        self,
        agent: str = "plain",
        *,
        digest: str | None = None,
        first: str | None = None,
        signal: SendMessage | None = None,
        title: str = "a test",
        **new: Any,
    ) -> "Talk":
        """Starts a session. `first`: the text of a message in its input; `signal`: a message sent with the start."""
        known = self.parts.definitions.current(agent)
        assert known is not None, agent
        session_id = uuid.uuid4().hex
        session = NewSession(
            tenant="lab",
            session_id=session_id,
            agent=agent,
            digest=digest or known.digest,
            message=message(first, "first") if first else None,
            **new,
        )
        start = Start(SessionInput(new=session), session.digest, title=title, signal=signal)
        assert await start_session(self.client, start, self.parts.settings.workflow_task_timeout)
        # Without a run id, because a session outlives its runs.
        return Talk(self, self.client.get_workflow_handle_for(SessionWorkflow.run, start.workflow_id))


def message(text: str, message_id: str, *, digest: str | None = None, cursor: int = 0) -> SendMessage:
    parts = (Text(text=text),)
    return SendMessage(
        message_id=message_id, parts=parts, content_sha256=content_sha256(parts), cursor=cursor, digest=digest
    )


@dataclass
class Talk:
    """One session, as its viewers and callers see it."""

    lab: Lab
    handle: WorkflowHandle[SessionWorkflow, str]
    _sent: int = field(default=0)

    @property
    def stage(self) -> Stage:
        return self.lab.stage

    def child(self, call_id: str) -> "Talk":
        """The session in which a sub-agent answers this call."""
        workflow_id = f"{self.handle.id}~{call_id}"
        return Talk(self.lab, self.lab.client.get_workflow_handle_for(SessionWorkflow.run, workflow_id))

    async def send(
        self,
        text: str,
        message_id: str = "",
        *,
        digest: str | None = None,
        model: str | None = None,
        busy: Busy | None = None,
    ) -> str:
        self._sent += 1
        message_id = message_id or f"m{self._sent}"
        command = message(text, message_id, digest=digest).model_copy(update={"model": model, "busy": busy})
        await self.handle.signal(SessionWorkflow.send_message, command)
        return message_id

    async def stop(self, turn_id: str | None = None) -> None:
        """Stops the turn as the gateway does."""
        await self.handle.signal(SessionWorkflow.stop, Stop(id=uuid.uuid4().hex, turn_id=turn_id))
        self.lab.live.stop(self.handle.id)

    async def answer(self, question_id: str, *, answer_id: str = "", **fields: Any) -> None:
        """Answers a question as the gateway does."""
        answer = Answered(id=answer_id or uuid.uuid4().hex, question_id=question_id, **fields)
        await self.handle.signal(SessionWorkflow.answer, answer)

    async def rewind(self, **command: Any) -> None:
        """Lets the conversation go on from a message or a branch, as the gateway does."""
        rewind = Rewind.model_validate({"id": uuid.uuid4().hex, "content_sha256": "", "cursor": 0, **command})
        await self.handle.signal(SessionWorkflow.rewind, rewind)
        self.lab.live.stop(self.handle.id)

    async def close(self) -> None:
        await self.handle.signal(SessionWorkflow.close, Close(id=uuid.uuid4().hex, reason="bye"))
        self.lab.live.stop(self.handle.id)

    async def configure(self, **changes: Any) -> None:
        await self.handle.signal(SessionWorkflow.configure, Configure(id=uuid.uuid4().hex, **changes))

    async def ask(self, query: Any, argument: Any) -> Any:
        """The answer to a query. The test server occasionally loses a query that comes together with a signal, and the
        SDK one that coincides with the end of a run; like a gateway's watch, this retries."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await self.handle.query(query, argument, rpc_timeout=timedelta(seconds=1))
                except RPCError as error:
                    if error.status not in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
                        raise

    async def page(self, after: int = 0) -> EventsPage:
        page: EventsPage = await self.ask(SessionWorkflow.events, after)
        return page

    async def events(self, after: int = 0) -> list[Event]:
        found: list[Event] = []
        more = True
        while more:
            page = await self.page(after)
            async for events in all_events(self.lab.sealed, self.handle.id, page, after):
                found += events
            more = page.more
            after = found[-1].seq if found else after
        return found

    async def until(self, done: Callable[[list[Event]], bool], after: int = 0) -> list[Event]:
        """The events after a cursor, once `done` returns true for them."""
        async with asyncio.timeout(PATIENCE_S), self.lab.live.subscribe(self.handle.id) as frames:
            while True:
                found = await self.events(after)
                if done(found):
                    return found
                await frames.get()

    async def streamed(self, text: str) -> None:
        """Returns once the running step has streamed `text`."""
        async with asyncio.timeout(PATIENCE_S), self.lab.live.subscribe(self.handle.id) as frames:
            await until_streamed(frames, lambda progress: any(part.text == text for part in progress.parts))

    async def turn(self, text: str, **options: Any) -> list[Event]:
        """Sends a message; returns the events up to the end of its turn."""
        after = (await self.page(2**31)).seq
        await self.send(text, **options)
        return await self.until(lambda events: any(event.type == "turn.finished" for event in events), after)

    async def transcript(self) -> tuple[Message, ...]:
        backend = Backend(self.lab.client, self.lab.parts.settings)
        first = await self.ask(SessionWorkflow.snapshot, PageRequest())
        return await Transcripts(backend, self.lab.sealed).messages(self.handle.id, first, 0, first.count)

    async def said(self) -> list[tuple[str, str]]:
        """Role and text of each message; calls and results by name."""
        lines: list[tuple[str, str]] = []
        for one in await self.transcript():
            for part in one.parts:
                match part.type:
                    case "text":
                        lines.append((one.role, part.text))
                    case "tool_call":
                        lines.append(("call", part.name))
                    case "tool_result":
                        lines.append(("result", str(part.output)))
                    case _:
                        pass
        return lines


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.type for event in events]


def ends(events: list[Event], count: int = 1) -> bool:
    return kinds(events).count("turn.finished") >= count


def check(events: list[Event]) -> None:
    """The invariants of every session's events."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    for one, other, key in (
        ("turn.started", "turn.finished", "turn_id"),
        ("step.started", "step.finished", "step_id"),
        ("tool.started", "tool.finished", "call_id"),
    ):
        started = Counter(getattr(event, key) for event in events if event.type == one)
        assert started == Counter(getattr(event, key) for event in events if event.type == other)
        assert set(started.values()) <= {1}


def _parts(folder: Path, settings: Settings, more_agents: Mapping[str, str], more_tools: Sequence[Path]) -> Parts:
    agents = folder / "agents"
    agents.mkdir(parents=True, exist_ok=True)
    for name, lines in {**_TREE, **more_agents}.items():
        fields = [f"name: {name}", "model: main", lines]
        if "models:" not in lines:
            fields.append("models: {main: {use: demo/instant}, other: {use: demo/quick}}")
        if "instructions:" not in lines:
            fields.append("instructions: Be brief.")
        (agents / f"{name}.yaml").write_text("\n".join(fields))
    sources = Sources(agents=(_HERE / "agents", agents), tools=(str(_HERE / "tools.py"), *map(str, more_tools)))
    parts = assemble(settings, sources, demo_without_keys=True)
    assert not parts.definitions.problems, parts.definitions.problems
    return parts


@asynccontextmanager
async def open_lab(
    client: Client,
    folder: Path,
    settings: Settings,
    stage: Stage | None = None,
    *,
    more_agents: Mapping[str, str] = {},
    more_tools: Sequence[Path] = (),
) -> AsyncIterator[Lab]:
    """A worker with all parts on `client`'s server. `folder` is created if missing, and belongs to the caller.
    `more_agents`: extra YAML lines by name."""
    parts = _parts(folder, settings, more_agents, more_tools)
    await parts.definitions.publish()
    stage = stage or Stage()
    parts = replace(parts, providers=Wires(stage))
    live = MemoryLive(asyncio.get_running_loop())
    try:
        limits = Limits(Caps.of(settings))
        async with make_worker(client, live, parts, limits):
            yield Lab(client, live, parts, stage, limits)
    finally:
        if parts.tool_places is not None:
            await parts.tool_places.aclose()
        await parts.mcp.aclose()


@asynccontextmanager
async def lab_on(
    server: DevServer,
    folder: Path,
    *,
    more_agents: Mapping[str, str] = {},
    more_tools: Sequence[Path] = (),
    **settings: Any,
) -> AsyncIterator[Lab]:
    """Such a lab on this server, with its own settings."""
    chosen = Settings.load(data_dir=folder, graceful_shutdown_s=0, **settings)
    client = await connect(chosen, address=server.address)
    async with open_lab(client, folder, chosen, more_agents=more_agents, more_tools=more_tools) as lab:
        yield lab
