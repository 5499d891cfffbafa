"""What is found in events, and in blocks that wait for them, when a definition is read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.workflows.definition.agent import AgentDefinition
from tests.support.core import agent

GOOD = """\
name: till
models: {main: {use: demo/main}}
model: main
instructions: Help.
events:
  paid: {inputs: {order_id: {type: string}, amount: {type: number, default: 0}}}
  sent: {}
handlers:
  charge:
    inputs: {order_id: {type: string}, days: {type: integer}}
    do:
      - wait: {event: paid, when: "{{ event.order_id == order_id }}", for: "{{ days }}d", into: payment}
      - say: "{{ payment.amount }}"
      - wait: {event: sent}
  remind: [{wait: {for: 1d}}, {say: "It is late."}]
schedules:
  - {cron: "0 9 * * *", session: daily, handler: remind}
"""


def said(problems: Iterable[Any]) -> list[str]:
    """Each without the name of the file."""
    return [str(problem).partition(".yaml:")[2] for problem in problems]


def read(tmp_path: Path, text: str) -> Any:
    file = tmp_path / "till.yaml"
    file.write_text(text)
    return load_agent_file(file, {}, None)


def test_a_good_definition_has_no_fault(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    assert (found.problems, found.warnings, found.advice) == ((), (), ())
    assert AgentDefinition.model_validate(found.definition.model_dump(mode="json")) == found.definition


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("{event: paid,", "{event: payd,", "12:16: handlers.charge.do[0].wait.event: 'payd' is not one of events"),
        ("{event: paid,", "{event: payd,", "did you mean 'paid'?"),
        ("{event: sent}", "{event: moved}", "'moved' is not one of events; there are: paid, sent"),
        ("event.order_id ==", "evnt.order_id ==", "wait.when: 'evnt' is no input, and no variable that is set"),
        ("event.order_id == order_id", "turn.number > 1", "wait.when: 'turn' is no input, and no variable"),
        ("{{ event.order_id == order_id }}", "always", "wait.when: is exactly one {{ }} that gives true or false"),
        ("payment.amount", "event.amount", "do[1].say: 'event' is no input, and no variable"),
        ("{event: sent}", "{event: sent, until: '2026-03-06T09:00:00'}", "until: is for a wait without `event`"),
        ("{event: sent}", "{for: 1d, into: x}", "into: is about an event; name one with `event`, or leave `into` out"),
        ("{event: sent}", "{for: 1d, when: '{{ true }}'}", "when: is about an event; name one with `event`"),
        ("{event: sent}", "{event: sent, for: soon}", "for: a duration is a number and a unit"),
        ("{event: sent}", "{}", "for, until: give exactly one of the two, or an `event`"),
        ("sent: {}", "sent: {}\n  remind: {}", "events.remind: a handler is called remind, too, and both are sent by"),
        ("sent: {}", "sent: {}\n  message: {}", "events.message: is what the handler of messages is called"),
        ("amount: {type: number", "amount: {type: money", "events.paid.inputs.amount.type: not a JSON Schema"),
        ("default: 0", "default: none", "events.paid.inputs.amount.default: does not fit its own schema"),
        ("sent: {}", "sent: {input: {}}", "events.sent.input: there is no such field; did you mean 'inputs'?"),
        ("handler: remind", "handler: paid", "schedules[0].handler: 'paid' is one of events, and not of handlers"),
    ],
)
def test_a_fault_is_named_at_its_place(tmp_path: Path, before: str, after: str, fault: str) -> None:
    assert before in GOOD
    text = GOOD.replace(before, after)
    assert yaml.safe_load(text)["handlers"]
    found = said(read(tmp_path, text).problems)
    assert any(fault in one for one in found), found


def test_what_a_condition_reads_of_an_event_that_says_no_such_thing_is_odd(tmp_path: Path) -> None:
    (warning,) = said(read(tmp_path, GOOD.replace("event.order_id ==", "event.order ==")).warnings)
    assert "handlers.charge.do[0].wait.when: there is no event.order; did you mean event.order_id?" in warning


def test_an_event_that_no_handler_waits_for_is_unwise(tmp_path: Path) -> None:
    (advice,) = said(read(tmp_path, GOOD.replace("      - wait: {event: sent}\n", "")).advice)
    assert advice.startswith("7:3: ")
    assert "events.sent: no handler waits for it, so a session keeps what it is sent until it closes" in advice


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        (
            {"handlers": {"a": [{"wait": {"event": "paid"}}]}},
            r"handlers: a\[0\].wait.event: 'paid' is not one of events",
        ),
        (
            {"events": {"paid": {}}, "handlers": {"paid": [{"say": "Hi"}]}},
            r"events: paid: a handler is called paid, too",
        ),
        (
            {
                "events": {"paid": {}},
                "schedules": [{"cron": "0 9 * * *", "session": "daily", "handler": "paid"}],
            },
            r"schedules: 0.handler: 'paid' is one of events, and not of handlers",
        ),
    ],
)
def test_a_definition_that_does_not_fit_cannot_be_made(definition: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        agent(**definition)
