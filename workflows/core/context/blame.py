"""What makes a request too long that cannot be shown in short any more, in words. Pure."""

from perdure.workflows.core.context.estimate import next_tokens, ratio_of
from perdure.workflows.core.context.pinned import pinned_before
from perdure.workflows.core.context.sizes import BYTES_PER_TOKEN, size_of, tokens_of
from perdure.workflows.core.context.windows import window_of
from perdure.workflows.core.routing import route_of
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.step import StepFailure
from perdure.workflows.protocol.activities import StepOutput
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.errors import MODEL_CONTEXT_LENGTH
from perdure.workflows.vocabulary.parts import Message, ToolError, ToolResult

_MOST = 3


def what_is_too_long(state: SessionState, record: StepRecord, outcome: StepOutput | StepFailure) -> ToolError:
    """The error of a turn whose request cannot be made to fit, with its largest parts and about how large they are."""
    hop = route_of(state, record.role)[record.hop]
    window = window_of(state, hop)
    said = outcome.tokens if isinstance(outcome, StepFailure) else None
    kind = outcome.error.type if isinstance(outcome, StepFailure) else MODEL_CONTEXT_LENGTH
    parts = sorted(_parts(state), key=lambda one: one[1], reverse=True)[:_MOST]
    named = ", ".join(f"{what} (about {_round(tokens):,} tokens)" for what, tokens in parts if tokens)
    takes = f", which takes {window:,} tokens" if window is not None else ""
    message = (
        f"The request of about {_round(said or next_tokens(state)):,} tokens is too long for {record.model}{takes}, and its "
        f"older part cannot be shown any shorter. Largest: {named}. Send less, or use a model with a "
        "larger context window."
    )
    words = outcome.error.message if isinstance(outcome, StepFailure) else ""
    return ToolError(type=kind, message=f"{message} {words}".strip())


def _parts(state: SessionState) -> list[tuple[str, int]]:
    loaded, context, transcript = state.slot.loaded, state.context, state.transcript
    ratio = ratio_of(context.measured)
    found: list[tuple[str, int]] = []
    if loaded is not None:
        found.append(("the instructions", _tokens(loaded.definition.instructions, ratio)))
        tools = "".join(tool.model_dump_json() for tool in loaded.tools)
        found.append((f"the descriptions of {len(loaded.tools)} tools", _tokens(tools, ratio)))
    shown = loaded.definition.context.tool_output_tokens if loaded is not None else 10**9
    for message in transcript.on(transcript.path, context.start, transcript.count):
        tokens = int(tokens_of(message, size_of(message), shown) * ratio)
        found.append((_name(message, state), tokens))
    for one in pinned_before(state, context.start):
        tokens = int(tokens_of(one.message, size_of(one.message), shown) * ratio)
        found.append((_name(one.message, state), tokens))
    fold = context.fold
    if fold is not None:
        found.append(("the summary of the older part", _tokens(fold.summary.told, ratio)))
    return found


def _name(message: Message, state: SessionState) -> str:
    this = message.turn_id == state.turn_id
    match message.role:
        case "user":
            return "your message" if this else "an earlier message of yours"
        case "assistant":
            return "an answer in this turn" if this else "an earlier answer"
        case _:
            name = next((part.name for part in message.parts if isinstance(part, ToolResult)), "a tool")
            return f"the result of {name}{' in this turn' if this else ''}"


def _tokens(text: str, ratio: float) -> int:
    return int(len(text.encode(errors="replace")) // BYTES_PER_TOKEN * ratio)


def _round(tokens: int) -> int:
    """To two digits, for it is an estimate."""
    step: int = 10 ** max(len(str(tokens)) - 2, 0)
    return -(-tokens // step) * step
