"""Sub-agents that work for a run of AG-UI: that they began, and what became of them. Pure.

What they say is told as `agent.event`: their messages are those of their own sessions, and none of the thread's.
"""

from dataclasses import dataclass, field

from perdure.gateway.live.items import AgentEvent
from perdure.gateway.projections import ag_ui_events as events
from perdure.gateway.projections.ag_ui_events import AgUiEvent
from perdure.workflows.vocabulary.events import EventBase, ToolFinished


def is_fact(value: AgentEvent) -> bool:
    """Whether a durable event of a sub-agent, or of one further down, is told."""
    return is_fact(value.event) if isinstance(value.event, AgentEvent) else isinstance(value.event, EventBase)


@dataclass(slots=True)
class SubAgents:
    #: Their sessions, by the calls that they answer.
    run: dict[str, str] = field(default_factory=dict)

    def begin(self, call_id: str, session_id: str, name: str) -> list[AgUiEvent]:
        if call_id in self.run:
            return []
        self.run[call_id] = session_id
        return [events.subagent_started(session_id, name, call_id)]

    def end(self, value: ToolFinished) -> list[AgUiEvent]:
        session_id = self.run.pop(value.call_id, None)
        if session_id is None:
            return []
        match value.result.output:
            case {"type": str(code), "message": str(message)} if value.result.is_error:
                return [events.subagent_error(session_id, message, code)]
            case _:
                return [events.subagent_finished(session_id)]

    def leave(self, interrupts: list[str]) -> list[AgUiEvent]:
        """The run ends, and they go on, or wait for these."""
        made = [events.subagent_finished(session_id, interrupts) for session_id in self.run.values()]
        self.run.clear()
        return made
