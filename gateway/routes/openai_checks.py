"""What a request of OpenAI's clients may say beside its message: only what its agent's definition says as well.

Rule: nothing is ignored that would change the answer. What a definition decides is refused where it is told otherwise, with
the place where it can be changed.
"""

from typing import Any, Final

from pydantic import JsonValue

from perdure.gateway.http.openai_bodies import CreateResponse
from perdure.gateway.http.openai_input import refused_twice
from perdure.gateway.http.problems import Problem, invalid
from perdure.gateway.routes.context import Gateway
from perdure.temporal.definitions.store import Known
from perdure.temporal.sessions.principal import Principal
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import name_of

#: What says nothing that the definition does not, beside null.
_SAME: Final[dict[str, tuple[JsonValue, ...]]] = {
    "instructions": ("",),
    "temperature": (1,),
    "top_p": (1,),
    "max_output_tokens": (),
    "max_tool_calls": (),
    "tool_choice": ("auto",),
    "parallel_tool_calls": (True,),
    "truncation": ("auto", "disabled"),
    "include": ([],),
    "service_tier": ("auto", "default"),
    "top_logprobs": (0,),
    "prompt": (),
    "context_management": ([],),
    "moderation": (),
}
_WHERE: Final = {
    "instructions": "the agent's instructions are in its definition; agents with other instructions are other agents",
    "tool_choice": "the agent chooses its tools by itself",
    "include": "nothing more can be included in a response",
    "prompt": "the agent's definition holds its prompt; give its values as inputs",
}


def serving_agent(app: Gateway, caller: Principal, name: str) -> Known:
    """Raises Problem `agent_not_found`, with the names of those that there are for whoever may read them."""
    known = app.definitions.current(name, caller.tenant)
    if known is None:
        there = ""
        if caller.holds_scope("agents:read"):
            there = f" There are: {', '.join(app.definitions.names(caller.tenant)) or 'none'}."
        raise Problem("agent_not_found", f"No agent serves as this model.{there}")
    return known


def check_parameters(body: CreateResponse, agent: AgentDefinition) -> None:
    """Raises Problem `validation`, which names the parameter."""
    for name, same in _SAME.items():
        value: JsonValue = getattr(body, name)
        if value is not None and value not in same:
            where = _WHERE.get(name, "the agent's definition decides it (models: and limits:); leave it out")
            raise invalid(name, f"cannot be given here: {where}")
    if body.store is False:
        raise invalid("store", "cannot be false: a session keeps what is said in it; erase the session afterwards")
    _check_reasoning(body.reasoning)
    _check_tools(body.tools or [], agent)
    _check_text(body.text or {}, agent)
    if body.previous_response_id is not None and body.conversation is not None:
        raise refused_twice(("previous_response_id", "conversation"))
    if body.user is not None and body.safety_identifier not in (None, body.user):
        raise invalid("safety_identifier", "names another user than user does; give one of them")
    if body.inputs and (body.previous_response_id is not None or body.conversation is not None):
        raise invalid("inputs", "are given to a new session only")


def _check_reasoning(reasoning: JsonValue) -> None:
    if reasoning is not None and not (isinstance(reasoning, dict) and not any(reasoning.values())):
        raise invalid(
            "reasoning", "cannot be given here: the agent's definition decides how its models think (thinking:)"
        )


def _check_tools(tools: list[dict[str, JsonValue]], agent: AgentDefinition) -> None:
    """A function that the agent has as a client tool may be named; its definition says what it is."""
    own = {name_of(tool) for tool in agent.tools if getattr(tool, "kind", None) == "client"}
    for place, tool in enumerate(tools):
        if tool.get("type") != "function" or tool.get("name") not in own:
            there = f" (its client tools: {', '.join(sorted(own))})" if own else ""
            raise invalid(
                f"tools[{place}]", f"is not a client tool of the agent{there}: its tools are in its definition (tools:)"
            )


def _check_text(text: dict[str, JsonValue], agent: AgentDefinition) -> None:
    for name in text.keys() - {"format", "verbosity"}:
        raise invalid(f"text.{name}", "is not a field that this request takes")
    if text.get("verbosity") not in (None, "medium"):
        raise invalid("text.verbosity", "cannot be given here: the agent's definition decides it; leave it out")
    check_format(text.get("format"), "text.format", agent)


def check_format(wanted: JsonValue, field: str, agent: AgentDefinition) -> None:
    """The form of answers. Chat Completions put the schema one level deeper than the Responses API."""
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if kind in (None, "text"):
        return
    if not isinstance(wanted, dict) or kind != "json_schema":
        raise invalid(field, "must be text or json_schema")
    if agent.answer is None:
        raise invalid(
            field, "the agent answers in its own words; an agent whose definition has `answer:` answers by a schema"
        )
    inner = wanted.get("json_schema", wanted)
    schema = inner.get("schema") if isinstance(inner, dict) else None
    unknown = sorted(_properties(schema) - _properties(agent.answer.form))
    if unknown:
        raise invalid(f"{field}.schema", f"wants {', '.join(unknown)}, which the agent's `answer:` does not have")


def _properties(schema: Any) -> set[str]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return set(properties) if isinstance(properties, dict) else set()
