"""Which models may write a summary, in the order in which they are asked. Pure."""

from dataclasses import dataclass
from typing import Final

from perdure.workflows.core.context.cuts import start_of
from perdure.workflows.core.context.sizes import BYTES_PER_TOKEN
from perdure.workflows.core.context.windows import usable_of, window_of
from perdure.workflows.core.need import Need
from perdure.workflows.core.routing import answering_role, route_of
from perdure.workflows.core.spending import affords
from perdure.workflows.core.state.context import Mark
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.pricing import worst_case
from perdure.workflows.definition.route import Hop

#: Tokens of conversation that a model is given whose window nobody knows.
_UNKNOWN: Final = 60_000
#: Tokens of what it is told beside the conversation, at most; what a definition wants kept has 2,000 characters.
_INSTRUCTIONS: Final = 2_500


@dataclass(frozen=True)
class Summarizer:
    role: str
    #: In the role's route, from 0.
    place: int
    hop: Hop


def summarizers(state: SessionState) -> tuple[Summarizer, ...]:
    """The route of the definition's summarizer, then that of the role that answers."""
    loaded = state.slot.loaded
    if loaded is None:
        return ()
    own, answering = loaded.definition.context.summarizer, answering_role(state)
    roles = [answering] if own is None or own not in loaded.definition.models else [own, answering]
    found: dict[str, Summarizer] = {}
    for role in roles:
        for place, hop in enumerate(route_of(state, role)):
            found.setdefault(hop.key, Summarizer(role, place, hop))
    return tuple(found.values())


def room_of(state: SessionState, summarizer: Summarizer) -> int:
    """Tokens of a conversation that it can be given, beside the summary so far."""
    window = window_of(state, summarizer.hop)
    if window is None:
        return _UNKNOWN
    fold = state.context.fold
    before = fold.tokens if fold is not None else 0
    return max(usable_of(summarizer.hop, window) * 8 // 10 - before, 200)


def reserved(state: SessionState, summarizer: Summarizer, tokens: int) -> float | None:
    """Dollars that a summary costs at worst; None: the price is unknown."""
    loaded = state.slot.loaded
    price = loaded.prices.get(summarizer.hop.key) if loaded is not None else None
    return None if price is None else worst_case(price, tokens, summarizer.hop.model.max_output_tokens)


def told_tokens(state: SessionState, until: Mark, room: int) -> int:
    """Tokens of the request for a summary of the messages before `until`, at most."""
    fold = state.context.fold
    start = start_of(state.context)
    told = min((until.size - start.size) // BYTES_PER_TOKEN, room * BYTES_PER_TOKEN)
    return told + (fold.size // BYTES_PER_TOKEN if fold is not None else 0) + _INSTRUCTIONS


def is_affordable(state: SessionState, summarizer: Summarizer, usd: float | None, tokens: int) -> bool:
    """Whether the limits bear a summary that takes so much at worst; `tokens` are those of its request."""
    return affords(state, summarizer.hop, need_of(summarizer, usd, tokens))


def need_of(summarizer: Summarizer, usd: float | None, tokens: int) -> Need:
    """What a summary takes at worst."""
    return Need(cost_usd=usd, tokens=tokens + summarizer.hop.model.max_output_tokens)
