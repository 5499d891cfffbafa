"""What a model is told beside the conversation: a pure function of the session's state and the definition.

Instructions are a Jinja2 template (sandboxed, strict) over the session's inputs and the built-in names `session`,
`user` and `turn`. The output is capped, so that a template cannot grow a session without bound.

Rule: what `{{ }}` puts into instructions keeps to its line, for whoever made the session wrote it. An ordinary value stands
as it is: `You help Ada.` One with line breaks or other control characters stands as a JSON string, in which they are escaped,
shortened where it is very long. `{{ guide|trusted }}` stands as it is, whatever it is; a loop in the template can make lines.
"""

import hashlib
import json
import re
from functools import lru_cache
from typing import Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from perdure.workflows.core.context import summary
from perdure.workflows.core.dates import turn_start
from perdure.workflows.core.endings import told as told_to
from perdure.workflows.core.handlers.answers import ASKS, closing, form_of
from perdure.workflows.core.state.dates import message_of
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.agent import LoadedAgent, ModelDefinition
from perdure.workflows.protocol.blocks import StepBlock
from perdure.workflows.protocol.compacted import Retelling, Summary
from perdure.workflows.protocol.left_out import LeftOut
from perdure.workflows.protocol.steps import Compaction, Prompt, StepRecord, View
from perdure.workflows.vocabulary.errors import INSTRUCTIONS_INVALID
from perdure.workflows.vocabulary.ids import nudge_id, turn_number
from perdure.workflows.vocabulary.parts import Message, Text, ToolError
from perdure.workflows.vocabulary.zones import date_names

MAX_SYSTEM_CHARACTERS: Final = 200_000
#: Of one value that is quoted in instructions.
MAX_QUOTED_CHARACTERS: Final = 8_000
#: Control characters, line and paragraph separators, what turns the direction of text around, and halves of characters.
_BREAKS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class PromptError(Exception):
    """The instructions cannot be rendered for this session."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.error = ToolError(type=INSTRUCTIONS_INVALID, message=message)


def environment() -> ImmutableSandboxedEnvironment:
    """Jinja2 as definitions may use it: nothing random, undefined names are errors."""
    made = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    for name in ("lipsum", "cycler", "joiner"):
        made.globals.pop(name, None)
    made.filters.pop("random", None)
    made.filters["trusted"] = Trusted
    return made


class Trusted(str):
    """A text that a definition lets stand as it is."""


def on_one_line(value: object) -> str:
    """`value` as it stands in instructions (see the rule at the top). Undefined values raise `UndefinedError`."""
    text = str(value)
    if isinstance(value, Trusted) or _BREAKS.search(text) is None:
        return text
    quoted = _BREAKS.sub(_escaped, json.dumps(text[:MAX_QUOTED_CHARACTERS], ensure_ascii=False))
    left_out = len(text) - MAX_QUOTED_CHARACTERS
    return quoted if left_out <= 0 else f"{quoted} ({left_out} characters left out)"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


_ENVIRONMENT: Final = environment()
_ENVIRONMENT.finalize = on_one_line


def build_prompt(state: SessionState, record: StepRecord, told: Summary | None = None) -> Prompt:
    """The prompt of a step, now or later the same. `told`: the summary that it begins with, where the session may no longer
    keep that. Raises PromptError."""
    agent = state.slot.kept.get(record.digest)
    if agent is None:
        raise PromptError(f"the definition {record.digest[:12]} is no longer kept")
    definition = agent.definition
    if record.compaction is not None:
        return _of_summary(state, agent, record, record.compaction, told)
    if record.block is not None and record.block.asks:
        return _of_question(state, agent, record, record.block, told)
    first, later = _dates(state, agent, record)
    more = record.block.text if record.block is not None else ""
    return Prompt(
        model=_model(agent, record),
        system="\n\n".join(filter(None, (_render(state, agent, record), _skills(agent), more, _absent(agent), first))),
        date=first,
        dates=later,
        examples=tuple(_example(state, agent)),
        tools=agent.tools,
        tool_output_tokens=definition.context.tool_output_tokens,
        closing=_closing(state, record),
        left_out=_left_out(state, record),
        start=record.view.start,
        summary=_summary(state, record, told),
        trim=record.view.trim,
        output=None if definition.answer is None else definition.answer.form,
    )


def _model(agent: LoadedAgent, record: StepRecord) -> ModelDefinition:
    model = agent.definition.route(record.role)[record.hop].model
    bound = {} if record.bound is None else {"max_output_tokens": record.bound}
    thinking = record.block.thinking if record.block is not None else None
    changes = bound if thinking is None else bound | {"thinking": thinking}
    return model.model_copy(update=changes) if changes else model


def _of_question(
    state: SessionState, agent: LoadedAgent, record: StepRecord, block: StepBlock, told: Summary | None
) -> Prompt:
    """The prompt of a model that a handler asks for a value."""
    return Prompt(
        model=_model(agent, record),
        system=ASKS,
        closing=closing(block, record.step_id, state.created_at),
        left_out=_left_out(state, record),
        start=record.view.start,
        summary=_summary(state, record, told),
        trim=record.view.trim,
        retelling=Retelling(room=block.room, latest=True),
        output=form_of(block),
    )


def _of_summary(
    state: SessionState, agent: LoadedAgent, record: StepRecord, compaction: Compaction, told: Summary | None
) -> Prompt:
    """The prompt of a model that summarises the conversation of the step's view."""
    text = Text(text=summary.request(compaction.words))
    return Prompt(
        model=agent.definition.route(record.role)[record.hop].model,
        system=summary.instructions(agent.definition.context.keep),
        closing=(Message(id=nudge_id(record.step_id), role="user", parts=(text,), at=state.created_at),),
        left_out=_left_out(state, record),
        start=record.view.start,
        summary=_summary(state, record, told),
        retelling=Retelling(room=compaction.room),
    )


