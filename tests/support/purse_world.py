"""A purse and the sessions that draw on it, in a world that loses, repeats and delays what they tell each other, where
sessions die at any moment. Pure: both sides are the real core.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from perdure.workflows.core.draft import Draft
from perdure.workflows.core.fold import apply
from perdure.workflows.core.fold_leases import called, charged
from perdure.workflows.core.lease_changes import LeaseAllowed, LeaseAnswered, LeaseEnded, LeaseReserved, PurseHasMore
from perdure.workflows.core.leases import amounts_of, ask, end_leases, give_back, lacks, lease_report, refusal
from perdure.workflows.core.ledger.caps import set_caps
from perdure.workflows.core.ledger.drawing import draw
from perdure.workflows.core.ledger.runs import LedgerInput
from perdure.workflows.core.ledger.state import Ledger, new_ledger
from perdure.workflows.core.ledger.visits import due, visited
from perdure.workflows.core.need import Need
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, dump_state, new_state, read_state
from perdure.workflows.definition.agent import Caps, Limits, PurseLimits
from perdure.workflows.protocol.amounts import Amounts, nano_usd
from perdure.workflows.protocol.purse_visits import Visit, Visited
from perdure.workflows.protocol.purses import Allowance, Draw, Drawn, LeasesDrawn, PurseName, SetCaps
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.vocabulary.parts import Usage
from tests.support.core import agent

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
NAME = PurseName(tenant="acme", scope="user", id="ada")


@dataclass
class Drawing:
    """A session that draws on the purse."""

    session_id: str
    state: SessionState
    #: What open calls really cost in the end, by step.
    calls: dict[str, Amounts] = field(default_factory=dict)
    #: The request whose answer the session waits for.
    request: Draw | None = None
    made: int = 0
    #: Since when it closes.
    closing: datetime | None = None
    #: It does nothing more, and can still be asked.
    over: bool = False
    #: Nobody knows anything of it any more.
    erased: bool = False


class PurseWorld:
    """`step` lets something happen, by chance. What was really spent is kept beside what the purse believes."""

    def __init__(
        self,
        seed: int,
        *,
        day: float,
        total: float,
        tokens: int | None = None,
        sessions: int = 6,
        missed: float = 0,
    ) -> None:
        """`missed`: the part of the visits that do not find a session which is there."""
        self.missed = missed
        self.rng = random.Random(seed)
        self.now = START
        self.ledger: Ledger = new_ledger(NAME, self.now)
        self.limits = PurseLimits(day=Caps(cost_usd=day), total=Caps(cost_usd=total, tokens=tokens))
        #: It is the definition that caps, and not the purse.
        self.told = self.rng.random() < 0.5
        if not self.told:
            self.set_caps(day, total)
        self.sessions = [self._new(f"s{number}") for number in range(sessions)]
        #: Requests that may come again.
        self.late: list[tuple[str, Draw, datetime]] = []
        self.visits: tuple[Visit, ...] = ()
        self.heard: dict[str, Visited] = {}
        self.set_out = self.now
        #: What was really spent: in all, and on the day that it is.
        self.spent = Amounts()
        self.today = Amounts()
        self.calls = 0
        self.requests = 0
        #: A session ended with a call open, or was erased, so nobody could tell what it had spent.
        self.untold = False

    def step(self, extra: tuple[str, ...] = ()) -> None:
        """One thing happens; `extra` are kinds of things that not every world has."""
        usual = ["call"] * 8 + ["end"] * 8 + ["deliver"] * 10 + ["wait"] * 4 + ["hear"] * 4 + ["visit"] * 4
        kind = self.rng.choice([*usual, "repeat", "restart", "close", "rest", *extra])
        getattr(self, f"_{kind}")()

    def settle(self) -> None:
        """Everybody closes, and the purse has all the time that it takes to find out about all of them."""
        for one in self.sessions:
            for key in list(one.calls):
                self._finish(one, key)
            for _ in range(3):
                self._answer(one)
            if not one.over:
                self._closing(one)
                self._answer(one)
        for _ in range(60):
            self.now += timedelta(hours=1)
            while visits := due(self.ledger, self.now):
                self.visits = visits
                self.heard = {visit.session_id: self._ask(visit) for visit in visits}
                self.ledger = visited(self.ledger, tuple(self.heard.values()), visits, self.now, self.now)
        self.visits, self.heard = (), {}

    def set_caps(self, day: float, total: float) -> None:
        self.requests_of_caps = getattr(self, "requests_of_caps", 0) + 1
        caps = SetCaps(id=f"c{self.requests_of_caps}", caps={"day": {"cost_usd": day}, "total": {"cost_usd": total}})
        tokens = self.limits.total.tokens if self.limits.total is not None else None
        if tokens is not None:
            caps = SetCaps(id=caps.id, caps={**caps.caps, "total": {"cost_usd": total, "tokens": tokens}})
        self.ledger = set_caps(self.ledger, caps, self.now)

    # Sessions.

    def _new(self, session_id: str) -> Drawing:
        purses: dict[str, object] = {} if self.told else {"user": ()}
        new = NewSession.model_validate(
            {"tenant": "acme", "session_id": session_id, "agent": "plain", "digest": "d1", "purses": purses}
        )
        state = new_state(new, self.now)
        limits = Limits(user=self.limits) if self.told else Limits()
        return Drawing(session_id, replace(state, slot=state.slot.with_loaded(agent(limits=limits))))

    def _some(self) -> Drawing | None:
        alive = [one for one in self.sessions if not one.over]
        return self.rng.choice(alive) if alive else None

    def _call(self) -> None:
        """A model call or a tool call begins, as far as the purse lets it."""
        one = self._some()
        if one is None or one.closing:
            return
        if self.rng.random() < 0.3:
            self._tools(one, Need(tool_calls=self.rng.randint(1, 4)))
            return
        need = Need(cost_usd=self.rng.choice([0.001, 0.01, 0.05, 0.3]), tokens=self.rng.randint(10, 3_000))
        if not self._may(one, need):
            return
        one.made += 1
        key = f"t1.s{one.made}"
        one.state = apply(one.state, LeaseReserved(step_id=key, amounts=amounts_of(need)))
        part = self.rng.choice([0.0, 0.05, 0.2, 0.5, 1.0])
        one.calls[key] = Amounts(nano_usd=nano_usd((need.cost_usd or 0) * part), tokens=int(need.tokens * part))
        self.calls += 1

    def _tools(self, one: Drawing, need: Need) -> None:
        if self._may(one, need):
            one.state = called(one.state, need.tool_calls)
            self._spend(Amounts(tool_calls=need.tool_calls))

    def _may(self, one: Drawing, need: Need) -> bool:
        """Whether it may begin now; asks the purse where the lease does not bear it."""
        if refusal(one.state, need) is not None:
            return False
        draft = Draft(one.state, self.now)
        asks = lacks(one.state, need)
        if asks and one.request is None:
            [effect] = ask(draft, amounts_of(need))
            one.request = effect.request.draws["user"]
            self.requests += 1
        ended = not asks and end_leases(draft)
        one.state = draft.state
        return not asks and not ended

    def _end(self) -> None:
        one = self._some()
        if one is not None and one.calls:
            self._finish(one, self.rng.choice(list(one.calls)))

    def _finish(self, one: Drawing, key: str) -> None:
        real = one.calls.pop(key)
        self._spend(real)
        if not one.over:
            usage = Usage(input_tokens=real.tokens, output_tokens=0)
            one.state = charged(one.state, key, usage, real.cost_usd)

    def _spend(self, amounts: Amounts) -> None:
        self.spent += amounts
        self.today += amounts

    def _rest(self) -> None:
        """A turn of a session ends."""
        one = self._some()
        if one is not None and not one.calls:
            held = {scope: replace(held, refused=None) for scope, held in one.state.leases.held.items()}
            one.state = replace(one.state, leases=replace(one.state.leases, held=held))

    def _leave(self) -> None:
        """A session that was refused waits no more."""
        one = self._some()
        held = one.state.leases.held.get("user") if one is not None else None
        if one is not None and held is not None and held.waits and one.request is None and not one.closing:
            draft = Draft(one.state, self.now)
            [effect] = ask(draft, Amounts())
            one.state, one.request = draft.state, effect.request.draws["user"]

    def _close(self) -> None:
        one = self._some()
        if one is not None and not one.calls and one.request is None and self.rng.random() < 0.3:
            self._closing(one)

    def _closing(self, one: Drawing) -> None:
        draft = Draft(one.state, self.now)
        for effect in give_back(draft):
            one.request = effect.request.draws.get("user")
        one.state, one.closing = draft.state, self.now
        one.over = one.request is None

    def _die(self) -> None:
        """A session is terminated, whatever it does."""
        one = self._some()
        if one is not None and self.rng.random() < 0.3:
            self.untold |= bool(one.calls)
            one.over = True

    def _erase(self) -> None:
        """A session is terminated and erased; another may take its id."""
        one = self._some()
        if one is not None and self.rng.random() < 0.3:
            for key in list(one.calls):
                self._finish(one, key)
            one.over = one.erased = self.untold = True
            if self.rng.random() < 0.5:
                self.now += timedelta(seconds=1)
                self.sessions.append(self._new(one.session_id))

    def _allow(self) -> None:
        """Somebody lets a session go on over the caps."""
        one = self._some()
        if one is not None and "user" in one.state.leases.held:
            allowance = Allowance(id=f"q{one.session_id}.{one.made}")
            one.state = apply(one.state, LeaseAllowed(scope="user", allowance=allowance))

    # Between the two.

    def _deliver(self) -> None:
        one = self._some()
        if one is not None:
            self._answer(one, lost=self.rng.random() < 0.3)

    def _answer(self, one: Drawing, *, lost: bool = False) -> None:
        """An attempt at a session's request reaches the purse; the answer may be lost."""
        if one.request is None or one.over:
            return
        if one.closing is not None and self.now - one.closing > timedelta(minutes=1):
            # It does not wait for longer.
            one.over = True
            return
        asked = one.request
        drawn = self._draw(one.session_id, asked)
        self.late.append((one.session_id, asked, self.now))
        if lost or (drawn.refused is not None and drawn.refused.again and self.rng.random() < 0.7):
            return
        one.request = None
        one.state = apply(one.state, LeaseAnswered(answer=LeasesDrawn(drawn={"user": drawn})))
        one.over = one.closing is not None

    def _draw(self, session_id: str, asked: Draw) -> Drawn:
        before = self.ledger
        taken = draw(self.ledger, session_id, asked, self.now)
        self.ledger = taken.ledger
        assert taken.drawn.number == asked.number
        if asked.allowance is None:
            self._check_grant(before, asked)
        return taken.drawn

    def _check_grant(self, before: Ledger, asked: Draw) -> None:
        """Nothing is granted beyond a cap."""
        if not self.ledger.leased - before.leased:
            return
        for caps in (self.ledger.caps, *asked.caps):
            for period, spent in (("day", self.ledger.spent.day), ("total", self.ledger.spent.total)):
                capped = caps.day if period == "day" else caps.total
                if capped is None:
                    continue
                if capped.cost_usd is not None and (self.ledger.leased - before.leased).nano_usd:
                    assert spent.nano_usd + self.ledger.leased.nano_usd <= nano_usd(capped.cost_usd)
                if capped.tokens is not None and (self.ledger.leased - before.leased).tokens:
                    assert spent.tokens + self.ledger.leased.tokens <= capped.tokens

    def _repeat(self) -> None:
        """A request that was sent long ago arrives once more."""
        self.late = [one for one in self.late if self.now - one[2] < timedelta(minutes=8)]
        if self.late:
            session_id, asked, _ = self.rng.choice(self.late)
            self._draw(session_id, asked)

    def _visit(self) -> None:
        """The purse sets out to visit sessions, or makes something of what it has heard."""
        if not self.visits:
            self.visits = due(self.ledger, self.now)
            self.heard, self.set_out = {}, self.now
        elif len(self.heard) == len(self.visits) or self.rng.random() < 0.2:
            self.ledger = visited(self.ledger, tuple(self.heard.values()), self.visits, self.set_out, self.now)
            self.visits, self.heard = (), {}

    def _hear(self) -> None:
        """One of them is reached."""
        left = [visit for visit in self.visits if visit.session_id not in self.heard]
        if left:
            visit = self.rng.choice(left)
            self.heard[visit.session_id] = self._ask(visit)

    def _ask(self, visit: Visit) -> Visited:
        found = [one for one in self.sessions if one.session_id == visit.session_id]
        one = found[-1]
        if one.erased:
            return Visited(session_id=visit.session_id, found="gone")
        if self.missed and not one.over and self.rng.random() < self.missed:
            # Where it does not ask again before all is over, its lease stays charged.
            self.untold = True
            return Visited(session_id=visit.session_id, found="gone")
        if not one.over and self.rng.random() < 0.1:
            return Visited(session_id=visit.session_id, found="unknown")
        if visit.tell is not None and not one.over:
            change = LeaseEnded(scope="user") if visit.tell.recall else PurseHasMore(scope="user")
            one.state = apply(one.state, change)
            one.state = replace(one.state, leases=_unrefused(one.state))
        report = lease_report(one.state, "user") if visit.ask else None
        return Visited(session_id=visit.session_id, found="over" if one.over else "open", report=report)

    # Time, and those who set caps.

    def _wait(self) -> None:
        for one in self.sessions:
            # A call that outlives its session ends by itself, and is paid for.
            if one.over:
                for key in list(one.calls):
                    self._finish(one, key)
        longer = self.rng.choice([1, 5, 30, 90, 400, 1_300, 4_000])
        if self.rng.random() < 0.02:
            longer = 60_000
        before = self.now.date()
        self.now += timedelta(seconds=longer)
        if self.now.date() != before:
            self.today = Amounts()

    def _cap(self) -> None:
        if not self.told:
            self.set_caps(self.rng.choice([0.0, 0.2, 1.0, 5.0]), self.rng.choice([0.5, 5.0, 50.0]))

    def _restart(self) -> None:
        """Both sides continue as new."""
        self.ledger = handed_over(self.ledger)
        one = self._some()
        if one is not None:
            one.state = read_state(dump_state(one.state))


def handed_over(ledger: Ledger) -> Ledger:
    """As the next run of a purse has it."""
    carried = LedgerInput.model_validate_json(LedgerInput(carried=ledger).model_dump_json()).carried
    assert carried is not None
    return carried


def _unrefused(state: SessionState):  # type: ignore[no-untyped-def]
    """A session that was told asks again with its next call."""
    held = {
        scope: replace(one, refused=None, retry=False) if one.retry else one for scope, one in state.leases.held.items()
    }
    return replace(state.leases, held=held)
