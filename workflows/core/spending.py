"""Whether the limits of a turn and a session, and the purses behind them, bear what comes next. Pure.

Rule 1: the worst case has to fit before anything begins, for whatever has begun is paid for.
Rule 2: an answer is bounded more tightly rather than not given, as long as it can still make sense.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from perdure.workflows.core.budget import input_tokens, need
from perdure.workflows.core.handlers.limits import allotment_of, beyond_block, counted_by_block, narrowed_by
from perdure.workflows.core.leases import calls_leased, caps_dollars, held_for, lacks, refusal
from perdure.workflows.core.need import Need
from perdure.workflows.core.routing import answering_role, first_place, route_of
from perdure.workflows.core.state.books import Books
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.definition.agent import Cheaper, SessionLimits, TurnLimits
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.definition.route import Hop
from perdure.workflows.protocol.steps import Left
from perdure.workflows.vocabulary.errors import PRICE_UNKNOWN
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.questions import Shortfall

#: The tightest bound of an answer: this share of the model's own, and at least so many tokens.
LEAST_SHARE: Final = 0.25
LEAST_TOKENS: Final = 256

#: Of the provider, which says no numbers.
QUOTA: Final = Shortfall(scope="tenant", limit="provider")

Counted = Literal["cost_usd", "tokens", "tool_calls"]


@dataclass(frozen=True, kw_only=True)
class Bid:
    """A model call that the limits bear."""

    role: str
    hop: Hop
    #: Of one attempt.
    need: Need
    #: Tokens of output at most, where that is less than the model's own bound.
    bound: int | None = None


def next_bid(state: SessionState) -> Bid | Shortfall | ToolError:
    """The turn's next model call; what does not fit below which cap; or why nobody can say so."""
    role = answering_role(state)
    made = _bid_of(state, role)
    on_limit = state.effective_limits.on_limit
    # A block's own limit is no matter of another model.
    if not isinstance(made, Shortfall) or not isinstance(on_limit, Cheaper) or on_limit.cheaper == role:
        return made
    other = _bid_of(state, on_limit.cheaper) if route_of(state, on_limit.cheaper) else made
    return other if isinstance(other, Bid) else made


def bid(state: SessionState, role: str, hop: Hop) -> Bid | Shortfall | ToolError:
    """A call of this model; as `next_bid`."""
    unknown = _price_unknown(state, hop)
    if unknown is not None:
        return unknown
    tokens, most = input_tokens(state), hop.model.max_output_tokens
    whole = need(state, hop, tokens, most)
    short = _refused(state, whole)
    if short is None:
        return Bid(role=role, hop=hop, need=whole)
    least = min(max(int(most * LEAST_SHARE), LEAST_TOKENS), most)
    if state.behavior < 1 or least == most:
        return short
    if (refused := _refused(state, need(state, hop, tokens, least))) is not None:
        # A person is not asked for what the block could not use.
        return refused if isinstance(short, Shortfall) and isinstance(refused, ToolError) else short
    above = most
    while above - least > 1:
        middle = (least + above) // 2
        if _refused(state, need(state, hop, tokens, middle)) is None:
            least = middle
        else:
            above = middle
    return Bid(role=role, hop=hop, need=need(state, hop, tokens, least), bound=least)


def shortfall(state: SessionState, wanted: Need) -> Shortfall | None:
    """The first cap below which `wanted` does not fit; None: it fits. The price has to be known where dollars are capped."""
    names: tuple[Counted, ...] = ("tool_calls",) if wanted.tool_calls else ("cost_usd", "tokens")
    for name in names:
        for scope, top, spent in _counters(state, name):
            needs = _amount(wanted, name)
            if scope == "block":
                continue
            if needs == 0 and state.behavior >= 1:
                # What costs nothing exceeds nothing, whatever was spent under another cap.
                continue
            if spent + needs > top:
                given = _given(state, name) if scope == "session" else None
                # What its caller has set aside for a sub-agent is not for a person to raise.
                cap: float = getattr(_caps(state, scope), name)
                if given is not None and spent + needs > given:
                    cap = given
                return _short(state, scope, name, cap, spent, needs, wanted.cost_usd)
    return refusal(state, wanted)


