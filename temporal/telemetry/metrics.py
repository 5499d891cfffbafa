"""Perdure's own metrics: the instruments of a process, which are made on the meter of the SDK (see `exporter.py`).

Rule 1: labels are few and bounded: agent, model, reason, stop, kind, tool, outcome, scope, limit, how. Never a session, a
user or a tenant, and no word that a model made up.
Rule 2: an event is counted when it is appended: `Metrics.event` is called then, and not during a replay. If the
workflow task is lost after that, its retry counts the event again.
Rule 3: recording never blocks, and every method may be called from any thread.
"""

from datetime import datetime
from typing import Final

from temporalio.common import MetricMeter

from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.budget_events import BudgetPaused
from perdure.workflows.vocabulary.context_events import ContextCompacted
from perdure.workflows.vocabulary.events import Event, ModelSwitched, StepFinished, ToolFinished, TurnFinished
from perdure.workflows.vocabulary.parts import Usage

#: Outcomes of a tool call that we define. Error types that tools define themselves are not labels, because there may be
#: any number of them.
_OUTCOMES: Final = frozenset(
    {errors.INVALID_ARGUMENTS, errors.UNKNOWN_TOOL, errors.TOOL_TIMEOUT, errors.TOOL_STOPPED, errors.TOOL_FAILED}
)


