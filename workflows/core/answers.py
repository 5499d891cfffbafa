"""Answers to what is asked of a session, as pure functions of its state, each page bounded in bytes."""

from collections.abc import Iterable
from typing import TypeVar

from perdure.workflows.core.fork import PastSealed, TurnRuns, UnknownTurn, at_rest, last_finished
from perdure.workflows.core.fork import past as past_of
from perdure.workflows.core.handlers.events import event_room
from perdure.workflows.core.last_words import last_words as last_words
from perdure.workflows.core.pieces import piece
from perdure.workflows.core.prompt import build_prompt, prompt_sha256
from perdure.workflows.core.session_variables import values_of
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, dump_state
from perdure.workflows.core.traced import traced
from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.protocol.queries import (
    PAGE_BYTES,
    Answered,
    EndedTurn,
    EventsPage,
    PageRequest,
    PastPage,
    PastRequest,
    QuestionState,
    Receipt,
    SnapshotPage,
    TimersPage,
    VariablesPage,
)
from perdure.workflows.protocol.segment_refs import holding
from perdure.workflows.protocol.steps import ModelInputPage, ModelInputRequest, StepRecord, StepState
from perdure.workflows.protocol.traces import TracePage
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.ids import RUN_ANSWER
from perdure.workflows.vocabulary.parts import Frozen, Message, Text

T = TypeVar("T", bound=Frozen)


