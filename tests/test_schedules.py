"""Schedules of definitions, on the real Temporal: placed, due, changed, removed; and what is refused at load."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, ScheduleHandle, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import ActivityEnvironment
from typer.testing import CliRunner

from perdure.activities.sessions.delivery import Deliveries, message_id_of
from perdure.temporal.app.cli import app
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.server.client import connect
from perdure.temporal.server.deliveries import deliveries
from perdure.temporal.server.schedules import ours, placed
from perdure.temporal.sessions.limits.caps import Caps
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.schedules import Schedule, Times, cron_times
from perdure.workflows.protocol.activities import DeliverMessageInput, Delivery
from tests.support.dev import Dev
from tests.support.session_client import PATIENCE_S, Sessions, texts

pytestmark = pytest.mark.server

HEAD = "models: {m: {use: anthropic/claude-sonnet-5-5}}\nmodel: m\ninstructions: Be brief.\n"
WEEKLY = "Write the weekly report"
REPORT = """\
handlers:
  message: [respond: {}]
  report:
    inputs: {day: {type: string}, size: {type: string, default: short}}
    do: [say: "The {{ size }} report of {{ day }} for {{ team }}."]
"""
TEAM = "inputs: {team: {type: string}}\n"


def agent(name: str, *schedules: str, more: str = "") -> str:
    listed = f"schedules: [{', '.join(schedules)}]\n" if schedules else ""
    return f"name: {name}\n{HEAD}{listed}{more}"


def schedule(session: str, message: str = WEEKLY, cron: str = "0 9 1 1 *", more: str = "") -> str:
    """A schedule that is due once a year, unless it is triggered."""
    return f'{{cron: "{cron}", session: {session}, message: "{message}"{more}}}'


def handling(session: str, more: str = "") -> str:
    """The same with a handler."""
    inputs = "inputs: {day: monday, team: red}"
    return f'{{cron: "0 9 1 1 *", session: {session}, handler: report, {inputs}{more}}}'


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    named = schedule("daily-1", more=", timezone: Europe/Berlin, inputs: {team: red}, user: ann")
    return {
        "reporter.yaml": agent("reporter", schedule("weekly"), schedule("weekly", "Once more")),
        "teams.yaml": agent("teams", named, more=TEAM),
        "handling.yaml": agent("handling", handling("hourly"), more=TEAM + REPORT),
    }


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def temporal(dev: Dev) -> Client:
    return await connect(Settings.load(data_dir=dev.data_dir), address=f"127.0.0.1:{dev.temporal_port}")


@pytest.fixture
def sessions(http: httpx2.AsyncClient, provider: FakeProvider) -> Sessions:
    provider.reset()
    return Sessions(http)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


async def handle(temporal: Client, schedule_id: str) -> ScheduleHandle:
    """The handle of a schedule that exists or will exist."""

    async def is_placed() -> bool:
        return await placed(temporal, schedule_id) is not None

    await until(is_placed)
    return temporal.get_schedule_handle(schedule_id)


async def due(temporal: Client, weekly: ScheduleHandle) -> str:
    """Makes a schedule due now; returns the session that has its message."""
    before = (await weekly.describe()).info.recent_actions

    async def another_second() -> bool:
        # Temporal distinguishes the times of a schedule by the second.
        return not before or int(before[-1].scheduled_at.timestamp()) < int(time.time())

    async def was_due() -> bool:
        return len((await weekly.describe()).info.recent_actions) > len(before)

    await until(another_second)
    await weekly.trigger()
    await until(was_due)
    started = (await weekly.describe()).info.recent_actions[-1].action
    assert isinstance(started, ScheduleActionExecutionStartWorkflow)
    return str(await temporal.get_workflow_handle(started.workflow_id, result_type=str).result())


async def gone(temporal: Client, schedule_id: str) -> None:
    async def is_gone() -> bool:
        return await placed(temporal, schedule_id) is None

    await until(is_gone)


async def said(http: httpx2.AsyncClient, session: str, count: int) -> list[str]:
    """The user messages of a session, once it rests and has `count` of them."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await http.get(f"/v1/sessions/{session}")
            if answer.status_code == 200:
                found = answer.json()
                users = [text for role, text in texts(found["messages"]) if role == "user"]
                if len(users) >= count and found["status"] in ("idle", "closed"):
                    return users
            await asyncio.sleep(0.1)


