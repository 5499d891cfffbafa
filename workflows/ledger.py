"""The purse of a user or a tenant: an entity workflow over the pure core in `core/ledger`.

Workflow ids are `{tenant}/user/{id}` and `{tenant}/tenant/{id}`. It begins with the first request or the first cap, and
never ends. Nothing that is asked of it is awaited here: an update changes the state and answers at once, so no session
holds up another. By itself it only visits sessions, one activity at a time: leases that have ended, sessions that wait.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NoReturn, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.workflow import ContinueAsNewVersioningBehavior as Behavior

from perdure.workflows.core.ledger.batches import draw_each
from perdure.workflows.core.ledger.caps import announced, announcement, set_caps
from perdure.workflows.core.ledger.report import details, purse_state
from perdure.workflows.core.ledger.runs import LedgerInput
from perdure.workflows.core.ledger.state import Ledger, new_ledger
from perdure.workflows.core.ledger.visits import due, next_visit, visited
from perdure.workflows.protocol.purse_activities import visit_sessions
from perdure.workflows.protocol.purse_visits import SessionsVisited, Visit, VisitSessions
from perdure.workflows.protocol.purses import (
    CAPPED,
    FAULT,
    Draws,
    DrawsTaken,
    PurseChanged,
    PurseState,
    PurseStateRequest,
    SetCaps,
)
from perdure.workflows.running.activity_options import visit_config
from perdure.workflows.vocabulary.errors import INVALID_REQUEST

R = TypeVar("R")

#: Updates, and history events, after which a run hands over once no visit is under way.
MAX_UPDATES: Final = 1_000
MAX_EVENTS: Final = 2_000
#: Updates, history events and bytes of history after which a visit is given up for it, which the next run makes again.
#: The server refuses a run's 2,001st update, and ends a run of 51,200 events or 50 MB.
MOST_UPDATES: Final = 1_500
MOST_EVENTS: Final = 10_000
MOST_BYTES: Final = 16 * 1024 * 1024


@workflow.defn(name="LedgerWorkflow")
class LedgerWorkflow:
    @workflow.init
    def __init__(self, start: LedgerInput) -> None:
        if start.carried is not None:
            self._ledger = start.carried
        elif start.name is not None:
            self._ledger = new_ledger(start.name, workflow.now())
        else:
            raise ApplicationError("a purse starts with `name` or `carried`", non_retryable=True)
        self._updates = 0
        #: The ledger has changed since it was looked for something to do.
        self._news = True
        #: When the timer goes off that is running.
        self._wakes_at: datetime | None = None
        #: The visit that is under way.
        self._visiting: workflow.ActivityHandle[SessionsVisited] | None = None
        self._describe()

    @workflow.run
    async def run(self, start: LedgerInput) -> None:
        while True:
            if self._is_over():
                await workflow.wait_condition(workflow.all_handlers_finished)
                _hand_over(self._ledger)
            self._news = False
            visits, news = due(self._ledger, workflow.now()), announcement(self._ledger)
            if visits or news is not None:
                await self._visit(visits, news)
            else:
                await self._wait()

    async def _visit(self, visits: tuple[Visit, ...], news: PurseChanged | None) -> None:
        summary, since = f"visit {len(visits)} sessions", workflow.now()
        try:
            self._visiting = workflow.start_activity(
                visit_sessions, VisitSessions(visits=visits, at_work=news), **visit_config(summary)
            )
            found = await self._visiting
        except ActivityError as failure:
            if is_cancelled_exception(failure):
                return
            workflow.logger.warning("sessions_unreachable", extra={"error": str(failure.cause or failure)})
            found = SessionsVisited(visited=())
        finally:
            self._visiting = None
        self._become(announced(visited(self._ledger, found.visited, visits, since, workflow.now()), news))

    async def _wait(self) -> None:
        now = workflow.now()
        self._wakes_at = at = next_visit(self._ledger, now)
        left = None if at is None else max(at - now, timedelta(seconds=1))
        try:
            await workflow.wait_condition(
                lambda: self._is_over() or self._has_work(), timeout=left, timeout_summary="leases end, or the day"
            )
        except TimeoutError:
            pass

    def _has_work(self) -> bool:
        """Whether a change has brought something to do, at once or before the timer goes off."""
        if not self._news:
            return False
        self._news = False
        now = workflow.now()
        at = next_visit(self._ledger, now)
        sooner = at is not None and (self._wakes_at is None or at < self._wakes_at)
        return sooner or bool(due(self._ledger, now)) or announcement(self._ledger) is not None

    def _is_over(self) -> bool:
        info = workflow.info()
        return (
            self._updates >= MAX_UPDATES
            or info.get_current_history_length() >= MAX_EVENTS
            or info.is_continue_as_new_suggested()
            or (info.continued_run_id is None and info.is_target_worker_deployment_version_changed())
        )

    def _make_way(self) -> None:
        """Gives the visit up that is under way, where the run has no room for many more updates."""
        info = workflow.info()
        is_full = (
            self._updates >= MOST_UPDATES
            or info.get_current_history_length() >= MOST_EVENTS
            or info.get_current_history_size() >= MOST_BYTES
        )
        if is_full and self._is_over() and self._visiting is not None and workflow.patched("visits-make-way"):
            self._visiting.cancel()

    def _become(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._news = True
        self._describe()

    def _describe(self) -> None:
        workflow.set_current_details(details(self._ledger))

    @workflow.update
    def draw(self, request: Draws) -> DrawsTaken:
        """Requests of sessions, each answered by itself."""
        return self._updated(lambda: self._draw(request))

    def _draw(self, request: Draws) -> DrawsTaken:
        ledger, drawn = draw_each(self._ledger, request.draws, workflow.now())
        for session, answer in drawn.items():
            if answer.refused is not None and answer.refused.limit == FAULT:
                workflow.logger.error("draw_failed", extra={"session": session, "error": answer.refused.words})
        self._become(ledger)
        return DrawsTaken(drawn=drawn)

    @workflow.update
    def set_caps(self, command: SetCaps) -> PurseState:
        return self._updated(lambda: self._set_caps(command))

    def _set_caps(self, command: SetCaps) -> PurseState:
        before = self._ledger.caps.caps_spending
        self._become(set_caps(self._ledger, command, workflow.now()))
        if self._ledger.caps.caps_spending != before:
            workflow.upsert_memo({CAPPED: not before})
        return purse_state(self._ledger, workflow.now())

    def _updated(self, change: Callable[[], R]) -> R:
        """An update that is wrong fails, and not the workflow task, which would be retried for ever."""
        self._updates += 1
        self._make_way()
        try:
            return change()
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ApplicationError(str(error), type=INVALID_REQUEST, non_retryable=True) from error

    @workflow.query
    def state(self, request: PurseStateRequest) -> PurseState:
        """`at` is now, by the asker's clock: in a purse that nobody draws on, time stands still."""
        return purse_state(self._ledger, max(request.at, self._ledger.created_at))


def _hand_over(ledger: Ledger) -> NoReturn:
    # Else the next run would begin with the memo that this one began with.
    workflow.continue_as_new(
        LedgerInput(carried=ledger), memo=workflow.memo(), initial_versioning_behavior=Behavior.AUTO_UPGRADE
    )
