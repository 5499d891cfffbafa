"""What a session knows of the sizes of its messages, kept up with what is said, and with rewinds. Pure.

A rewind is told by the path: what both branches have stays, and the rest is counted again.
"""

from perdure.workflows.core.context.sizes import is_long, size_of, tokens_of
from perdure.workflows.core.context.tasks import on_branch, tasks_with
from perdure.workflows.core.media_tokens import media_in
from perdure.workflows.core.state.context import (
    KEPT_ASKED,
    KEPT_MARKS,
    KEPT_RESULTS,
    Context,
    LongResult,
    Mark,
    Placed,
    Said,
)
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.paths import Path
from perdure.workflows.vocabulary.events import MessageAdded, StepFinished, ToolFinished
from perdure.workflows.vocabulary.parts import Message, ToolCall, ToolResult


def indexed(state: SessionState) -> SessionState:
    """`state` with the sizes of all messages that are on its branch now."""
    transcript, context = state.transcript, state.context
    if context.path != transcript.path:
        both = min(_shared(context.path, transcript.path, transcript.total), context.count)
        kept = cut(state, context, both)
        context = on_branch(kept, transcript.path) if state.recalls_tasks else replace(kept, path=transcript.path)
    if context.count == transcript.count:
        return state if context is state.context else replace(state, context=context)
    new = transcript.on(transcript.path, context.count, transcript.count)
    seqs = _seqs(state, new)
    context = _guessed(state, context, transcript.count - context.count - len(new))
    for message in new:
        context = _with(state, context, message, seqs.get(message.id, state.log.seq))
    return replace(state, context=context)


def inherited(state: SessionState, made: SessionState) -> SessionState:
    """`made`, a past of `state`, with what is known of the messages that both have."""
    context = replace(state.context, open=None, gave_up_at=0)
    both = min(_shared(context.path, made.transcript.path, made.transcript.total), context.count, made.transcript.count)
    context = on_branch(cut(state, context, both), made.transcript.path)
    # The numbers that follow will be those of other messages.
    tasks = tuple(one for one in context.tasks if one.number < made.transcript.total)
    return indexed(replace(made, context=replace(context, tasks=tasks)))


def cut(state: SessionState, context: Context, count: int) -> Context:
    """Of the first `count` messages alone."""
    if count >= context.count:
        return context
    folds = tuple(fold for fold in context.folds if fold.until.position <= count)
    known = [mark for mark in (*(fold.until for fold in folds), *context.marks) if mark.position <= count]
    start = max(known, key=lambda mark: mark.position, default=Mark(position=0, tokens=0, size=0, seq=0))
    compaction = context.open
    if compaction is not None and compaction.until.position > count:
        compaction = replace(compaction, stale=True)
    trim, left = context.trim, context.task is not None and context.task.position >= count
    kept = replace(
        context,
        count=start.position,
        tokens=start.tokens,
        size=start.size,
        day=start.day,
        waiting=(),
        marks=tuple(mark for mark in context.marks if mark.position < start.position),
        results=tuple(one for one in context.results if one.position < start.position),
        media=tuple(one for one in context.media if one.position < start.position),
        # What is counted again may be sealed, and then nobody could find it any more.
        task=None if left else context.task,
        tasks=tasks_with(context) if left else context.tasks,
        asked=tuple(one for one in context.asked if one.position < start.position),
        answer=min(context.answer, start.position),
        folds=folds,
        trim=trim if trim is None or trim.before <= count else trim.model_copy(update={"before": count}),
        measured=context.measured if context.measured is not None and context.measured.count <= count else None,
        open=compaction,
    )
    between = state.transcript.on(context.path, start.position, count)
    kept = _guessed(state, kept, count - start.position - len(between))
    for message in between:
        kept = _with(state, kept, message, start.seq)
    return _with_last(kept, state.transcript.on(context.path, 0, count))


def _with_last(context: Context, held: tuple[Message, ...]) -> Context:
    """With the places of the last answer, and of the user's messages of the last turn, as the state holds them."""
    first = context.count - len(held)
    answers = [first + at for at, message in enumerate(held) if message.role == "assistant"]
    users = [Said(position=first + at, message=message) for at, message in enumerate(held) if message.role == "user"]
    asked = tuple(one for one in users if one.message.turn_id == users[-1].message.turn_id)[-KEPT_ASKED:]
    return replace(context, answer=answers[-1] if answers else 0, asked=asked)