def _refused(state: SessionState, wanted: Need) -> Shortfall | ToolError | None:
    """As `shortfall`; the error of the handler's block, where its own limit does not bear it."""
    for name in ("cost_usd", "tokens"):
        for scope, top, spent in _counters(state, name):
            if scope == "block" and (needs := _amount(wanted, name)) > 0 and spent + needs > top:
                return beyond_block(state, name, top, spent, needs)
    return shortfall(state, wanted)


def affords(state: SessionState, hop: Hop, wanted: Need) -> bool:
    """Whether the limits bear a call of this model beside the turn's own, or between two turns."""
    return _price_unknown(state, hop) is None and _refused(state, wanted) is None and not lacks(state, wanted)


def left(state: SessionState, step_id: str) -> Left | None:
    """What a step's model may take in all, whatever its attempts come to; None: as much as it likes."""
    held = held_for(state, step_id)
    dollars = [top - spent for _, top, spent in _counters(state, "cost_usd")] + ([held.cost_usd] if held else [])
    tokens = [int(top - spent) for _, top, spent in _counters(state, "tokens")] + ([held.tokens] if held else [])
    if state.behavior < 1 or not (dollars or tokens):
        return None
    return Left(usd=min(dollars, default=None), tokens=min(tokens, default=None))


def calls_left(state: SessionState) -> int | None:
    """Tool calls that may still begin; None: there is no cap."""
    tops = [max(int(top - spent), 0) for _, top, spent in _counters(state, "tool_calls")]
    return min([*tops, *calls_leased(state)], default=None)


def bears(left: Left | None, lost: Spent, attempt: Spent) -> bool:
    """Whether what is left for a step bears one more attempt, of `attempt` at worst, after those that were `lost`."""
    if left is None:
        return True
    dollars = (lost.cost_usd or 0) + (attempt.cost_usd or 0)
    tokens = sum(one.usage.input_tokens + one.usage.output_tokens for one in (lost, attempt))
    return (left.usd is None or dollars <= left.usd) and (left.tokens is None or tokens <= left.tokens)


def share(state: SessionState, part: float) -> tuple[float | None, int | None, int | None]:
    """Dollars, tokens and tool calls that a sub-agent may have: its part of what the caps leave, less what others have; None
    where there is no cap."""
    tokens, calls = (
        min((max(int((top - spent) * part), 0) for _, top, spent in _counters(state, name)), default=None)
        for name in ("tokens", "tool_calls")
    )
    turn, limits = state.turn, state.effective_limits
    own = allotment_of(state)
    in_turn_capped = limits.turn.cost_usd is not None or (own is not None and own.cost_usd is not None)
    unknown = (in_turn_capped and (turn is None or turn.books.incomplete)) or (
        limits.session.cost_usd is not None and state.books.incomplete
    )
    # What cannot be counted leaves nothing that could be given away.
    dollars = min(
        (0.0 if unknown else max(top - spent, 0.0) * part for _, top, spent in _counters(state, "cost_usd")),
        default=None,
    )
    return dollars, tokens, calls


def out_of_time(state: SessionState) -> Shortfall | None:
    """Whether models and tools have worked for as long as the turn may, now that nothing does."""
    cap, turn = state.effective_limits.turn.working_time, in_turn(state)
    if cap is None or state.behavior < 1:
        return None
    seconds, worked = cap.total_seconds(), turn.clock.worked
    if worked < max(seconds, turn.ceiling("turn", "working_time")):
        return None
    # As long again.
    return _short(state, "turn", "working_time", seconds, worked, seconds, None)


def out_of_quota(state: SessionState) -> Shortfall | None:
    """The provider's own limit that the turn has come to."""
    quota = in_turn(state).quota
    if quota is None:
        return None
    return QUOTA.model_copy(update={"spent_usd": state.books.cost_usd, "words": quota.message})


def _bid_of(state: SessionState, role: str) -> Bid | Shortfall | ToolError:
    hops = route_of(state, role)
    return bid(state, role, hops[first_place(state, role)])


