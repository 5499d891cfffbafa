"""What a purse makes of a session's request. Pure.

How much is granted: at least what the session lacks, or nothing. Beyond it a part of what is free, smaller the more
sessions share it, so that many calls cost one request while there is much, and a purse that is nearly empty still serves
everybody in small portions.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from perdure.workflows.core.ledger.accounts import (
    charged,
    cleared,
    dismissed,
    free,
    in_units,
    out_of_units,
    revived,
    rolled,
    told,
    trimmed,
)
from perdure.workflows.core.ledger.state import KEPT, Gone, Holder, Ledger, Waiting, with_holder
from perdure.workflows.core.state.record import replace
from perdure.workflows.definition.purse_caps import UNITS, Unit, each_cap, limit_name
from perdure.workflows.protocol.amounts import FIELDS, Amounts
from perdure.workflows.protocol.purses import LEASE, AllowedOver, Draw, Drawn, Refusal

#: A lease is wanted for as many steps like the next one at their worst; most cost far less.
STEPS: Final = 32
#: And for as many tool calls, of which a step does not tell how many come.
TOOL_CALLS: Final = 64
#: Beyond what it needs, a session gets at most this part of what is free.
PARTS: Final = 8
#: A request is not repeated for longer than this after it arrived.
REPEATS: Final = timedelta(minutes=10)
#: A lease that was not renewed for so long, or whose session was refused, is asked back where another session needs it.
IDLE: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Taken:
    """A request as the purse took it in."""

    ledger: Ledger
    drawn: Drawn


def draw(ledger: Ledger, session: str, asked: Draw, now: datetime) -> Taken:
    """Takes in what a session says and grants what it asks for, or refuses. A request that is repeated is answered alike;
    one that was refused is looked at again."""
    ledger = rolled(ledger, now)
    holder, gone = ledger.holders.get(session), ledger.gone.get(session)
    if holder is not None and holder.since != asked.since:
        # The session of this id that there was before has been erased.
        ledger, holder = dismissed(ledger, session, now), None
    elif holder is None and gone is not None and gone.since == asked.since and asked.number <= gone.number:
        return Taken(ledger, Drawn(number=asked.number, granted=gone.spent, until=now))
    if holder is not None and asked.number <= holder.number and not _asks_again(holder, asked):
        if asked.number < holder.number:
            return Taken(ledger, Drawn(number=asked.number, granted=holder.granted, until=now))
        # It may come yet again, and must find that it is known.
        kept = replace(holder, look_at=max(holder.look_at or now, now + REPEATS))
        return Taken(with_holder(ledger, session, kept), holder.answer)
    ledger = _settled(ledger, session, asked, now, gone)
    if asked.closes:
        ledger = trimmed(ledger, session, asked.open)
        ledger = replace(ledger, waiting=_without(ledger.waiting, session))
        return Taken(dismissed(ledger, session, now), Drawn(number=asked.number, granted=asked.spent, until=now))
    return _granted(ledger, session, asked, now)


def _asks_again(holder: Holder, asked: Draw) -> bool:
    return asked.number == holder.number and holder.answer.refused is not None


def _settled(ledger: Ledger, session: str, asked: Draw, now: datetime, gone: Gone | None) -> Ledger:
    """With the session as a holder that has told what it spent."""
    if session not in ledger.holders:
        fresh = Holder(
            since=asked.since,
            number=asked.number,
            granted=asked.spent,
            spent=asked.spent,
            until=now,
            answer=Drawn(number=asked.number, granted=asked.spent, until=now),
            drawn_at=now,
        )
        if gone is not None and gone.since == asked.since:
            ledger = replace(ledger, gone={known: one for known, one in ledger.gone.items() if known != session})
            ledger = with_holder(ledger, session, revived(gone, fresh))
        else:
            # Whoever asked the session after its lease had ended has settled all of it; otherwise this purse is a new one.
            ledger = ledger if asked.lapsed else charged(ledger, asked.spent - asked.settled)
            ledger = with_holder(ledger, session, fresh)
    ledger = told(ledger, session, asked.spent)
    return ledger if asked.open else cleared(ledger, session)


def _granted(ledger: Ledger, session: str, asked: Draw, now: datetime) -> Taken:
    holder = ledger.holders[session]
    lacks = asked.open + asked.needs - holder.leased
    refused = None if asked.allowance is not None else _refusal(ledger, session, asked, lacks, now)
    ledger = replace(ledger, waiting=_without(ledger.waiting, session))
    if refused is not None:
        answer = Drawn(
            number=asked.number,
            granted=holder.granted,
            until=holder.until,
            refused=refused,
            caps_dollars=_caps_dollars(ledger),
        )
        waits = Waiting(lacks=lacks, caps=asked.caps, limit=refused.limit)
        ledger = replace(ledger, waiting={**ledger.waiting, session: waits})
    else:
        if asked.allowance is not None:
            ledger = _noted(ledger, session, asked, lacks, now)
        granted = holder.granted + lacks + _more(ledger, session, asked, lacks)
        answer = Drawn(
            number=asked.number,
            granted=granted,
            until=now + LEASE,
            capped=ledger.caps.caps_spending,
            caps_dollars=_caps_dollars(ledger),
        )
    holder = replace(
        holder,
        number=asked.number,
        granted=answer.granted,
        open=asked.open,
        until=answer.until,
        answer=answer,
        drawn_at=now,
        recall=False,
        recalled=False,
        # Its request may be repeated until it is looked at next.
        look_at=now + LEASE,
        looks=0,
    )
    ledger = with_holder(ledger, session, holder)
    if refused is not None and refused.again:
        ledger = _asking_back(ledger, session, now)
    return Taken(ledger, answer)


def _refusal(ledger: Ledger, session: str, asked: Draw, lacks: Amounts, now: datetime) -> Refusal | None:
    """By the cap that leaves the least for what is lacking; None: all of them bear it."""
    leased = ledger.holders[session].leased
    worst: Refusal | None = None
    least = 0
    left: dict[str, int] = {}
    for unit in UNITS:
        lacking, has = lacks.of(unit), leased.of(unit) - asked.open.of(unit)
        left[FIELDS[unit]] = max(has, 0) + lacking
        for over, period, cap in free(ledger, unit, asked.caps):
            left[FIELDS[unit]] = min(left[FIELDS[unit]], max(has + max(over, 0), 0))
            if lacking > 0 and over < lacking and (worst is None or over - lacking < least):
                least = over - lacking
                others = ledger.leased.of(unit) - leased.of(unit)
                worst = Refusal(
                    limit=limit_name(period, unit),
                    cap=cap,
                    spent=out_of_units(unit, ledger.spent.of(period).of(unit)),
                    leased=out_of_units(unit, ledger.leased.of(unit)),
                    needs=out_of_units(unit, asked.needs.of(unit)),
                    again=in_units(unit, cap) - ledger.spent.of(period).of(unit) - leased.of(unit) >= lacking
                    and others > 0
                    and _can_ask_back(ledger, session, unit, lacking - over, now),
                )
    return None if worst is None else worst.model_copy(update={"left": Amounts(**left)})


def _can_ask_back(ledger: Ledger, session: str, unit: Unit, wanted: int, now: datetime) -> bool:
    back = sum(
        (holder.leased - holder.open).of(unit)
        for known, holder in ledger.holders.items()
        if known != session and (holder.recall or _is_idle(holder, now))
    )
    return back >= wanted


def _is_idle(holder: Holder, now: datetime) -> bool:
    if holder.recalled:
        return False
    # A session that was refused with nothing open has too little for anything that it is about to do.
    stuck = holder.answer.refused is not None and not holder.open
    return stuck or now - holder.drawn_at >= IDLE


def _asking_back(ledger: Ledger, session: str, now: datetime) -> Ledger:
    """With all idle leases but the session's own to be asked back."""
    for known, holder in ledger.holders.items():
        if known != session and _is_idle(holder, now) and holder.leased - holder.open:
            ledger = with_holder(ledger, known, replace(holder, recall=True))
    return ledger


