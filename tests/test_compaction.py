"""Sessions that outgrow their model's window, over the pure core: what is folded, when, and what stays word for word."""

import random
from typing import Any

import pytest

from perdure.workflows.core.actions import Rest
from perdure.workflows.core.context.cuts import within
from perdure.workflows.core.context.index import indexed
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import dump_state
from perdure.workflows.definition.agent import LoadedAgent, ModelDefinition, Price
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.parts import Part, Text, ToolCall
from tests.support.core import agent
from tests.support.long_talk import LongTalk, Request, failure, pairs, say

pytestmark = pytest.mark.pure

WORDS = "some words that nobody needs any more once they have been said. " * 8


def small(window: int = 4_000, **definition: Any) -> LoadedAgent:
    models = {
        role: ModelDefinition(use=f"demo/{role}", max_output_tokens=300, context_window=window)
        for role in ("main", "other")
    }
    made = agent(**({"models": models} | definition))
    return made.model_copy(update={"windows": {"main": window, "other": window}})


def fact_finder(request: Request) -> str:
    """A summariser that lists what the user told it to remember."""
    told = "\n".join(request.said)
    conversation = told[told.index("<conversation>") : told.index("</conversation>")]
    facts = [line.partition("Remember: ")[2] for line in conversation.splitlines() if "Remember: " in line]
    listed = "\n".join(f"- {fact}" for fact in facts)
    return f"<summary>\nWhat was said before.\n</summary>\n<facts>\n{listed}\n</facts>"


def test_a_conversation_goes_on_beyond_the_window_and_never_asks_in_vain() -> None:
    talk = LongTalk(small(), 4_000, summarises=fact_finder)

    reasons = {talk.turn(f"{number}: {WORDS}") for number in range(60)}

    assert (reasons, talk.refused) == ({"done"}, 0)
    assert len(talk.compacted) >= 3
    assert {event.how for event in talk.compacted} == {"summarized"}
    assert all(event.tokens_after < event.tokens_before for event in talk.compacted)
    assert max(request.tokens for request in talk.answered) <= 3_700


def test_a_fact_is_carried_word_for_word_from_summary_to_summary() -> None:
    talk = LongTalk(small(), 4_000, summarises=fact_finder)
    talk.turn("Find me a present.")
    talk.turn("Remember: the budget is 34.50 EUR")

    for number in range(60):
        talk.turn(f"{number}: {WORDS}")

    last = talk.answered[-1]
    assert len(talk.compacted) >= 3
    assert any("- the budget is 34.50 EUR" in text for text in last.said)
    assert last.messages[0].parts == (Text(text="Find me a present."),)
    # It is told to the summariser as what is known, and never as part of what is to be summarised again.
    assert all("34.50" not in request.said[0].partition("<conversation>")[2] for request in talk.summaries[1:])


def test_a_summary_costs_the_turn_beside_which_it_is_written_no_wait() -> None:
    talk = LongTalk(small(), 4_000, summarises=fact_finder, slow_summaries=True)

    for number in range(40):
        talk.turn(f"{number}: {WORDS}")

    kinds = [event.type for event in talk.events]
    assert len(talk.compacted) >= 2
    # Each came after its turn's end: the turn did not wait for it.
    assert all(kinds[kinds.index(event.type, at) - 1] == "turn.finished" for at, event in _with_places(talk))


def _with_places(talk: LongTalk) -> list[tuple[int, Any]]:
    return [(at, event) for at, event in enumerate(talk.events) if event.type == "context.compacted"]


def test_viewers_hear_of_no_step_and_the_trace_has_the_call_with_its_cost() -> None:
    talk = LongTalk(small(), 4_000, summarises=fact_finder)
    while not talk.compacted:
        talk.turn(WORDS)

    event = talk.compacted[0]
    assert (event.step_id, event.model, event.cost_usd) == ("k1", "demo/main", 0.001)
    assert not [one for one in talk.events if getattr(one, "step_id", "") == "k1" and one is not event]
    assert not [message for message in talk.state.transcript.messages if "k1" in message.id]
    record = talk.state.log.step("k1")
    assert record is not None
    assert record.purpose == "compact"
    steps = [one for one in talk.events if one.type == "step.finished"]
    assert talk.state.books.known_usd == pytest.approx(0.001 * (len(steps) + 1))


def test_the_prompts_of_steps_before_and_after_can_be_built_again() -> None:
    talk = LongTalk(small(), 4_000, summarises=fact_finder)
    while not talk.compacted:
        talk.turn(WORDS)
    talk.turn("and now?")

    for request in talk.requests:
        record = request.record
        prompt = build_prompt(talk.state, record)
        assert prompt.around(talk.seen(record.view)) == request.messages


