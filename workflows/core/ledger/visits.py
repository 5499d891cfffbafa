"""Whom a purse looks for by itself, and what it makes of what it finds. Pure.

A lease that has ended is no loss for the session, which draws another. The purse then asks the session what it has spent,
by a query, which costs the session's history nothing, and takes back what the session can no longer spend. So a session
that rests gives its lease back without doing anything, and one that died gives back what it surely has not spent.
"""

from datetime import datetime, timedelta
from typing import Final

from perdure.workflows.core.ledger.accounts import cleared, dismissed, free, next_day, rolled, told, trimmed
from perdure.workflows.core.ledger.state import Holder, Ledger, Waiting, with_holder
from perdure.workflows.core.state.record import replace
from perdure.workflows.definition.purse_caps import UNITS, each_cap, limit_name
from perdure.workflows.protocol.amounts import Amounts
from perdure.workflows.protocol.purse_visits import Visit, Visited
from perdure.workflows.protocol.purses import HolderReport, PurseChanged

#: Sessions that are visited at once.
AT_ONCE: Final = 50
#: After a visit that told too little, doubled each time up to the longest.
_AGAIN: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(hours=1)
#: Leases that end within so long are looked for together.
_TOGETHER: Final = timedelta(seconds=30)
#: A session that nobody could ask so often, which takes most of a day, is given up, and its lease counts as spent.
_GIVEN_UP: Final = 20
#: A session that was told that there may be enough, and has not asked again, is told once more.
_TELL_AGAIN: Final = timedelta(minutes=1)


def due(ledger: Ledger, now: datetime) -> tuple[Visit, ...]:
    """The visits that are to be made now, the first of them."""
    ledger = rolled(ledger, now)
    visits: dict[str, Visit] = {}
    for session in _served(ledger, now):
        visits[session] = Visit(session_id=session, tell=_good_news(ledger, session))
    for session, holder in ledger.holders.items():
        if holder.recall:
            tell = PurseChanged(id=_news_id(ledger, session, holder), scope=ledger.name.scope, recall=True)
            visits[session] = Visit(session_id=session, tell=tell, ask=True)
        elif session not in visits and _look_at(holder) <= now:
            visits[session] = Visit(session_id=session, ask=True)
    return tuple(visits.values())[:AT_ONCE]


def next_visit(ledger: Ledger, now: datetime) -> datetime | None:
    """When the next visit may be due; None: not by the passing of time alone."""
    times = [_look_at(holder) + _TOGETHER for holder in ledger.holders.values()]
    if ledger.waiting:
        times.append(next_day(now))
    times += [one.told_at + _TELL_AGAIN for one in ledger.waiting.values() if one.told_at is not None]
    return min(times, default=None)


def visited(
    ledger: Ledger, outcomes: tuple[Visited, ...], visits: tuple[Visit, ...], since: datetime, now: datetime
) -> Ledger:
    """What was found by these visits, which began at `since`. Who drew a lease meanwhile keeps it."""
    ledger = rolled(ledger, now)
    found = {outcome.session_id: outcome for outcome in outcomes}
    for visit in visits:
        session = visit.session_id
        outcome = found.get(session) or Visited(session_id=session, found="unknown")
        if visit.tell is not None and session in ledger.waiting and not visit.tell.recall:
            ledger = _told(ledger, session, outcome, now)
        holder = ledger.holders.get(session)
        if holder is None or not visit.ask:
            continue
        ledger = with_holder(ledger, session, replace(holder, recall=False, recalled=holder.recalled or holder.recall))
        ledger = _heard(ledger, session, outcome, since, now)
    return ledger


def _look_at(holder: Holder) -> datetime:
    return holder.until if holder.look_at is None else max(holder.until, holder.look_at)


def _served(ledger: Ledger, now: datetime) -> list[str]:
    """Sessions that wait and may get what they lack, in the order in which they came, as far as it goes."""
    sessions: list[str] = []
    promised = Amounts()
    for session, waits in ledger.waiting.items():
        if waits.told_at is not None and now - waits.told_at < _TELL_AGAIN:
            continue
        if not _fits(ledger, waits, promised):
            continue
        promised += waits.lacks
        sessions.append(session)
    return sessions


def _fits(ledger: Ledger, waits: Waiting, promised: Amounts) -> bool:
    return all(
        over - promised.of(unit) >= waits.lacks.of(unit)
        for unit in UNITS
        if waits.lacks.of(unit)
        for over, _period, _cap in free(ledger, unit, waits.caps)
    )


def _good_news(ledger: Ledger, session: str) -> PurseChanged:
    waits = ledger.waiting[session]
    caps = {limit_name(period, unit): cap for period, unit, cap in each_cap(ledger.caps)}
    return PurseChanged(
        id=_news_id(ledger, session, ledger.holders.get(session)),
        scope=ledger.name.scope,
        limit=waits.limit,
        value=caps.get(waits.limit),
        by=ledger.caps_by,
    )


def _news_id(ledger: Ledger, session: str, holder: Holder | None) -> str:
    """Another one for each state of things, and the same where an attempt to tell it is repeated."""
    number = holder.number if holder is not None else 0
    looks = holder.looks if holder is not None else 0
    told = ledger.waiting[session].told_at if session in ledger.waiting else None
    stamp = f"{told.timestamp():.0f}" if told is not None else "first"
    return f"{ledger.name.scope}.{number}.{looks}.{stamp}.{len(ledger.commands)}.{ledger.day}"


def _told(ledger: Ledger, session: str, outcome: Visited, now: datetime) -> Ledger:
    if outcome.found in ("over", "gone"):
        return replace(ledger, waiting={known: one for known, one in ledger.waiting.items() if known != session})
    # Also where nobody could be told: the next attempt is that after a while.
    waits = replace(ledger.waiting[session], told_at=now)
    return replace(ledger, waiting={**ledger.waiting, session: waits})


def _heard(ledger: Ledger, session: str, outcome: Visited, since: datetime, now: datetime) -> Ledger:
    holder, report = ledger.holders[session], outcome.report
    if outcome.found == "gone":
        return dismissed(ledger, session, now)
    if report is None or outcome.found == "unknown":
        if holder.looks >= _GIVEN_UP:
            return dismissed(ledger, session, now)
        return _later(ledger, session, now)
    if report.since != holder.since:
        # Another session has the id now.
        return dismissed(ledger, session, now)
    ledger = told(ledger, session, report.spent)
    if outcome.found == "over":
        # Nobody will tell any more what became of the calls that were open.
        return dismissed(trimmed(ledger, session, report.open), session, now)
    if not _is_over(holder, report, since):
        return ledger if holder.until > now else _later(ledger, session, now)
    ledger = trimmed(ledger, session, report.open)
    if since < holder.until:
        # The session counts on being known until then.
        return ledger
    if report.open or report.drawing:
        return _later(ledger, session, now)
    ledger = cleared(ledger, session)
    if since < _look_at(holder):
        # A request was repeated while the visit was under way. It may come again, and must find that it is known.
        return ledger
    return with_holder(ledger, session, None)


def _is_over(holder: Holder, report: HolderReport, since: datetime) -> bool:
    """The session began nothing under the lease once it had reported, whatever answers it has still to take in. The report
    was made after `since`."""
    if since >= holder.until:
        return True
    return report.until is None and not report.drawing and report.number == holder.number


def _later(ledger: Ledger, session: str, now: datetime) -> Ledger:
    holder = ledger.holders[session]
    wait = min(_AGAIN * 2 ** min(holder.looks, 10), _LONGEST)
    return with_holder(ledger, session, replace(holder, look_at=now + wait, looks=holder.looks + 1))
