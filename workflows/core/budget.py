"""What the next model call may cost. Pure.

Rule: an estimate that decides over money errs upwards.
"""

from perdure.workflows.core.context.estimate import beside, media_tokens, shown_size
from perdure.workflows.core.context.sizes import BYTES_PER_TOKEN as BYTES_PER_TOKEN
from perdure.workflows.core.endings import nudge_after, told
from perdure.workflows.core.handlers.answers import length_of
from perdure.workflows.core.handlers.steps import asking_of, most_bytes
from perdure.workflows.core.need import Need
from perdure.workflows.core.routing import first_hop
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.pricing import Spent, spent, worst_case
from perdure.workflows.definition.route import Hop
from perdure.workflows.protocol.steps import Nudge
from perdure.workflows.vocabulary.parts import Usage


def nudge(state: SessionState) -> Nudge | None:
    """What the next request says at its end."""
    if asking_of(state) is not None:
        return None
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
    asking = asking_of(state)
    if asking is not None:
        return min(shown_size(state) + length_of(asking), most_bytes(asking)) // BYTES_PER_TOKEN
    added = nudge(state)
    misfit = state.turn.misfit if state.turn is not None else None
    size = shown_size(state) + beside(state) + (len(told(added, misfit).encode()) if added else 0)
    return size // BYTES_PER_TOKEN + media_tokens(state)
