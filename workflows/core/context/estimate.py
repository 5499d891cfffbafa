"""How many tokens the next request will have. Pure.

Rule 1: what a server counted last is believed; only what has come since is estimated from bytes. Where requests show
something else since, the bytes are corrected by how far they were off then.
Rule 2: money is reserved by `shown_size`, whose every part errs upwards.
"""

from typing import Final

from pydantic_core import to_json

from perdure.workflows.core.context.sizes import BYTES_PER_TOKEN
from perdure.workflows.core.media_tokens import tokens_of
from perdure.workflows.core.routing import first_hop
from perdure.workflows.core.session_variables import told_bytes
from perdure.workflows.core.sizes import size_of
from perdure.workflows.core.state.context import Context, LongResult, Measured
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.model import ModelDefinition
from perdure.workflows.definition.providers.dialect import ImageCharge
from perdure.workflows.definition.providers.known import with_models
from perdure.workflows.definition.providers.table import PROVIDERS

#: Tokens of a note beside the head and tail that it keeps.
_NOTE: Final = 60
#: How far bytes can be off: a token is never worth more than nine of them, nor less than one.
_RATIOS: Final = (0.33, 3.0)


def next_tokens(state: SessionState) -> int:
    """Tokens of the next request to the model that answers now."""
    measured, context = state.context.measured, state.context
    if measured is None:
        return shown_tokens(state)
    if _is_same(state, measured):
        return measured.input + measured.output + max(context.tokens - measured.at, 0)
    return int(shown_tokens(state) * ratio_of(measured))


def ratio_of(measured: Measured | None) -> float:
    """Tokens that one of those is worth which bytes say."""
    if measured is None or measured.estimate <= 0:
        return 1.0
    low, high = _RATIOS
    return min(max(measured.input / measured.estimate, low), high)


def shown_tokens(state: SessionState) -> int:
    """Tokens of the next request, by its bytes and its files alone."""
    context, fold = state.context, state.context.fold
    before, summary = (fold.until.tokens, fold.tokens) if fold is not None else (0, 0)
    saved = sum(max(one.tokens - note_tokens(context), 0) for one in trimmed_results(context))
    return beside(state) // BYTES_PER_TOKEN + summary + context.tokens - before - saved + media_tokens(state)


def shown_size(state: SessionState) -> int:
    """Bytes of the conversation as the next request shows it, at most; without files."""
    context, fold = state.context, state.context.fold
    before, summary = (fold.until.size, fold.size) if fold is not None else (0, 0)
    note = note_tokens(context) * 4 * BYTES_PER_TOKEN
    saved = sum(max(one.size - note, 0) for one in trimmed_results(context))
    return context.size - before + summary - saved


def media_tokens(state: SessionState) -> int:
    """What the files of the conversation cost at most; a model that is not shown one is told of it in a few words."""
    model, context = state.slot.model, state.context
    charge: ImageCharge = "area" if model is None else _charge(model)
    taken = None if model is None else model.files
    trimmed = context.trim.before if context.trim is not None else 0
    return sum(
        tokens_of(one.medium, charge)
        for one in context.media
        if (taken is None or one.medium.kind == "text" or one.medium.kind in taken)
        and one.position >= context.start
        and not (one.result and one.position < trimmed)
    )


def beside(state: SessionState) -> int:
    """Bytes of what a request holds beside the conversation, at most: inputs, session variables, definition, tools."""
    size = size_of(state.new) + told_bytes(state)
    size += size_of(state.slot.loaded) if state.slot.loaded is not None else 0
    return size + (sum(len(to_json(one)) for one in state.slot.taken.inputs.values()) if state.slot.taken else 0)


def trimmed_results(context: Context) -> list[LongResult]:
    """The long results that requests show in short."""
    before = context.trim.before if context.trim is not None else 0
    return [one for one in context.results if context.start <= one.position < before]


def note_tokens(context: Context) -> int:
    """Tokens that are left of a long result, at most."""
    keep = context.trim.keep if context.trim is not None else 0
    return _NOTE + keep


def _is_same(state: SessionState, measured: Measured) -> bool:
    """Whether the next request begins like the one that was measured."""
    hop, loaded = first_hop(state), state.slot.loaded
    return (
        hop is not None
        and loaded is not None
        and (hop.model.use, loaded.digest, state.context.shape) == (measured.model, measured.digest, measured.shape)
    )


def _charge(model: ModelDefinition) -> ImageCharge:
    provider = PROVIDERS[model.provider]
    return with_models(provider.dialect, provider.models, model.model_name).files.charge
