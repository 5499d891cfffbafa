"""How much a model can read at once: what the definition or the price list says, and what its errors said. Pure."""

from dataclasses import dataclass

from perdure.workflows.core.state.context import KEPT_WINDOWS, Context
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.route import Hop


def window_of(state: SessionState, hop: Hop) -> int | None:
    """Tokens; None: unknown."""
    loaded = state.slot.loaded
    known = hop.model.context_window or (loaded.windows.get(hop.key) if loaded is not None else None)
    learnt = state.context.windows.get(hop.model.use)
    return min((one for one in (known, learnt) if one is not None), default=None)


@dataclass(frozen=True)
class Room:
    """Tokens of a request to one model."""

    #: What it takes beside its answer.
    usable: int
    #: Above this, the older part is summarised.
    soft: int
    #: What the recent part may fill.
    recent: int


def room_in(state: SessionState, hop: Hop, window: int) -> Room:
    usable = usable_of(hop, window)
    policy = state.slot.loaded.definition.context if state.slot.loaded is not None else None
    compact_at, keep_recent = (policy.compact_at, policy.keep_recent) if policy is not None else (1.0, 0.5)
    return Room(usable=usable, soft=int(usable * compact_at), recent=int(usable * keep_recent))


def usable_of(hop: Hop, window: int) -> int:
    """Tokens of a window that a request may fill, so that there is room for the answer."""
    return window - min(hop.model.max_output_tokens, window // 2)


def learnt(context: Context, model: str, window: int) -> Context:
    """With what an error said of a model."""
    windows = {one: size for one, size in context.windows.items() if one != model} | {model: window}
    while len(windows) > KEPT_WINDOWS:
        del windows[next(iter(windows))]
    return replace(context, windows=windows)


def outgrown(context: Context, model: str, tokens: int) -> Context:
    """Where the model has read more than an error seemed to say, it does not count any more."""
    if context.windows.get(model, tokens) >= tokens:
        return context
    return replace(context, windows={one: size for one, size in context.windows.items() if one != model})
