"""Approvals in real sessions: a condition, a person and the tool see the same arguments."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.vocabulary.events import Event, StepFinished, ToolStarted
from perdure.workflows.vocabulary.parts import ToolCall
from perdure.workflows.vocabulary.question_events import ApprovalRequested
from tests.support.session_lab import Lab, Talk, lab_on
from tests.support.tool_lab import begin, end, error, results, turn, whole

pytestmark = pytest.mark.server

AGENTS = {
    "careful": """
models: {main: {use: demo/stage, price: {input: 1, output: 1}}}
tools:
  - wipe: {approval: {when: "{{ not args.dry_run }}"}}
  - remit:
      approval:
        when: >-
          {{ args.amount > 100 or args.urgent == true or args.note == 'ask' or (args.payee and args.payee.foreign)
          or args.speed == 'fast' }}
  - owe: {approval: {when: "{{ args.amount > 100 }}"}}
  - shout: {approval: {when: "{{ args.word == 'fire' }}"}}
  - double: {approval: {when: "{{ args.amount > 100 }}"}}
  - ship:
      task_queue: nobody
      queue_timeout: 1s
      description: Ships
      approval: {when: "{{ not args.dry_run }}"}
      input: {type: object, properties: {dry_run: {type: boolean, default: false}}}
""",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    till = Path(__file__).parent / "support" / "till.py"
    folder = tmp_path_factory.mktemp("lab")
    async with lab_on(temporal_server, folder, more_agents=AGENTS, more_tools=[till]) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def talk(lab: Lab) -> AsyncIterator[Talk]:
    lab.stage.plays.clear()
    lab.stage.requests.clear()
    talk = await lab.start("careful")
    yield talk
    await whole(talk)


def seen(events: list[Event], kind: type[ApprovalRequested] | type[ToolStarted]) -> dict[str, Any]:
    (event,) = [event for event in events if isinstance(event, kind)]
    return event.args


@pytest.mark.parametrize(
    ("call", "args", "given"),
    [
        *(
            (("wipe", {"dry_run": word}), {"dry_run": False}, "dry_run=False")
            for word in ("no", "false", "0", "off", "F", 0, False)
        ),
        *(
            (("remit", {"amount": 1, "urgent": word}), {"amount": 1.0, "urgent": True}, "amount=1.0 urgent=True")
            for word in ("true", "yes", "1", 1, True)
        ),
        *(
            (("remit", {"amount": amount}), {"amount": float(amount)}, f"amount={float(amount)!r} urgent=False")
            for amount in ("1e3", "150", " 150.5 ", "1_000", 150)
        ),
        (("remit", {"amount": "Infinity"}), {"amount": "Infinity"}, "amount=inf"),
        # NaN cannot be compared, so a person decides.
        (("remit", {"amount": "NaN"}), {"amount": "NaN"}, "amount=nan"),
        (("remit", {"amount": 1, "note": "ask"}), {"note": "ask"}, "note='ask'"),
        (
            ("remit", {"amount": 1, "payee": {"name": "Bo", "foreign": "on"}}),
            {"payee": {"name": "Bo", "foreign": True}},
            "foreign=True",
        ),
        (("remit", {"amount": 1, "speed": "fast"}), {"speed": "fast"}, "None fast"),
        (("owe", {"amount": "101"}), {"amount": "101"}, "Decimal('101')"),
        (("shout", {"word": "FIRE"}), {"word": "fire"}, "word='fire'"),
        # Validation changes its arguments every time, so a person is asked each time.
        (("double", {"amount": 1}), {"amount": 1}, "amount=2"),
    ],
)
async def test_a_condition_sees_what_the_tool_will(
    talk: Talk, call: tuple[str, Any], args: dict[str, Any], given: str
) -> None:
    events = await begin(talk, call, done="approval.requested")
    asked = seen(events, ApprovalRequested)
    assert asked == asked | args
    await talk.answer("t1.s1.c1.approval")
    events = await end(talk)
    assert seen(events, ToolStarted) == asked
    (result,) = results(events).values()
    assert given in str(result.output)
    # The model sees its own arguments.
    (said,) = [part for message in talk.stage.requests[-1] for part in message.parts if isinstance(part, ToolCall)]
    assert said.as_written().args == call[1]


@pytest.mark.parametrize(
    ("call", "given"),
    [
        (("wipe", {"dry_run": "yes"}), "dry_run=True"),
        (("remit", {"amount": "99"}), "amount=99.0 urgent=False note=None foreign=None slow"),
        (("remit", {"amount": 1, "urgent": "no", "note": None}), "amount=1.0 urgent=False note=None"),
        (("remit", {"amount": 1, "payee": {"name": "Bo"}}), "foreign=False"),
        (("shout", {"word": "Water"}), "word='water'"),
    ],
)
async def test_a_call_that_its_condition_lets_through_runs_unasked(
    talk: Talk, call: tuple[str, Any], given: str
) -> None:
    events = await turn(talk, call)
    assert not [event for event in events if isinstance(event, ApprovalRequested)]
    (result,) = results(events).values()
    assert given in str(result.output)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (("wipe", {"dry_run": "perhaps"}), "dry_run: should be a valid boolean"),
        (("wipe", {"dry_run": None}), "dry_run: should be a valid boolean"),
        (("wipe", {}), "dry_run: is required"),
        (("wipe", {"dry_run": True, "force": True}), "force: is not an argument of this tool; its arguments: dry_run"),
        # Digits of another script are none to pydantic.
        (("remit", {"amount": "\u0661\u0665\u0660"}), "amount: should be a valid number"),
        (("remit", {"amount": [150]}), "amount: should be a valid number"),
        (
            ("remit", {"amount": 1, "payee": {"name": "Bo", "foreign": "where"}}),
            "payee.foreign: should be a valid boolean",
        ),
        (("owe", {"amount": "NaN"}), "amount: should be a finite number"),
        (("owe", {"amount": -1}), "amount: should be greater than or equal to 0"),
        # Another server may accept it, but that is unknown here.
        (("ship", {"dry_run": "no"}), "dry_run: 'no' is not of type 'boolean'"),
    ],
)
async def test_what_does_not_fit_goes_back_to_the_model(talk: Talk, call: tuple[str, Any], field: str) -> None:
    events = await turn(talk, call)
    assert not [event for event in events if isinstance(event, ApprovalRequested)]
    (result,) = results(events).values()
    assert error(result).type == "invalid_arguments"
    assert field in error(result).message


async def test_a_remote_tool_s_condition_sees_the_defaults_of_its_schema(talk: Talk) -> None:
    events = await begin(talk, ("ship", {}), done="approval.requested")
    assert seen(events, ApprovalRequested) == {"dry_run": False}
    await talk.answer("t1.s1.c1.approval", approved=False)
    await end(talk)


async def test_viewers_see_the_arguments_that_count(talk: Talk) -> None:
    events = await turn(talk, ("wipe", {"dry_run": "yes"}))
    finished = next(event for event in events if isinstance(event, StepFinished))
    (call,) = [part for part in finished.message.parts if isinstance(part, ToolCall)]
    assert (call.args, call.written, call.checked) == ({"dry_run": True}, {"dry_run": "yes"}, "tool")
