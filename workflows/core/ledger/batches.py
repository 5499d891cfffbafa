"""What a purse makes of requests of several sessions that come together. Pure.

Rule: what is wrong with one session's request, or with what the purse knows of that session, costs the others nothing.
"""

from datetime import datetime

from perdure.workflows.core.ledger.drawing import Taken, draw
from perdure.workflows.core.ledger.state import Ledger
from perdure.workflows.protocol.purses import FAULT, Draw, Drawn, Refusal


def draw_each(ledger: Ledger, draws: dict[str, Draw], now: datetime) -> tuple[Ledger, dict[str, Drawn]]:
    """Takes the requests in, by session id. One at which the purse fails changes nothing and is refused with `FAULT`."""
    drawn: dict[str, Drawn] = {}
    for session, asked in draws.items():
        try:
            taken = draw(ledger, session, asked, now)
        except Exception as fault:
            taken = _failed(ledger, session, asked, fault, now)
        ledger, drawn[session] = taken.ledger, taken.drawn
    return ledger, drawn


def _failed(ledger: Ledger, session: str, asked: Draw, fault: Exception, now: datetime) -> Taken:
    holder = ledger.holders.get(session)
    words = f"The budget of the {ledger.name.scope} {ledger.name.id} failed at this request: {type(fault).__name__}: {fault}"
    refused = Refusal(limit=FAULT, cap=0, spent=0, leased=0, needs=0, words=words)
    granted = holder.granted if holder is not None else asked.spent
    until = holder.until if holder is not None else now
    return Taken(ledger, Drawn(number=asked.number, granted=granted, until=until, refused=refused))