def _price_unknown(state: SessionState, hop: Hop) -> ToolError | None:
    loaded, turn = state.slot.loaded, state.turn
    own = allotment_of(state)
    if not state.effective_limits.cap_costs and not caps_dollars(state) and (own is None or own.cost_usd is None):
        return None
    tried = turn.step.tried if turn is not None and turn.step is not None else ()
    counted = not (turn is not None and turn.books.incomplete) and all(one.spent.cost_usd is not None for one in tried)
    if counted and loaded is not None and hop.key in loaded.prices:
        return None
    message = f"A cost cap is set, but the price of {hop.model.use} is unknown; give it a `price:` in the definition."
    return ToolError(type=PRICE_UNKNOWN, message=message)


def _counters(state: SessionState, name: Counted) -> Iterator[tuple[Literal["block", "turn", "session"], float, float]]:
    """Each scope with a cap on this: how far it may go, and what of that is spent or set aside."""
    turn = state.turn
    if turn is not None:
        by_block = counted_by_block(state, name, _spent(state, turn.books, name) - _foreign(state, name))
        if by_block is not None:
            yield "block", *by_block
    scopes: tuple[Literal["turn", "session"], ...] = ("session",) if turn is None else ("turn", "session")
    for scope in scopes:
        cap = getattr(_caps(state, scope), name)
        if cap is not None:
            books, given = (_books(state, scope), _given(state, name) if scope == "session" else None)
            top = cap if turn is None else max(cap, turn.ceiling(scope, name))
            spent = _spent(state, books, name) - (_foreign(state, name) if scope == "turn" else 0)
            yield scope, top if given is None else min(top, given), spent


def _foreign(state: SessionState, name: Counted) -> float:
    """What is set aside for a compaction for which the turn does not pay."""
    step_id, books = state.foreign_compaction, state.books
    if step_id is None or name == "tool_calls":
        return 0
    aside: Mapping[str, float] = books.set_aside if name == "cost_usd" else books.tokens_aside
    return aside.get(step_id, 0)


def _given(state: SessionState, name: Counted) -> float | None:
    """What the session's caller has set aside for it, if it is a sub-agent's; None: no cap."""
    parent = state.new.parent
    if parent is None:
        return None
    match name:
        case "cost_usd":
            return parent.cap_usd
        case "tokens":
            return parent.cap_tokens
        case "tool_calls":
            return parent.cap_tool_calls


def _caps(state: SessionState, scope: Literal["turn", "session"]) -> TurnLimits | SessionLimits:
    limits = state.effective_limits
    return limits.turn if scope == "turn" else limits.session


def _spent(state: SessionState, books: Books, name: Counted) -> float:
    """What the models before it have cost the open step is not in the books yet."""
    turn, whole = state.turn, state.books
    tried = turn.step.tried if turn is not None and turn.step is not None else ()
    match name:
        case "cost_usd":
            open_usd = sum(one.spent.cost_usd or 0 for one in tried)
            return books.known_usd + open_usd + sum(whole.set_aside.values())
        case "tokens":
            used = sum(one.spent.usage.input_tokens + one.spent.usage.output_tokens for one in tried)
            return books.tokens + used + sum(whole.tokens_aside.values())
        case "tool_calls":
            return books.tool_calls + sum(whole.calls_aside.values())


def _books(state: SessionState, scope: Literal["turn", "session"]) -> Books:
    return state.turn.books if scope == "turn" and state.turn is not None else state.books


def _amount(wanted: Need, name: Counted) -> float:
    match name:
        case "cost_usd":
            return wanted.cost_usd or 0
        case "tokens":
            return wanted.tokens
        case "tool_calls":
            return wanted.tool_calls


def _short(
    state: SessionState,
    scope: Literal["turn", "session"],
    limit: str,
    cap: float,
    spent: float,
    needs: float,
    needs_usd: float | None,
) -> Shortfall:
    books = _books(state, scope)
    return Shortfall(
        scope=scope,
        limit=limit,
        cap=cap,
        spent=spent,
        needs=needs,
        spent_usd=spent if limit == "cost_usd" else books.cost_usd,
        needs_usd=needs_usd,
        handler=narrowed_by(state, limit) if scope == "turn" else None,
    )