async def test_a_schedule_speaks_to_its_session_each_time_it_is_due(
    temporal: Client, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    weekly = await handle(temporal, "default/perdure/reporter/weekly")

    assert await due(temporal, weekly) == "weekly"
    assert await said(http, "weekly", 1) == [WEEKLY]
    assert await due(temporal, weekly) == "weekly"
    assert await due(temporal, await handle(temporal, "default/perdure/reporter/weekly/2")) == "weekly"

    assert await said(http, "weekly", 3) == [WEEKLY, WEEKLY, "Once more"]
    found = (await sessions.snapshot("weekly"))["messages"]
    assert [message["role"] for message in found] == ["user", "assistant"] * 3


async def test_a_session_is_made_with_inputs_and_user_and_is_listed(
    temporal: Client, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await due(temporal, await handle(temporal, "default/perdure/teams/daily-1"))
    await said(http, "daily-1", 1)

    found = await sessions.snapshot("daily-1")
    assert (found["agent"], found["inputs"], found["user"]) == ("teams", {"team": "red"}, "ann")

    async def anns() -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = (await http.get("/v1/sessions?user=ann")).json()["sessions"]
        return answer

    async def is_listed() -> bool:
        return bool(await anns())

    await until(is_listed)
    assert [(one["session_id"], one["title"], one["agent"]) for one in await anns()] == [("daily-1", WEEKLY, "teams")]
    agent = (await http.get("/v1/agents/teams")).json()
    (shown,) = agent["schedules"]
    assert (shown["cron"], shown["timezone"], shown["session"]) == ("0 9 1 1 *", "Europe/Berlin", "daily-1")
    following = [datetime.fromisoformat(at) for at in shown["next"]]
    assert [(at.month, at.day, at.hour) for at in following] == [(1, 1, 8)] * 3


async def turns(sessions: Sessions, session: str, count: int) -> list[dict[str, Any]]:
    """How the turns of a session began, once this many have ended."""
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished", count)
        return [frame.data for frame in viewer.durable if frame.type == "turn.started"]


async def test_a_schedule_triggers_a_handler_each_time_it_is_due(
    temporal: Client, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    hourly = await handle(temporal, "default/perdure/handling/hourly")

    assert [await due(temporal, hourly) for _ in range(2)] == ["hourly", "hourly"]

    started = await turns(sessions, "hourly", 2)
    assert [(one["cause"], one["handler"]) for one in started] == [("trigger", "report")] * 2
    assert len({one["trigger_id"] for one in started}) == 2
    found = await sessions.snapshot("hourly")
    assert found["inputs"] == {"team": "red"}
    assert texts(found["messages"]) == [("assistant", "The short report of monday for red.")] * 2
    (shown,) = (await http.get("/v1/agents/handling")).json()["schedules"]
    assert (shown["handler"], "message" in shown, len(shown["next"])) == ("report", False, 3)


async def test_a_closed_session_is_followed_by_another(
    dev: Dev, temporal: Client, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    (dev.data_dir / "agents" / "closing.yaml").write_text(agent("closing", schedule("nightly")))
    nightly = await handle(temporal, "default/perdure/closing/nightly")
    assert await due(temporal, nightly) == "nightly"
    await said(http, "nightly", 1)
    assert (await http.delete("/v1/sessions/nightly")).status_code == 202

    assert await due(temporal, nightly) == "nightly-2"
    assert await due(temporal, nightly) == "nightly-2"

    assert await said(http, "nightly-2", 2) == [WEEKLY, WEEKLY]
    assert await said(http, "nightly", 1) == [WEEKLY]


async def test_what_somebody_else_has_started_under_a_schedules_id_gets_none_of_its_messages(
    dev: Dev, temporal: Client, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    (dev.data_dir / "agents" / "watched.yaml").write_text(agent("watched", schedule("report")))
    at = await handle(temporal, "default/perdure/watched/report")
    await sessions.create("watched", session_id="report", user="bob")
    assert await due(temporal, at) == "report-2"
    assert await due(temporal, at) == "report-2"
    assert await said(http, "report-2", 2) == [WEEKLY, WEEKLY]
    assert (await sessions.snapshot("report"))["messages"] == []


async def test_another_agents_session_is_left_alone_and_the_failure_is_seen(
    dev: Dev, temporal: Client, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await sessions.create(session_id="taken")
    (dev.data_dir / "agents" / "other.yaml").write_text(agent("other", schedule("taken")))

    with pytest.raises(WorkflowFailureError) as failed:
        await due(temporal, await handle(temporal, "default/perdure/other/taken"))

    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(failed.value.cause.cause, ApplicationError)
    assert failed.value.cause.cause.type == "session_taken"
    assert (await sessions.snapshot("taken"))["messages"] == []


async def test_a_pinned_session_whose_version_has_no_such_handler_is_left_alone_and_the_failure_is_seen(
    dev: Dev, temporal: Client, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    file = dev.data_dir / "agents" / "pinned.yaml"
    file.write_text(agent("pinned", more=TEAM))

    async def is_known() -> bool:
        return (await http.get("/v1/agents/pinned")).status_code == 200

    await until(is_known)
    await sessions.create("pinned", session_id="kept", inputs={"team": "red"})
    digest = (await http.get("/v1/agents/pinned")).json()["digest"]
    assert (await http.patch("/v1/sessions/kept", json={"digest": digest})).is_success
    file.write_text(agent("pinned", handling("kept"), more=TEAM + REPORT))

    with pytest.raises(WorkflowFailureError) as failed:
        await due(temporal, await handle(temporal, "default/perdure/pinned/kept"))

    assert isinstance(failed.value.cause, ActivityError)
    cause = failed.value.cause.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("no_handler", True)
    assert (
        cause.message
        == f"The session kept keeps to the version {digest[:12]} of pinned, which has no handler 'report'."
    )
    triggered = await http.post("/v1/sessions/kept/triggers/report", json={"inputs": {"day": "monday"}})
    assert (triggered.status_code, triggered.json()["code"]) == (422, "validation")
    assert (await sessions.snapshot("kept"))["seq"] == 1


@pytest.mark.slow
async def test_an_edit_changes_it_and_removal_takes_it_away(dev: Dev, temporal: Client) -> None:
    file = dev.data_dir / "agents" / "edited.yaml"
    file.write_text(agent("edited", schedule("s", "one"), schedule("t")))
    first = await handle(temporal, "default/perdure/edited/s")
    await handle(temporal, "default/perdure/edited/t")
    await first.pause(note="not now")

    file.write_text(agent("edited", schedule("s", "two", cron="30 8 * * 1-5")))
    await gone(temporal, "default/perdure/edited/t")
    found = await placed(temporal, "default/perdure/edited/s")
    assert found is not None
    assert found[0] is not None
    assert (found[0].schedule.message, found[0].schedule.cron) == ("two", "30 8 * * 1-5")
    assert found[1].schedule.spec.calendars[0].comment == "30 8 * * 1-5"
    assert found[1].schedule.state.paused
    file.unlink()
    await gone(temporal, "default/perdure/edited/s")


@pytest.mark.slow
async def test_killed_between_being_due_and_being_delivered(
    dev: Dev, temporal: Client, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    """A message due while no worker ran is delivered afterwards; schedules removed meanwhile are deleted."""
    file = dev.data_dir / "agents" / "leaving.yaml"
    file.write_text(agent("leaving", schedule("leaving")))
    (dev.data_dir / "agents" / "staying.yaml").write_text(agent("staying", schedule("staying")))
    (dev.data_dir / "agents" / "done.yaml").write_text(agent("done", handling("done"), more=TEAM + REPORT))
    await handle(temporal, "default/perdure/leaving/leaving")
    staying = await handle(temporal, "default/perdure/staying/staying")
    done = await handle(temporal, "default/perdure/done/done")
    # The main process only: Temporal keeps running.
    await dev.kill()
    await staying.trigger()
    await done.trigger()
    file.unlink()
    await dev.start()

    assert await said(http, "staying", 1) == [WEEKLY]

    async def is_there() -> bool:
        return (await http.get("/v1/sessions/done")).status_code == 200

    await until(is_there)
    assert [one["handler"] for one in await turns(Sessions(http), "done", 1)] == ["report"]
    await gone(await connected(dev), "default/perdure/leaving/leaving")


async def connected(dev: Dev) -> Client:
    return await connect(Settings.load(data_dir=dev.data_dir), address=f"127.0.0.1:{dev.temporal_port}")


async def listed(client: Client, *wanted: str) -> None:
    """Waits until visibility lists these among our schedules."""

    async def shown() -> bool:
        return set(wanted) <= {schedule_id async for schedule_id, _ in ours(client)}

    await until(shown)


@pytest.mark.slow
async def test_a_try_that_is_repeated_says_nothing_twice(
    dev: Dev, temporal: Client, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    definitions = Definitions([dev.data_dir / "agents"], blobs=LocalBlobs(dev.data_dir / "blobs"))
    known = definitions.current("reporter")
    assert known is not None
    written = deliveries(known.definition)[0]
    once = written.model_copy(update={"schedule": written.schedule.model_copy(update={"session": "once"})})
    activity = Deliveries(
        await connected(dev), definitions, LocalBlobs(dev.data_dir / "blobs"), Settings.load(data_dir=dev.data_dir)
    )
    at = datetime(2026, 3, 6, 9, tzinfo=UTC)

    async def deliver(at: datetime, delivery: Delivery = once) -> str:
        request = DeliverMessageInput(delivery=delivery, due=at)
        return await ActivityEnvironment().run(activity.deliver_message, request)

    assert await deliver(at) == await deliver(at) == "once"
    assert await deliver(at + timedelta(weeks=1)) == "once"
    assert await said(http, "once", 2) == [WEEKLY, WEEKLY]
    assert (await sessions.snapshot("once"))["messages"][0]["id"] == message_id_of(once.schedule_id, at)
    assert (await http.delete("/v1/sessions/once")).status_code == 202
    # The message was delivered before the session was closed.
    assert await deliver(at) == "once"
    with pytest.raises(ApplicationError, match="unknown") as failed:
        await deliver(at, once.model_copy(update={"agent": "unknown"}))
    assert (failed.value.type, failed.value.non_retryable) == ("agent_unavailable", False)


async def test_a_trigger_that_is_tried_again_has_one_turn(
    dev: Dev, temporal: Client, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    definitions = Definitions([dev.data_dir / "agents"], blobs=LocalBlobs(dev.data_dir / "blobs"))
    known = definitions.current("handling")
    assert known is not None
    (written,) = deliveries(known.definition)
    activity = Deliveries(
        await connected(dev), definitions, LocalBlobs(dev.data_dir / "blobs"), Settings.load(data_dir=dev.data_dir)
    )
    at = datetime(2026, 3, 6, 9, tzinfo=UTC)

    async def deliver(at: datetime, **changes: Any) -> str:
        delivery = written.model_copy(
            update={"schedule": written.schedule.model_copy(update={"session": "tried", **changes})}
        )
        request = DeliverMessageInput(delivery=delivery, due=at)
        return await ActivityEnvironment().run(activity.deliver_message, request)

    with pytest.raises(ApplicationError, match="has no handler 'gone'") as failed:
        await deliver(at, handler="gone")
    assert (failed.value.type, failed.value.non_retryable) == ("agent_unavailable", False)
    with pytest.raises(ApplicationError, match=r"inputs\.day: is required") as failed:
        await deliver(at, inputs={"team": "red"})
    assert (failed.value.type, failed.value.non_retryable) == ("inputs_invalid", True)
    assert (await http.get("/v1/sessions/tried")).status_code == 404
    assert await deliver(at) == await deliver(at) == "tried"
    # As it was written when it was due, however it reads by now.
    assert await deliver(at, inputs={"day": "friday", "team": "red"}) == "tried"
    assert await deliver(at + timedelta(days=1)) == "tried"

    started = await turns(sessions, "tried", 2)
    ids = [message_id_of(written.schedule_id, at + timedelta(days=day)) for day in (0, 1)]
    assert [one["trigger_id"] for one in started] == ids


async def test_doctor_tells_of_schedules(dev: Dev, temporal: Client, tmp_path: Path) -> None:
    """The schedules in place, and those of unknown agents."""
    await listed(temporal, "default/perdure/reporter/weekly", "default/perdure/teams/daily-1")
    (tmp_path / "reporter.yaml").write_text((dev.data_dir / "agents" / "reporter.yaml").read_text())
    (tmp_path / "new.yaml").write_text(agent("new", schedule("n")))
    given = ["doctor", "--agents", str(tmp_path), "--data-dir", str(dev.data_dir)]
    environment = {"TEMPORAL_ADDRESS": f"127.0.0.1:{dev.temporal_port}"}
    result = await asyncio.to_thread(CliRunner().invoke, app, given, env=environment)

    told = {line.split()[2]: line.split()[0] for line in result.stdout.splitlines() if line[8:].startswith("schedule:")}
    assert told.items() >= {
        ("default/perdure/reporter/weekly", "ok"),
        ("default/perdure/reporter/weekly/2", "ok"),
        ("default/perdure/new/n", "failed"),
        ("default/perdure/teams/daily-1", "warning"),
    }
    assert result.exit_code == 1


# Reading definitions.


@pytest.mark.parametrize(
    ("line", "field", "message"),
    [
        ('{cron: "0 25 * * *", session: s, message: m}', "cron", "the hour '25' is not a number from 0 to 23"),
        ('{cron: "* * * *", session: s, message: m}', "cron", "a cron expression has five fields"),
        ('{cron: "0 0 30 2 *", session: s, message: m}', "cron", "'0 0 30 2 *' is never due"),
        ('{cron: "0 0 * * FUNDAY", session: s, message: m}', "cron", "the day of week 'FUNDAY' is no"),
        ('{cron: "@daily", session: s, message: m}', "cron", "a cron expression has five fields"),
        (
            '{cron: "0 9 * * *", session: a/b, message: m}',
            "session",
            "must be 1 to 200 letters, digits or any of . _ ~ : -, not 'a/b'",
        ),
        ('{cron: "0 9 * * *", session: s, message: " "}', "message", "is empty"),
        (
            '{cron: "0 9 * * *", session: s, message: m, timezone: Mars/Base}',
            "timezone",
            "'Mars/Base' is not a time zone",
        ),
        ('{cron: "0 9 * * *", session: s, message: m, timezone: ../UTC}', "timezone", "'../UTC' is not a time zone"),
        ('{cron: "0 9 * * *", session: s, message: m, colour: red}', "colour", "there is no such field"),
        ('{cron: "0 9 * * *", session: s, message: m, inputs: {x: 1}}', "inputs.x", "x takes no such input"),
        ('{cron: "0 9 * * *", session: s}', "message", "is required; or name a handler"),
        (
            '{cron: "0 9 * * *", session: s, handler: report}',
            "handler",
            "'report' is not one of handlers; there are: none",
        ),
        ('{cron: "0 9 * * *", session: s, message: m, handler: h}', "handler", "a schedule has either a message or"),
    ],
)
def test_what_cannot_be_is_refused_with_file_line_and_field(
    tmp_path: Path, line: str, field: str, message: str
) -> None:
    file = tmp_path / "x.yaml"
    good = schedule("good")
    file.write_text(f"name: x\n{HEAD}schedules:\n  - {good}\n  - {line}\n")

    (problem,) = load_agent_file(file, {}, None).problems

    assert (problem.file, problem.line, problem.field) == (file, 7, f"schedules[1].{field}")
    assert problem.message.startswith(message), problem.message


def test_inputs_that_an_agent_requires_are_required_of_its_schedules(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(agent("x", schedule("s"), more="inputs: {team: {type: string}}\n"))
    assert [(problem.field, problem.message) for problem in load_agent_file(file, {}, None).problems] == [
        ("schedules[0].inputs.team", "is required")
    ]


@pytest.mark.parametrize(
    ("before", "after", "field", "message"),
    [
        ("handler: report", "handler: reprot", "handler", "'reprot' is not one of handlers; did you mean 'report'?"),
        (
            "handler: report",
            "handler: message",
            "handler",
            "'message' is the handler of messages; give `message: TEXT`",
        ),
        ("handler: report", "handler: report, busy: reject", "busy", "is for messages; a handler always waits"),
        ("day: monday, ", "", "inputs.day", "is required"),
        (", team: red", "", "inputs.team", "is required"),
        ("day: monday", "day: 1", "inputs.day", "1 is not of type 'string'"),
        (
            "day: monday",
            "day: monday, dya: 1",
            "inputs.dya",
            "neither the handler report nor x takes such an input; there are: day, size, team",
        ),
    ],
)
def test_a_handler_of_a_schedule_has_to_be_there_and_to_take_what_it_is_given(
    tmp_path: Path, before: str, after: str, field: str, message: str
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(agent("x", handling("s"), more=TEAM + REPORT))
    assert load_agent_file(file, {}, None).problems == ()
    file.write_text(agent("x", handling("s").replace(before, after), more=TEAM + REPORT))

    (problem,) = load_agent_file(file, {}, None).problems

    assert (problem.line, problem.field) == (5, f"schedules[0].{field}")
    assert problem.message.startswith(message), problem.message


def test_what_is_wrong_with_a_handlers_inputs_is_no_fault_of_its_schedules(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    broken = REPORT.replace("day: {type: string}", "day: {type: text}")
    file.write_text(agent("x", handling("s"), more=TEAM + broken))
    (problem,) = load_agent_file(file, {}, None).problems
    assert problem.field == "handlers.report.inputs.day.type"


def test_a_definition_whose_schedule_names_no_handler_cannot_be_made() -> None:
    given = {"name": "x", "models": {"m": {"use": "demo/m"}}, "model": "m", "instructions": "Be brief."}
    one = {"cron": "0 9 * * *", "session": "s", "handler": "report"}
    with pytest.raises(ValueError, match=r"schedules: 0\.handler: 'report' is not one of handlers"):
        AgentDefinition.model_validate({**given, "schedules": [one]})


def test_a_delivery_of_a_message_is_written_as_before() -> None:
    """A worker of an earlier version reads it, and claims of both stand for the same schedule."""
    one = Delivery(
        schedule_id="i", tenant="t", agent="a", schedule=Schedule(cron="0 9 * * *", session="s", message="m")
    )
    assert one.model_dump_json() == (
        '{"schedule_id":"i","tenant":"t","agent":"a","schedule":{"cron":"0 9 * * *","timezone":"UTC","session":"s",'
        '"message":"m","inputs":{},"user":null}}'
    )


EVERY = {"minutes": (0,), "hours": (9,), "days": tuple(range(1, 32)), "months": tuple(range(1, 13))}


@pytest.mark.parametrize(
    ("cron", "times"),
    [
        ("0 9 * * MON", [{"weekdays": (1,)}]),
        ("0 9 * * 5-7", [{"weekdays": (0, 5, 6)}]),
        ("*/20 9 * jan,6-8/2 *", [{"minutes": (0, 20, 40), "months": (1, 6, 8), "weekdays": tuple(range(7))}]),
        ("50/3 9 */10 * 1", [{"minutes": (50, 53, 56, 59), "days": (1, 11, 21, 31), "weekdays": (1,)}]),
        # The first of the month, and each Monday.
        ("0 9 1 * Mon", [{"days": (1,), "weekdays": tuple(range(7))}, {"weekdays": (1,)}]),
    ],
)
def test_an_expression_means_what_cron_means(cron: str, times: list[dict[str, tuple[int, ...]]]) -> None:
    assert cron_times(cron) == tuple(Times.model_validate(EVERY | one) for one in times)


def test_they_are_listed_with_their_agents(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(agent("x", schedule("s", more=", timezone: Europe/Berlin")))
    result = CliRunner().invoke(app, ["agents", "list", "--agents", str(tmp_path)])
    assert f"x tells s at 0 9 1 1 * Europe/Berlin: {WEEKLY}" in result.stdout
    (tmp_path / "x.yaml").write_text(agent("x", handling("s"), more=TEAM + REPORT))
    result = CliRunner().invoke(app, ["agents", "list", "--agents", str(tmp_path)])
    assert "x has s carry out report at 0 9 1 1 * UTC" in result.stdout


async def test_a_message_that_is_not_to_wait_is_left_out_while_its_session_works(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    definitions = Definitions([dev.data_dir / "agents"], blobs=LocalBlobs(dev.data_dir / "blobs"))
    known = definitions.current("reporter")
    assert known is not None
    written = deliveries(known.definition)[0]
    activity = Deliveries(
        await connected(dev), definitions, LocalBlobs(dev.data_dir / "blobs"), Settings.load(data_dir=dev.data_dir)
    )
    provider.script(Reply(text="one two three four", fault="stall"))
    await sessions.create("reporter", session_id="at-work", message="count")
    async with sessions.view("at-work") as viewer:
        await viewer.until_streaming("two")

    waiting: dict[str, int] = {}
    for week, busy in enumerate(("reject", "queue")):
        changed = written.schedule.model_copy(update={"session": "at-work", "busy": busy})
        delivery = written.model_copy(update={"schedule": changed})
        request = DeliverMessageInput(delivery=delivery, due=datetime(2026, 3, 6 + week, 9, tzinfo=UTC))
        assert await ActivityEnvironment().run(activity.deliver_message, request) == "at-work"
        waiting[busy] = len((await sessions.snapshot("at-work"))["queued"])

    assert waiting == {"reject": 0, "queue": 1}
    await http.delete("/v1/sessions/at-work")


async def test_a_message_waits_while_the_tenant_has_no_place_for_another_turn(
    dev: Dev, temporal: Client, http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    definitions = Definitions([dev.data_dir / "agents"], blobs=LocalBlobs(dev.data_dir / "blobs"))
    known = definitions.current("reporter")
    assert known is not None
    written = deliveries(known.definition)[0]
    delivery = written.model_copy(update={"schedule": written.schedule.model_copy(update={"session": "has-to-wait"})})
    request = DeliverMessageInput(delivery=delivery, due=datetime(2026, 3, 6, 9, tzinfo=UTC))
    settings = Settings.load(data_dir=dev.data_dir, turns_per_tenant=1)
    limits = Limits(Caps.of(settings))
    activity = Deliveries(await connected(dev), definitions, LocalBlobs(dev.data_dir / "blobs"), settings, limits)
    busy = await limits.turn("default/another", None)

    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(activity.deliver_message, request)

    assert (caught.value.type, caught.value.non_retryable) == ("too_many_turns", False)
    assert caught.value.next_retry_delay == timedelta(seconds=2)
    assert (await http.get("/v1/sessions/has-to-wait")).status_code == 404
    busy.leave()
    assert await ActivityEnvironment().run(activity.deliver_message, request) == "has-to-wait"
    assert await said(http, "has-to-wait", 1) == [WEEKLY]
