"""What the next model call may cost, and whether the limits still bear it. Pure.

Rule: an estimate that decides over money errs upwards.
"""

from pydantic_core import to_json

from perdure.workflows.core.endings import NUDGES, nudge_after
from perdure.workflows.core.media_tokens import tokens_of
from perdure.workflows.core.routing import first_hop
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.pricing import Spent, spent, worst_case
from perdure.workflows.definition.providers.dialect import ImageCharge
from perdure.workflows.definition.providers.known import with_models
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.definition.route import Hop
from perdure.workflows.protocol.steps import Nudge
from perdure.workflows.vocabulary.errors import BUDGET_EXCEEDED, PRICE_UNKNOWN
from perdure.workflows.vocabulary.events import TurnEnd
from perdure.workflows.vocabulary.parts import ToolError, Usage

#: Bytes of JSON a token is worth, low on purpose.
BYTES_PER_TOKEN = 3


def nudge(state: SessionState) -> Nudge | None:
    """What the next request says at its end."""
    return nudge_after(state.turn.stop, state.turn.odd) if state.turn is not None else None


def reserve(state: SessionState, hop: Hop | None = None) -> float | None:
    """Dollars that the next model call costs at worst, or None where the price is unknown. `hop` None: of the model that
    the next step begins with."""
    hop, loaded = hop or first_hop(state), state.slot.loaded
    price = loaded.prices.get(hop.key) if loaded is not None and hop is not None else None
    if price is None or hop is None:
        return None
    return worst_case(price, input_tokens(state), hop.model.max_output_tokens)


def tokens_at_worst(state: SessionState, hop: Hop | None = None) -> int:
    """Tokens of input and output that the next model call uses at most."""
    hop = hop or first_hop(state)
    return input_tokens(state) + (hop.model.max_output_tokens if hop is not None else 0)


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


def over_budget(
    state: SessionState, turn: Turn, reserved: float | None, hop: Hop | None = None
) -> tuple[TurnEnd, ToolError] | None:
    """How the turn ends because its next model call, of `reserved` dollars at worst, may not be made; None: it may."""
    limits = state.effective_limits
    if not limits.cap_costs:
        return None
    # What the models before it have cost the open step is not in the books yet.
    open_usd = [one.spent.cost_usd for one in turn.step.tried] if turn.step is not None else []
    known = [one for one in (turn.books.cost_usd, *open_usd) if one is not None]
    turn_usd = sum(known) if len(known) == len(open_usd) + 1 else None
    if reserved is None or turn_usd is None:
        hop = hop or first_hop(state)
        name = hop.model.use if hop is not None else "the model"
        message = f"A cost cap is set, but the price of {name} is unknown; give it a `price:` in the definition."
        return "failed", ToolError(type=PRICE_UNKNOWN, message=message)
    for what, cap, known_usd in (
        ("turn", limits.turn.cost_usd, turn_usd),
        ("session", limits.session.cost_usd, state.books.known_usd + sum(known) - (turn.books.cost_usd or 0)),
    ):
        if cap is not None and known_usd + reserved > cap:
            message = (
                f"The next model call may cost up to ${reserved:.4f}; with ${known_usd:.4f} spent, that would exceed "
                f"the {what}'s cap of ${cap:.2f}."
            )
            return "budget", ToolError(type=BUDGET_EXCEEDED, message=message)
    return None