def _summary(state: SessionState, record: StepRecord, told: Summary | None) -> Summary | None:
    """What the step's request has in place of the beginning of the conversation. Raises PromptError."""
    fold = record.view.fold
    if fold is None:
        return None
    if told is not None and told.fold == fold:
        return told
    for known in state.context.folds:
        if known.summary.fold == fold:
            return known.summary
    raise PromptError(f"the summary {fold} is no longer kept")


def _left_out(state: SessionState, record: StepRecord) -> tuple[LeftOut, ...]:
    return tuple(one for one in state.transcript.left_out if one.holds(record.view.epoch))


def prompt_sha256(prompt: Prompt) -> str:
    return hashlib.sha256(prompt.model_dump_json().encode()).hexdigest()


# Compiling takes a millisecond, or a quarter of a second for 20 KB; each step renders twice.
@lru_cache(maxsize=256)
def _template(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


def names_in(
    state: SessionState, turn_id: str, agent: LoadedAgent | None, record: StepRecord | None = None
) -> dict[str, object]:
    """What every template of a session may name, in the definition of `agent`. `record`: in a prompt of this step."""
    # What ran before another agent took over goes by the name that the session was started with.
    inputs = state.slot.taken.inputs if state.slot.taken else {}
    taken = agent is not None and agent.definition.name in inputs
    name = agent.definition.name if agent is not None and taken else state.new.agent
    timezone = state.timezone if record is None else record.timezone
    at = (None if record is None else record.turn_at) or turn_start(state, turn_id) or state.created_at
    return {
        **state.inputs_of(name),
        "session": {
            "id": state.new.session_id,
            "agent": name,
            "created_at": state.created_at.isoformat(),
            "timezone": timezone or "UTC",
        },
        "user": {"id": state.new.user},
        "turn": {"id": turn_id, "number": turn_number(turn_id), **date_names(at, timezone)},
    }


def _render(state: SessionState, agent: LoadedAgent, record: StepRecord) -> str:
    names = {**names_in(state, record.turn_id, agent, record), **(record.variables or {})}
    pieces: list[str] = []
    length = 0
    try:
        for piece in _template(agent.definition.instructions).generate(names):
            pieces.append(piece)
            length += len(piece)
            if length > MAX_SYSTEM_CHARACTERS:
                break
    except (
        TemplateError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise PromptError(f"The instructions cannot be rendered: {error}") from error
    if length > MAX_SYSTEM_CHARACTERS:
        raise PromptError(f"The instructions render to more than {MAX_SYSTEM_CHARACTERS} characters.")
    return "".join(pieces).strip()


def _closing(state: SessionState, record: StepRecord) -> tuple[Message, ...]:
    if record.nudge is None:
        return closing(record.block, record.step_id, state.created_at) if record.block is not None else ()
    text = Text(text=told_to(record.nudge, record.misfit))
    return (Message(id=nudge_id(record.step_id), role="user", parts=(text,), at=state.created_at),)


def _skills(agent: LoadedAgent) -> str:
    return "" if agent.definition.skills is None else agent.definition.skills.told


def _absent(agent: LoadedAgent) -> str:
    """A model that knows what is missing does not promise it."""
    told = []
    if agent.absent:
        told.append(f"The tools of these servers cannot be reached at the moment: {', '.join(agent.absent)}.")
    if agent.left_out:
        told.append(f"You do not have these tools: {'; '.join(agent.left_out)}.")
    return "\n\n".join(told)


def _dates(state: SessionState, agent: LoadedAgent, record: StepRecord) -> tuple[str, dict[str, str]]:
    """The line on the date at the end of the instructions, and the later ones by the message that each comes before."""
    dates, definition = state.dates, agent.definition
    if not dates.first or not definition.context.date or _tells_date(definition.instructions):
        return "", {}
    later = {}
    if dates.later:
        held = frozenset(message.id for message in state.transcript.seen(record.view))
        later = {
            message_of(key): f"Today is {day}."
            for key, day in dates.later.items()
            if (key in held if (number := dates.numbers.get(key)) is None else _has(record.view, number))
        }
    return f"Today is {dates.first}, until a later line names another day.", later


def _has(view: View, number: int | None) -> bool:
    """Whether the view has the message of this number."""
    position = None if number is None else view.path.position(number)
    return position is not None and position < view.count


@lru_cache(maxsize=256)
def _tells_date(instructions: str) -> bool:
    """Whether the instructions name the date by themselves."""
    try:
        read = environment().parse(instructions).find_all(nodes.Getattr)
    except TemplateSyntaxError:
        return False
    return any(
        one.attr in ("date", "started_at") and isinstance(one.node, nodes.Name) and one.node.name == "turn"
        for one in read
    )


def _example(state: SessionState, agent: LoadedAgent) -> list[Message]:
    messages = []
    for number, example in enumerate(agent.definition.examples, 1):
        for role, text in (("user", example.user), ("assistant", example.assistant)):
            messages.append(
                Message.model_validate(
                    {"id": f"example{number}.{role}", "role": role, "parts": (Text(text=text),), "at": state.created_at}
                )
            )
    return messages