def receipt(state: SessionState, message_id: str) -> Receipt:
    seen = state.inbox.taken_in(message_id)
    asked = _page(state.questions.open, most=PAGE_BYTES // 4)
    return Receipt(
        seq=state.log.seq,
        closed=state.closed or state.closing is not None,
        status=state.status,
        agent=state.agent,
        digest=state.slot.digest,
        pinned=state.slot.pinned,
        turn_id=state.turn.turn_id if state.turn else None,
        queued=len(state.inbox.messages),
        started_as=state.new.agent,
        content_sha256=seen.content_sha256 if seen else None,
        cursor=seen.cursor if seen else None,
        position=state.inbox.position(message_id),
        waiting_for=asked,
        more_questions=len(asked) < len(state.questions.open),
        sub_sessions=state.sub_sessions,
        room=state.room,
        kept=state.handlers.keeps(message_id),
        event_room=event_room(state) if state.handlers.events else None,
        role=state.slot.role,
        user=state.new.user,
        busy=state.busy,
        ahead=state.inbox.ahead.get(message_id),
        steers=message_id in state.inbox.steering,
        edited_by=state.inbox.edited.get(message_id),
        withdrawn=message_id in state.inbox.withdrawn,
    )


def events(state: SessionState, after: int) -> EventsPage:
    """Those greater than `after`: the refs of those that are sealed, and then the others. The caller compares `oldest` with
    what it wanted."""
    index = max(after + 1 - state.log.oldest, 0)
    wanted = state.log.events[index:]
    page = _page(wanted)
    last = state.log.last_answer
    return EventsPage(
        events=page,
        sealed=tuple(ref for ref in state.log.segments if ref.last > after),
        seq=state.log.seq,
        oldest=state.log.first,
        closed=state.closed,
        working=state.status == "working",
        last_step=last.step_id if last is not None else None,
        step_open=state.turn is not None and state.turn.step is not None,
        running=tuple(sorted(state.turn.open_calls)) if state.turn else (),
        sub_sessions=state.sub_sessions,
        more=len(page) < len(wanted),
        rests=receipt(state, "")
        if state.status == "idle" and state.closing is None and not state.inbox.messages
        else None,
    )


def snapshot(state: SessionState, workflow_id: str, request: PageRequest) -> SnapshotPage:
    path = state.transcript.path if request.path is None else request.path
    said = path.count(state.transcript.total)
    until = said if request.until is None else min(request.until, said)
    after = max(request.after if request.last is None else until - request.last, 0)
    # Whoever reads on in the transcript has been told of what waits.
    first = request.after <= 0
    model, ended = state.slot.model, state.ended
    queued = _page((_shortened(message) for message in state.inbox.messages), most=PAGE_BYTES // 2) if first else ()
    open_questions = state.questions.open[max(request.questions, 0) :]
    asked = _page(open_questions, most=PAGE_BYTES // 4) if first or until <= after else ()
    messages = _page(state.transcript.on(path, after, until), used=sum(map(_size, (*queued, *asked))))
    turn_id = messages[0].turn_id if messages else None
    since = None if turn_id is None else state.log.before_turn(turn_id)
    start = min(max(after, path.reached(state.transcript.base)), until)
    # Where a turn begins that the first message belongs to may be sealed, too.
    sealed = start > after or (since is None and until > after)
    return SnapshotPage(
        session_id=state.new.session_id,
        workflow_id=workflow_id,
        agent=state.agent,
        digest=state.slot.digest,
        pinned=state.slot.pinned,
        model=state.slot.model_role,
        use=model.use if model else None,
        status=state.status,
        turn_id=state.turn.turn_id if state.turn else None,
        user=state.new.user,
        metadata=state.metadata,
        inputs=state.inputs_of(state.agent),
        limits=state.lasting_limits,
        limit_changes=state.limit_changes,
        usage=state.books.usage,
        cost_usd=state.books.cost_usd,
        seq=state.log.seq,
        created_at=state.created_at,
        title=state.title,
        forked_from=state.new.forked_from,
        demo=model is not None and model.provider == "demo",
        todo=state.todo.items,
        feedback=state.feedback.scores,
        queued=queued,
        messages=messages,
        since=since,
        start=start,
        sealed=state.log.segments if sealed else (),
        count=until,
        path=path,
        branch=state.branches.current,
        branches=state.branches.made,
        questions=asked,
        more_questions=len(asked) < len(open_questions),
        parent=state.new.parent,
        sub_sessions=state.sub_sessions,
        ended=None if ended is None else EndedTurn(turn_id=ended.turn_id, reason=ended.reason, error=ended.error),
        result=None if ended is None else ended.result,
        answered=_last_answer(state) if first else None,
    )


def _last_answer(state: SessionState) -> Answered | None:
    """None, too, where no run of a client's gave it: gateways of before do not read what they have no use for."""
    asked, given = state.questions.last_answer
    return Answered(question_id=asked, answer_id=given) if given.startswith(RUN_ANSWER) else None


def timers(state: SessionState) -> TimersPage:
    """All of them, with shorter notes where they would not fit as they are."""
    kept = state.timers.pending
    if sum(map(_size, kept)) > PAGE_BYTES:
        kept = tuple(timer.saying(preview(timer.note, 100)) for timer in kept)
    return TimersPage(timers=kept, seq=state.log.seq, closed=state.closed or state.closing is not None)


def variables(state: SessionState) -> VariablesPage:
    """Those of the definition that runs; none before one is loaded. They are bounded where they are set."""
    return VariablesPage(variables=values_of(state))


def question(state: SessionState, question_id: str) -> QuestionState:
    """A question as it is now, open or settled."""
    settled = next((one for one in reversed(state.questions.settled) if one.question_id == question_id), None)
    found = state.questions.find(question_id)
    # What a handler asks is named by its variable, which may be what a tool is called, too.
    loaded, name = state.slot.loaded, found.name if found and found.subject != "handler" else None
    policy = state.policy(name) if name else None
    spec = loaded.spec(name) if loaded and name else None
    described = policy if policy is not None and policy.input is not None else spec
    return QuestionState(
        question=found,
        open=found is not None,
        known=found is not None or settled is not None,
        answer_id=settled.answer_id if settled else None,
        input=described.input if described else None,
        # A server's own schema may be empty: then it takes anything, whatever the tool gives.
        output=found.output if found and found.output is not None else described.output if described else None,
        foreign=bool(found and found.output is not None and found.subject != "handler")
        or (spec is not None and described is spec and spec.foreign),
        inline_only=policy is not None and policy.runner == "remote",
        seq=state.log.seq,
    )


def model_input(state: SessionState, request: ModelInputRequest) -> ModelInputPage:
    """What the step's model call sees. What the caller knows already is left out if it is the same."""
    record = request.record or state.log.step(request.step_id)
    if record is None:
        return ModelInputPage(open=False, known=False)
    agent = request.agent
    slot = state.slot if agent is None else replace(state.slot, kept={**state.slot.kept, agent.digest: agent})
    prompt = build_prompt(replace(state, slot=slot), record, request.summary)
    digest = prompt_sha256(prompt)
    known_prompt = request.prompt_sha256 == digest
    start = request.after if _knows(state, record, request) else record.view.start
    room = 0 if known_prompt else _size(prompt)
    path, count = record.view.path, record.view.count
    sealed = tuple(
        Stretch(start=one.start, stop=min(one.stop, state.transcript.base))
        for one in path.between(start, count)
        if one.start < state.transcript.base
    )
    return ModelInputPage(
        open=step_state(state, record.step_id) != "finished",
        known=True,
        view=record.view,
        prompt=None if known_prompt else prompt,
        prompt_sha256=digest,
        start=start,
        sealed=sealed,
        segments=holding(state.log.segments, sealed),
        messages=_page(state.transcript.on(path, start, count), used=room),
    )


def step_state(state: SessionState, step_id: str) -> StepState:
    turn, compaction = state.turn, state.context.open
    if compaction is not None and compaction.record.step_id == step_id:
        return "stopping" if compaction.ending else "running"
    if turn is None or turn.step is None or turn.step.step_id != step_id:
        return "finished"
    return "stopping" if turn.stopping or turn.overtime else "running"


def trace(state: SessionState, after: int) -> TracePage:
    log = state.log
    sealed = sum(ref.steps for ref in log.segments)
    wanted = log.steps[max(after - sealed, 0) :]
    page = _page(traced(wanted, log.events))
    return TracePage(
        sealed=log.segments if after < sealed else (),
        steps=page,
        more=len(page) < len(wanted),
        count=sealed + len(log.steps),
    )


def past(state: SessionState, request: PastRequest) -> PastPage:
    sealed = False
    try:
        turn_id = last_finished(state) if request.turn_id is None else request.turn_id
        found = past_of(state, turn_id, request.keep_turn)
    except UnknownTurn:
        return PastPage(refused="unknown_turn")
    except TurnRuns:
        return PastPage(refused="turn_running")
    except PastSealed:
        sealed, found = True, at_rest(state)
    return PastPage.model_validate({"sealed": sealed, **piece(dump_state(found), request.after, request.sha256)})


def _knows(state: SessionState, record: StepRecord, request: ModelInputRequest) -> bool:
    """Whether the caller's first `after` messages are the ones that this step sees first.

    A caller's view is always that of an earlier step of the session, so comparing with those is enough.
    """
    view = record.view
    if request.epoch != view.epoch or not view.start <= request.after <= view.count:
        return False
    if request.paging:
        return request.prefix == view.prefix
    return any(
        step.view.epoch == request.epoch and step.view.count == request.after and step.view.prefix == request.prefix
        for step in reversed(state.log.steps)
    )


def _page(items: Iterable[T], used: int = 0, most: int = PAGE_BYTES) -> tuple[T, ...]:
    """As many as fit, at least one."""
    page: list[T] = []
    for item in items:
        used += _size(item)
        if page and used > most:
            break
        page.append(item)
    return tuple(page)


def _size(item: Frozen) -> int:
    return len(item.model_dump_json().encode())


def _shortened(message: Message) -> Message:
    parts = tuple(
        part.saying(preview(part.text, 200)) if isinstance(part, Text) else part for part in message.parts[:4]
    )
    return message.with_parts(parts)