class Metrics:
    """The instruments of one process, made on `meter`. Durations are seconds, money is dollars."""

    def __init__(self, meter: MetricMeter) -> None:
        count, spread = meter.create_counter, meter.create_histogram_float
        self._turns = count("perdure_turns_total", "Turns that ended, by agent and reason")
        self._steps = count("perdure_steps_total", "Model calls that ended, by model and stop")
        self._tokens = count(
            "perdure_tokens_total",
            "Tokens of model calls, summaries included; input includes cached and cache_write, and output includes reasoning",
        )
        self._estimated = count(
            "perdure_estimated_steps_total",
            "Model calls whose server did not count all tokens, so that they are estimated",
        )
        self._skipped = count(
            "perdure_skipped_shapes_total", "Pieces of answers whose shape was not known, and which were passed over"
        )
        self._adapted = count(
            "perdure_adapted_requests_total", "Model calls of which something was left out or renamed for their server"
        )
        self._cost = spread(
            "perdure_cost_usd", "Dollars that model calls cost, summaries included, where the price is known"
        )
        self._compactions = count(
            "perdure_compactions_total", "Times that a conversation was shortened, or was to be, by what became of it"
        )
        self._attempts = count("perdure_step_attempts_total", "Attempts at model calls that began")
        self._lost_attempts = count(
            "perdure_lost_attempts_total", "Attempts at model calls that gave no answer and were followed by another"
        )
        self._switches = count(
            "perdure_model_switches_total", "Steps that went on with another model, by the model before and the reason"
        )
        self._budget_pauses = count(
            "perdure_budget_pauses_total", "Turns that came to a limit and asked a person, by scope and limit"
        )
        self._circuits = count("perdure_circuits_opened_total", "Models that were given a rest after failures in a row")
        self._held = count(
            "perdure_calls_held_total",
            "Model calls that waited, or were put off, for a rate limit or an open circuit, by model and reason",
        )
        self._tools = count("perdure_tool_calls_total", "Tool calls that ended, by tool and outcome")
        self._blocked = spread(
            "perdure_tool_blocked_seconds",
            "Seconds for which a tool blocked others on its worker, for blocks of over a second",
        )
        self._first_token = spread(
            "perdure_first_token_seconds", "From the request to a provider to the first token of its answer"
        )
        self._overhead = spread(
            "perdure_first_token_overhead_seconds",
            "From an attempt's scheduling to the sending of its request",
        )
        self._stop_delay = spread("perdure_stop_delay_seconds", "From a stop being handled to the end of its turn")
        self._viewers = meter.create_gauge("perdure_viewers", "Current viewers of event streams")
        self._cut = count("perdure_viewers_cut_total", "Viewers that were disconnected because they fell behind")
        self._lag = spread(
            "perdure_live_lag_seconds", "From a delta being written to its delivery to viewers; every 16th delta"
        )
        self._lost_frames = count(
            "perdure_lost_frames_total", "Deltas that were lost, so that viewers got a snapshot of the step instead"
        )
        self._live_connected = meter.create_gauge(
            "perdure_live_connected", "1 while the Redis that carries live frames is reached, else 0"
        )
        self._limited = count(
            "perdure_limited_total",
            "Requests, streams and turns that were refused for a limit of a user or a tenant, by limit and scope",
        )
        self._live_dropped = count(
            "perdure_live_dropped_total", "Deltas that were not written to Redis, because it was away or too slow"
        )

    # Reported by sessions.

    def event(self, session: str, before: SessionState, event: Event, stop_at: datetime | None) -> None:
        """Counts `event`, which follows the state `before`. `stop_at`: when the turn was last asked to stop, if it
        was."""
        match event:
            case TurnFinished():
                self._turns.add(1, {"agent": before.agent, "reason": event.reason})
                if event.reason == "stopped" and stop_at is not None:
                    self._stop_delay.record(_not_negative((event.at - stop_at).total_seconds()))
            case StepFinished():
                self._step(event)
            case ModelSwitched():
                self._switches.add(1, {"model": event.from_, "reason": event.reason})
            case ContextCompacted():
                self._compactions.add(1, {"how": event.how})
                if event.model is not None and event.usage is not None:
                    self._spent(event.model, event.usage, event.cost_usd)
            case BudgetPaused():
                self._budget_pauses.add(1, {"scope": event.scope, "limit": event.limit})
            case ToolFinished():
                known = before.slot.loaded is not None and before.slot.loaded.policy(event.name) is not None
                self._tools.add(1, {"name": event.name if known else "(unknown)", "outcome": _outcome(event)})
            case _:
                pass

    def compaction_abandoned(self, model: str, spent: Spent) -> None:
        """A summary was not written to its end, or nobody needs it any more; `model` was asked last."""
        self._compactions.add(1, {"how": "abandoned"})
        if spent != Spent():
            self._spent(model, spent.usage, spent.cost_usd)

    def _step(self, event: StepFinished) -> None:
        model = event.model
        self._steps.add(1, {"model": model, "stop": event.stop})
        self._skipped.add(event.skipped, {"model": model})
        self._adapted.add(int(bool(event.adapted)), {"model": model})
        self._spent(model, event.usage, event.cost_usd)

    def _spent(self, model: str, usage: Usage, cost_usd: float | None) -> None:
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("cached", usage.cached_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("output", usage.output_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            self._tokens.add(tokens, {"model": model, "kind": kind})
        self._estimated.add(int(usage.estimated), {"model": model})
        if cost_usd is not None:
            self._cost.record(cost_usd, {"model": model})

    # Reported by tools.

    def tool_blocked(self, name: str, seconds: float) -> None:
        """A tool blocked other tools on this worker for `seconds`."""
        self._blocked.record(_not_negative(seconds), {"name": name})

    # Reported by model calls.

    def attempt(self, model: str, number: int) -> None:
        """The attempt `number` begins."""
        self._attempts.add(1, {"model": model})
        self._lost_attempts.add(1 if number > 1 else 0, {"model": model})

    def request_sent(self, model: str, after: float) -> None:
        """The request went out `after` seconds after the attempt was scheduled; the two clocks may be of two
        machines."""
        self._overhead.record(_not_negative(after), {"model": model})

    def first_token(self, model: str, after: float) -> None:
        self._first_token.record(after, {"model": model})

    def circuit_opened(self, model: str) -> None:
        self._circuits.add(1, {"model": model})

    def call_held(self, model: str, reason: str) -> None:
        """`reason` is `circuit` or `rate_limit`."""
        self._held.add(1, {"model": model, "reason": reason})

    # Reported by watches.

    def serving(self) -> None:
        """This process has a gateway: metrics without a recorded event are shown as 0."""
        self._viewers.set(0)
        self._cut.add(0)
        self._lost_frames.add(0)

    def viewers(self, count: int) -> None:
        self._viewers.set(count)

    def viewer_cut(self) -> None:
        self._cut.add(1)

    def lag(self, seconds: float) -> None:
        self._lag.record(_not_negative(seconds))

    def lost_frames(self, count: int) -> None:
        self._lost_frames.add(count)

    # Reported by the live plane between processes.

    def live_connected(self, connected: bool) -> None:
        self._live_connected.set(int(connected))

    def limited(self, limit: str, scope: str) -> None:
        """`limit` is `requests`, `streams` or `turns`; `scope`, `user` or `tenant`."""
        self._limited.add(1, {"limit": limit, "scope": scope})

    def live_dropped(self, count: int) -> None:
        self._live_dropped.add(count)


#: For components whose metrics nobody reads.
UNMEASURED: Final = Metrics(MetricMeter.noop)


def _not_negative(seconds: float) -> float:
    # Two clocks may disagree, and the core rejects negative values.
    return max(seconds, 0.0)


def _outcome(event: ToolFinished) -> str:
    if not event.result.is_error:
        return "ok"
    output = event.result.output
    kind = output.get("type") if isinstance(output, dict) else None
    return kind if isinstance(kind, str) and kind in _OUTCOMES else errors.TOOL_FAILED