def _with(state: SessionState, context: Context, message: Message, seq: int) -> Context:
    """With one message more, which the event `seq` said."""
    position, size = context.count, size_of(message)
    waiting = context.waiting
    if message.role == "user" and message.turn_id is not None and _other_turn(context, message):
        waiting = ()
    shown = state.slot.loaded.definition.context.tool_output_tokens if state.slot.loaded else 10**9
    tokens = tokens_of(message, size, shown)
    marks, grain = context.marks, context.grain
    if message.role != "tool" and not waiting:
        mark = Mark(position=position, tokens=context.tokens, size=context.size, seq=seq, day=context.day)
        marks, grain = _marked(marks, mark, grain)
    results = context.results
    for part in message.parts:
        match part:
            case ToolCall() if not message.stopped:
                waiting = (*waiting, part.call_id)
            case ToolResult():
                waiting = tuple(one for one in waiting if one != part.call_id)
                if is_long(part):
                    result = LongResult(position=position, name=part.name, tokens=tokens, size=size)
                    results = (*results, result)[-KEPT_RESULTS:]
            case _:
                pass
    media = tuple(
        Placed(position=position, medium=medium, result=message.role == "tool") for medium in media_in(message)
    )
    said = Said(position=position, message=message) if message.role == "user" else None
    earlier = () if said is not None and _other_turn(context, message) else context.asked
    return replace(
        context,
        count=position + 1,
        tokens=context.tokens + tokens,
        size=context.size + size,
        day=state.dates.before_message(message, context.path.number(position)) or context.day,
        waiting=waiting,
        grain=grain,
        marks=marks,
        results=results,
        media=(*context.media, *media) if media else context.media,
        task=context.task or said,
        answer=position if message.role == "assistant" else context.answer,
        asked=earlier if said is None else (*earlier, said)[-KEPT_ASKED:],
    )


def _other_turn(context: Context, message: Message) -> bool:
    """Whether the message begins another turn than the last user's message that is known."""
    return not context.asked or context.asked[-1].message.turn_id != message.turn_id


def _marked(marks: tuple[Mark, ...], mark: Mark, grain: int) -> tuple[tuple[Mark, ...], int]:
    if marks and mark.tokens - marks[-1].tokens < grain:
        return marks, grain
    marks = (*marks, mark)
    if len(marks) <= KEPT_MARKS:
        return marks, grain
    apart = (marks[-1].tokens - marks[0].tokens) // (KEPT_MARKS // 2)
    return marks[::2], max(grain, apart)


def _guessed(state: SessionState, context: Context, unknown: int) -> Context:
    """With messages more that the state does not hold: each counts as much as one of those before."""
    if unknown == 0:
        return context
    each = context.tokens // context.count if context.count else 500
    size = context.size // context.count if context.count else 1_500
    return replace(
        context,
        count=context.count + unknown,
        tokens=context.tokens + unknown * each,
        size=context.size + unknown * size,
        day=state.dates.last_on(context.path, context.count + unknown),
        waiting=(),
    )


def _seqs(state: SessionState, messages: tuple[Message, ...]) -> dict[str, int]:
    """The events that said these messages; empty where the last event said them all."""
    if len(messages) < 2:
        return {}
    found: dict[str, int] = {}
    for event in state.log.events:
        match event:
            case MessageAdded() | StepFinished():
                found[event.message.id] = event.seq
            case ToolFinished():
                found[event.call_id] = event.seq
            case _:
                pass
    return found


def _shared(one: Path, other: Path, total: int) -> int:
    """How many messages two branches have in common at their beginning."""
    ours, theirs = one.between(0, one.count(total)), other.between(0, other.count(total))
    shared = 0
    for mine, yours in zip(ours, theirs, strict=False):
        if mine.start != yours.start:
            break
        length = min(mine.length, yours.length)
        shared += length
        if mine.length != yours.length:
            break
    return shared