def calls(request: Request, *sizes: int) -> tuple[Part, ...]:
    step = request.record.step_id
    made = [
        # Each one is another call, or the loop guard would end the turn.
        ToolCall(call_id=f"{step}.c{at}", name="add", args={"size": size, "for": f"{step}.c{at}"}, checked="tool")
        for at, size in enumerate(sizes, 1)
    ]
    return (Text(text="Let me see."), *made)


def test_old_long_results_go_first_and_without_a_model() -> None:
    def answers(request: Request) -> tuple[Part, ...]:
        return say("fine") if request.messages[-1].role == "tool" else calls(request, 3_000)

    talk = LongTalk(small(), 4_000, answers)
    while not talk.compacted:
        assert talk.turn("look at this") == "done"

    assert [one.how for one in talk.compacted] == ["trimmed"]
    assert (talk.summaries, talk.refused) == ([], 0)
    assert talk.turn("and at this") == "done"
    results = [
        part.output for message in talk.answered[-1].messages for part in message.parts if part.type == "tool_result"
    ]
    assert "because this result is old and long" in str(results[0])
    assert results[-1] == "x" * 3_000


def test_a_call_and_its_result_are_never_parted_also_in_one_long_turn() -> None:
    def answers(request: Request) -> tuple[Part, ...]:
        steps = int(request.record.step_id.rpartition(".s")[2])
        return say("done") if steps == 40 else calls(request, 700, 300)

    loaded = small(limits={"turn": {"steps": 50}})
    talk = LongTalk(loaded, 4_000, answers, fact_finder)
    assert talk.turn("A long task: read all of it.") == "done"

    assert [one.how for one in talk.compacted].count("summarized") >= 2
    for request in talk.answered:
        assert pairs(request) == (set(), set())
        assert request.messages[0].parts == (Text(text="A long task: read all of it."),)
    assert talk.refused == 0


@pytest.mark.parametrize("tells", [True, False])
def test_an_unknown_window_is_learnt_from_the_first_error(tells: bool) -> None:
    models = {"main": ModelDefinition(use="demo/main", max_output_tokens=300)}
    talk = LongTalk(agent(models=models), 4_000, summarises=fact_finder, tells_sizes=tells)

    reasons = [talk.turn(f"{number}: {WORDS}") for number in range(60)]

    assert set(reasons) == {"done"}
    assert talk.refused == 1
    assert len(talk.compacted) >= 3


def test_a_message_that_can_never_fit_fails_its_turn_and_names_itself() -> None:
    talk = LongTalk(small(), 4_000, summarises=fact_finder)
    talk.turn("hi")

    assert talk.turn("x" * 40_000) == "failed"

    error = next(event.error for event in reversed(talk.events) if event.type == "turn.finished")
    assert error is not None
    assert error.type == "model_context_length"
    assert "Largest: your message (about " in error.message
    assert talk.turn("hello again") == "done"


def test_results_that_are_too_large_are_dropped_before_the_turn_fails() -> None:
    def answers(request: Request) -> tuple[Part, ...]:
        step = int(request.record.step_id.rpartition(".s")[2])
        return say("fine") if step > 3 and request.messages[-1].role != "tool" else say("so")

    talk = LongTalk(small(), 4_000, answers)
    talk.window = 2_200
    for number in range(12):
        assert talk.turn(f"{number}: {WORDS}") == "done"
    assert talk.refused >= 1


FAILING = [
    lambda request: failure("model_auth", "no key"),
    lambda request: failure("model_overloaded", "busy"),
    lambda request: "",
    lambda request: failure("model_context_length", "too long"),
]


@pytest.mark.parametrize("summarises", FAILING)
def test_a_summariser_that_fails_never_ends_a_session(summarises: Any) -> None:
    talk = LongTalk(small(), 4_000, summarises=summarises)

    reasons = {talk.turn(f"{number}: {WORDS}") for number in range(40)}

    assert reasons == {"done"}
    assert {event.how for event in talk.compacted} == {"dropped"}
    assert all(event.error is not None for event in talk.compacted)


def test_the_model_that_answers_stands_in_for_a_summariser_that_fails() -> None:
    def summarises(request: Request) -> Any:
        return failure("model_overloaded") if request.record.model == "demo/other" else fact_finder(request)

    loaded = small(context={"summarizer": "other"})
    talk = LongTalk(loaded, 4_000, summarises=summarises)
    while not talk.compacted:
        talk.turn(WORDS)

    assert (talk.compacted[0].how, talk.compacted[0].model) == ("summarized", "demo/main")
    record = talk.state.log.step("k1")
    assert isinstance(record, StepRecord)
    assert [one.model for one in record.tried] == ["demo/other"]


