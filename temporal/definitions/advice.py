"""What is allowed in a definition and unwise: it serves, and `perdure agents validate` says what would be better.

Rule 1: a piece of advice names what may go wrong, and what to write instead.
Rule 2: only what the file itself says counts. Where people may have decided elsewhere (a role that is chosen while a session
runs), the advice says so.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from perdure.temporal.definitions.event_check import unheard
from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.prices import price_of
from perdure.temporal.definitions.template_names import names_read
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.definition.tools import McpServer, ToolUse

#: Characters of instructions above which each step carries more than it is likely to need.
LONG: Final = 20_000
_CHARACTERS_A_TOKEN: Final = 4
_TEMPLATE: Final = re.compile(r"\{[{%]")
_SECRET_NAME: Final = re.compile(r"authorization|api[-_]?key|token|secret|password", re.IGNORECASE)


def advice_findings(definition: AgentDefinition, own: Mapping[str, Any]) -> Iterator[Finding]:
    """`own` are the models that the file itself gives, by role."""
    for loc, message in _advice(definition, own):
        yield Finding(loc, message, kind="advice")


def _advice(definition: AgentDefinition, own: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    yield from _limits(definition)
    yield from _models(definition, own)
    yield from _names(definition, own)
    yield from _tools(definition)
    yield from unheard(definition.events, definition.handlers)
    if (length := len(definition.instructions)) > LONG:
        about = round(length / _CHARACTERS_A_TOKEN, -3)
        yield (
            ("instructions",),
            f"has {length:,} characters, about {about:,.0f} tokens that each step carries; leave out what few turns need, "
            "or let a tool look it up",
        )


def _limits(definition: AgentDefinition) -> Iterator[tuple[Loc, str]]:
    limits = definition.limits
    caps = (limits.turn, limits.session, limits.user, limits.tenant)
    price = price_of(definition.models[definition.model])
    paid = price is not None and (price.input > 0 or price.output > 0)
    # Steps and tool calls bound no bill: one step may carry a whole book.
    capped = limits.cap_costs or any(getattr(one, "tokens", None) is not None for one in caps)
    if paid and not capped and not (limits.user.caps_spending or limits.tenant.caps_spending):
        yield (
            ("model",),
            f"{definition.models[definition.model].use} costs money, and nothing caps it; add "
            "limits: {session: {cost_usd: 2}}",
        )
    for field, words in (("cost_usd", "dollars"), ("tokens", "tokens"), ("tool_calls", "tool calls")):
        turn, session = getattr(limits.turn, field), getattr(limits.session, field)
        if turn is not None and session is not None and turn > session:
            yield (
                ("limits", "turn", field),
                f"lets one turn have more {words} ({turn:g}) than the whole session ({session:g}); lower it, or raise "
                "the session's",
            )
    if definition.schedules and capped and limits.on_limit == "ask":
        yield (
            ("schedules",),
            "their turns ask a person at a limit, and may wait for one all night; add limits: {on_limit: stop}",
        )


def _models(definition: AgentDefinition, own: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    for role in own:
        model, *others = (hop.model for hop in definition.route(role))
        if others and all(_server(one) == _server(model) for one in others):
            yield (
                ("models", role, "fallback"),
                f"stands in for {model.provider} with {model.provider} alone, and is down where that is; add a model of "
                "another provider",
            )
        if _is_open(model.base_url) and (model.api_key is not None or model.headers):
            yield ("models", role, "base_url"), "sends keys and conversations unencrypted; use https://"


def _names(definition: AgentDefinition, own: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    """Inputs and roles that nothing in the file uses."""
    texts = list(_texts(definition.model_dump(mode="json", exclude={"name", "description", "inputs", "models"})))
    read = {name for text in texts if _TEMPLATE.search(text) for name in names_read(text)}
    # A run without a message tells the model all of them.
    for name in definition.inputs if definition.answer is None else ():
        if name not in read and "inputs" not in read:
            yield (
                ("inputs", name),
                "no template of this file uses it, and every session has to give it; remove it, unless a tool takes it from "
                "the call's context",
            )
    spoken = {*texts, definition.model}
    spoken |= {
        text for role, model in own.items() if isinstance(model, dict) for text in _texts(model.get("fallback", ()))
    }
    for role in own:
        if role not in spoken:
            yield (
                ("models", role),
                "nothing in this file uses this role; remove it, unless people choose it for their session",
            )


def _tools(definition: AgentDefinition) -> Iterator[tuple[Loc, str]]:
    for index, tool in enumerate(definition.tools):
        loc: Loc = ("tools", index)
        if isinstance(tool, ToolUse) and tool.side_effects == "once":
            if tool.approval is None:
                yield (
                    (*loc, "side_effects"),
                    f"{tool.name} does something that cannot be done twice, and asks nobody; add approval: always, or for "
                    'which calls: {when: "{{ args.amount > 100 }}"}',
                )
            if "timeout" not in tool.model_fields_set:
                yield (
                    (*loc, "side_effects"),
                    f"{tool.name} is never tried again, so what happens after 60 s is unknown for good; add the timeout that "
                    "it needs",
                )
        if not isinstance(tool, McpServer):
            continue
        if tool.allow is None and tool.approval is None:
            yield (
                loc,
                f"gives the agent every tool of {tool.label}, those that it gets later too, and asks nobody; name them "
                "with allow, or add approval",
            )
        if _is_open(tool.url):
            yield (*loc, "url"), "sends arguments and results unencrypted; use https://"
        for field, values in (("headers", tool.headers), ("env", tool.env)):
            for name, value in values.items():
                if _SECRET_NAME.search(name) and "${" not in value and "{{" not in value:
                    yield (
                        (*loc, field, name),
                        "stands here for all who read this file; write ${NAME}, and add NAME to secrets",
                    )


def _server(model: ModelDefinition) -> tuple[str, str | None]:
    return model.provider, model.base_url


def _is_open(url: str | None) -> bool:
    """Whether what is sent there can be read on the way: over HTTP, and not within this machine or a private network."""
    if url is None or not url.startswith("http://"):
        return False
    host = urlsplit(url).hostname or ""
    return (
        "." in host and not host.startswith(("127.", "10.", "192.168.")) and not host.endswith((".local", ".internal"))
    )


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, names of members left out."""
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():
                yield from _texts(one)
        case list() | tuple():
            for one in value:
                yield from _texts(one)
        case _:
            pass
