"""What the next model call may cost. Pure.

Rule: an estimate that decides over money errs upwards.
"""

from pydantic_core import to_json

from perdure.workflows.core.endings import NUDGES, nudge_after
from perdure.workflows.core.media_tokens import tokens_of
from perdure.workflows.core.need import Need
from perdure.workflows.core.routing import first_hop
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.pricing import Spent, spent, worst_case
from perdure.workflows.definition.providers.dialect import ImageCharge
from perdure.workflows.definition.providers.known import with_models
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.definition.route import Hop
from perdure.workflows.protocol.steps import Nudge
from perdure.workflows.vocabulary.parts import Usage

#: Bytes of JSON a token is worth, low on purpose.
BYTES_PER_TOKEN = 3


def nudge(state: SessionState) -> Nudge | None:
    """What the next request says at its end."""
    return nudge_after(state.turn.stop, state.turn.odd) if state.turn is not None else None


def reserve(state: SessionState, hop: Hop | None = None) -> float | None:
    """Dollars that the next model call costs at worst, or None where the price is unknown. `hop` None: of the model that
    the next step begins with."""
    hop = hop or first_hop(state)
    return None if hop is None else need(state, hop, input_tokens(state), hop.model.max_output_tokens).cost_usd


def need(state: SessionState, hop: Hop, tokens: int, output: int) -> Need:
    """What one attempt at a model call takes at worst, with `tokens` of input and `output` tokens at most."""
    price = state.slot.loaded.prices.get(hop.key) if state.slot.loaded is not None else None
    cost = None if price is None else worst_case(price, tokens, output)
    return Need(cost_usd=cost, tokens=tokens + output)


def sent(state: SessionState, hop: Hop | None = None) -> Spent:
    """What the next model call costs if it is sent, and nothing comes of it."""
    hop, loaded = hop or first_hop(state), state.slot.loaded
    price = loaded.prices.get(hop.key) if loaded is not None and hop is not None else None
    return spent(price, Usage(input_tokens=input_tokens(state), estimated=True))


def input_tokens(state: SessionState) -> int:
    """Tokens that the next model call's request holds at most."""
    # The inputs, too: instructions hold them where they are rendered.
    prompt_bytes = len(state.new.model_dump_json().encode())
    prompt_bytes += len(state.slot.loaded.model_dump_json().encode()) if state.slot.loaded else 0
    prompt_bytes += sum(len(to_json(inputs)) for inputs in state.slot.taken.inputs.values()) if state.slot.taken else 0
    added = nudge(state)
    prompt_bytes += len(NUDGES[added]) if added else 0
    return (state.transcript.size + prompt_bytes) // BYTES_PER_TOKEN + _media_tokens(state)


def _media_tokens(state: SessionState) -> int:
    """What the files of the conversation cost at most; a model that is not shown one is told of it in a few words."""
    model = state.slot.model
    charge, taken = "area" if model is None else _charge(model), None if model is None else model.files
    return sum(
        tokens_of(medium, charge)
        for medium in state.transcript.media
        if taken is None or medium.kind == "text" or medium.kind in taken
    )


def _charge(model: ModelDefinition) -> ImageCharge:
    provider = PROVIDERS[model.provider]
    return with_models(provider.dialect, provider.models, model.model_name).files.charge