def test_a_summary_that_the_budget_does_not_bear_is_not_asked_for() -> None:
    loaded = small(limits={"session": {"cost_usd": 0.0}})
    talk = LongTalk(loaded.model_copy(update={"prices": {"main": Price(input=0, output=0)}}), 4_000)
    dear = loaded.model_copy(
        update={
            "definition": loaded.definition.model_copy(
                update={"context": loaded.definition.context.model_copy(update={"summarizer": "other"})}
            ),
            "prices": {"main": Price(input=0, output=0), "other": Price(input=1, output=1)},
        }
    )
    talk.agent = dear
    for number in range(40):
        talk.turn(f"{number}: {WORDS}")
    assert all(request.record.model == "demo/main" for request in talk.summaries)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_said_requests_fit_and_calls_keep_their_results(seed: int) -> None:
    play(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 600))
def test_whatever_is_said_requests_fit_and_calls_keep_their_results_for_many(seed: int) -> None:
    play(seed)


def play(seed: int) -> None:
    rng = random.Random(seed)
    window = rng.choice([3_000, 6_000, 20_000])

    def answers(request: Request) -> Any:
        if (request.messages[-1].role == "user" or rng.random() < 0.5) and rng.random() < 0.6:
            return calls(request, *(rng.choice([5, 500, 2_000]) for _ in range(rng.randint(1, 3))))
        return say("a" * rng.choice([2, 200, 900]))

    def summarises(request: Request) -> Any:
        return failure("model_overloaded") if rng.random() < 0.2 else fact_finder(request)

    known = rng.random() < 0.7
    loaded = small(window) if known else agent(models={"main": ModelDefinition(use="demo/main", max_output_tokens=300)})
    talk = LongTalk(loaded, window, answers, summarises, rng.random() < 0.5, rng.random() < 0.5)
    reasons = [talk.turn("w" * rng.choice([5, 300, 1_500])) for _ in range(40)]

    assert set(reasons) <= {"done", "max_steps"}
    for request in talk.answered:
        assert pairs(request) == (set(), set())
    assert talk.refused <= len(reasons) // 4


@pytest.mark.parametrize("turns", [200, pytest.param(5_000, marks=pytest.mark.slow)])
def test_a_session_of_any_length_goes_on_at_the_same_cost(turns: int) -> None:
    window = 100_000
    talk = LongTalk(small(window), window, lambda request: say("b" * 900), fact_finder)
    most: dict[bool, int] = {False: 0, True: 0}
    asked = 0
    for number in range(1, turns + 1):
        told = "Remember: the locker's code is 4711\n" if number == 3 else ""
        talk.turn(told + "some words that nobody needs. " * 60)
        asked += len(talk.requests)
        late = number > turns // 2
        most[late] = max(most[late], *(request.tokens for request in talk.answered))
        last = talk.answered[-1]
        talk.requests.clear()

    assert talk.refused == 0
    assert most[True] <= window * 0.85
    # One request a turn, and a summary now and then.
    assert turns < asked <= turns * 1.05
    assert any("- the locker's code is 4711" in text for text in last.said)
    assert len(dump_state(talk.state)) <= 250_000


def test_a_rewind_before_a_summary_makes_the_one_before_count_again() -> None:
    talk = LongTalk(small(), 4_000, summarises=fact_finder)
    while len(talk.compacted) < 2:
        talk.turn(WORDS)
    first, second = talk.compacted
    state = talk.state
    path = state.transcript.path.cut(second.messages - 1, state.transcript.total)
    rewound = indexed(replace(state, transcript=replace(state.transcript, path=path)))

    assert [fold.summary.fold for fold in state.context.folds] == ["k1", "k2"]
    assert [fold.summary.fold for fold in rewound.context.folds] == ["k1"]
    assert rewound.context.start == first.messages
    assert rewound.context.count == second.messages - 1

    path = state.transcript.path.cut(first.messages - 1, state.transcript.total)
    whole = indexed(replace(state, transcript=replace(state.transcript, path=path)))
    assert (whole.context.folds, whole.context.start) == ((), 0)


def test_a_summary_of_messages_that_were_rewound_is_paid_and_not_used() -> None:
    talk = LongTalk(small(), 4_000, summarises=fact_finder, slow_summaries=True)
    while talk.state.context.open is None:
        talk.send(WORDS)
        while not isinstance(talk.driver.advance(), Rest) and talk.state.context.open is None:
            talk.settle(talk.next_open())
    state, spent = talk.state, talk.state.books.known_usd
    path = state.transcript.path.cut(1, state.transcript.total)
    talk.driver.state = indexed(replace(state, transcript=replace(state.transcript, path=path)))
    talk.work()

    assert talk.compacted == []
    assert talk.state.context.open is None
    assert talk.state.books.known_usd > spent


def test_the_cut_that_a_summary_began_with_may_be_thinned_out_meanwhile() -> None:
    talk = LongTalk(small(window=400_000), 400_000, summarises=fact_finder)
    for _ in range(4):
        talk.turn(WORDS)
    first, until, *others = talk.state.context.marks
    thinned = replace(talk.state, context=replace(talk.state.context, marks=(first, *others)))

    assert within(thinned, until, 0) == until