def _more(ledger: Ledger, session: str, asked: Draw, lacks: Amounts) -> Amounts:
    """What is granted beyond what the session lacks."""
    if not asked.needs:
        # It only says that it waits no more.
        return Amounts()
    holder = ledger.holders[session]
    share = max(PARTS, 2 * len(ledger.holders))
    more: dict[str, int] = {}
    for unit in UNITS:
        wanted = asked.needs.of(unit) * STEPS if unit != "tool_calls" else max(asked.needs.of(unit), TOOL_CALLS)
        room = wanted - max(holder.leased.of(unit) - asked.open.of(unit), 0) - lacks.of(unit)
        for over, _period, _cap in free(ledger, unit, asked.caps):
            room = min(room, (over - lacks.of(unit)) // share)
        more[FIELDS[unit]] = max(room, 0)
    return Amounts(**more)


def _caps_dollars(ledger: Ledger) -> bool:
    return any(unit == "cost_usd" for _, unit, _ in each_cap(ledger.caps))


def _noted(ledger: Ledger, session: str, asked: Draw, lacks: Amounts, now: datetime) -> Ledger:
    """With what the allowance lets the session have beyond the caps."""
    allowance = asked.allowance
    assert allowance is not None
    over: dict[str, int] = {}
    for unit in UNITS:
        least = min((leaves for leaves, _, _ in free(ledger, unit, asked.caps)), default=lacks.of(unit))
        over[FIELDS[unit]] = max(lacks.of(unit) - max(least, 0), 0)
    beyond = Amounts(**over)
    if not beyond:
        return ledger
    key = (session, allowance.id)
    before = [one for one in ledger.allowed if (one.session_id, one.question_id) == key]
    others = tuple(one for one in ledger.allowed if one not in before)
    amounts = sum((one.amounts for one in before), beyond)
    entry = AllowedOver(question_id=allowance.id, session_id=session, at=now, by=allowance.by, amounts=amounts)
    return replace(ledger, allowed=(*others, entry)[-KEPT:])


def _without(waiting: dict[str, Waiting], session: str) -> dict[str, Waiting]:
    return {known: one for known, one in waiting.items() if known != session}
