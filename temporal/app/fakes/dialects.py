"""The servers that the fake provider can be, as data: how each answers, what it refuses, and in what words.

A request is of the dialect whose host it was sent to, that its path begins with (`/deepseek/v1/chat/completions`), or whose
name its model bears (`fake-deepseek`); else of the one that the provider was made with; else plain, which is what the
maker of the API does, and fast.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from perdure.temporal.app.fakes import anthropic_rules, failures, refusals, rules
from perdure.temporal.app.fakes.chat_dialects import CHAT_DIALECTS
from perdure.temporal.app.fakes.dialect import FakeDialect
from perdure.temporal.app.fakes.gemini_rules import gemini
from perdure.temporal.app.fakes.manners import (
    PLAIN_ANTHROPIC,
    PLAIN_CHAT,
    PLAIN_GEMINI,
    PLAIN_RESPONSES,
    AnthropicManner,
    GeminiManner,
    ResponsesManner,
)
from perdure.temporal.app.fakes.refusals import Refusal, Rule, first_refusal
from perdure.temporal.app.fakes.replies import Api
from perdure.temporal.app.fakes.seals import CallIds, sealed_by

#: The id of an item of OpenAI Responses, and the server that made it.
_ITEM: Final = re.compile(r"(?:rs|msg|fc)_([a-z-]+)_\d+_\d")


def refusal_of(dialect: FakeDialect, body: dict[str, Any]) -> Refusal | None:
    """Why the server does not take the request."""
    return (_of_others(dialect.name, body) if dialect.name else None) or first_refusal(dialect.rules, body)


def _of_others(name: str, body: dict[str, Any]) -> Refusal | None:
    """Refuses what another server made: its signatures, its encrypted reasoning, its ids of calls."""
    for other in sorted(sealed_by(repr(body)) - {name}):
        return Refusal(message=f"This request holds what only {other} can read")
    for made in _call_ids(body):
        of_item = _ITEM.match(made)
        if of_item is not None and of_item[1] != name:
            return Refusal(message=f"Item with id '{made}' not found")
        for dialect in DIALECTS.values():
            ids = dialect.manner.call_ids
            if dialect.name != name and ids is not None and ids.owns(made):
                return Refusal(message=f"{made} is the id of a call that {dialect.name} made")
    return None


def _call_ids(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("id", "call_id", "tool_use_id", "tool_call_id") and isinstance(inner, str):
                yield inner
            elif name not in ("input", "args", "arguments"):
                yield from _call_ids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _call_ids(inner)


def _anthropic(manner: AnthropicManner, *more: Rule, **fields: Any) -> FakeDialect:
    own: tuple[Rule, ...] = (*more, anthropic_rules.own_thinking(manner), partial(rules.anthropic, manner=manner))
    words: dict[str, Any] = {"error": refusals.anthropic_error, "failures": failures.ANTHROPIC}
    return FakeDialect(name=manner.server, api="anthropic", manner=manner, rules=own, **words | fields)


def _responses(name: str, ids: str, *, encrypts: bool = True, **fields: Any) -> FakeDialect:
    manner = ResponsesManner(server=name, call_ids=CallIds(ids), encrypts=encrypts)
    own: tuple[Rule, ...] = (partial(rules.responses, manner=manner),)
    return FakeDialect(name=name, api="responses", manner=manner, rules=own, **fields)


_GEMINI: Final = GeminiManner(server="gemini", call_ids=CallIds("gm-native-{mark}{seen:03}{n}"))

DIALECTS: Final[dict[str, FakeDialect]] = {
    dialect.name: dialect
    for dialect in (
        _anthropic(
            AnthropicManner(server="anthropic", call_ids=CallIds("toolu_01an{seen:03}{n}"), binds=True),
            anthropic_rules.tools_defined,
            host="api.anthropic.com",
            model="claude-sonnet-5-5",
        ),
        _anthropic(
            AnthropicManner(server="anthropic-older", call_ids=CallIds("toolu_01ol{seen:03}{n}")),
            anthropic_rules.tools_defined,
            anthropic_rules.no_adaptive_thinking,
            anthropic_rules.thinking_first,
            model="claude-sonnet-4-5",
        ),
        _anthropic(
            AnthropicManner(server="bedrock", call_ids=CallIds("toolu_bdrk_{seen:03}{n}")),
            anthropic_rules.tools_defined,
            anthropic_rules.of_bedrock,
            anthropic_rules.extra_inputs("cache_control"),
            host="bedrock-runtime.us-east-1.amazonaws.com",
            model="us.anthropic.claude-sonnet-5-5",
            error=refusals.bedrock_error,
            failures=failures.BEDROCK,
            bedrock=True,
        ),
        _anthropic(
            AnthropicManner(
                server="minimax",
                call_ids=CallIds("call_function_mm{mark}_{seen:03}{n}"),
                signs=False,
                ends=False,
                whole_arguments=True,
            ),
            host="api.minimax.io",
            base="/anthropic",
            model="MiniMax-M3",
        ),
        _anthropic(
            AnthropicManner(server="deepseek-anthropic", call_ids=CallIds("call_0{n}_da{mark}{seen:03}"), signs=False),
            anthropic_rules.thinking_back,
            host="api.deepseek.com",
            base="/anthropic",
            model="deepseek-v4-pro",
        ),
        _responses("openai", "call_re{seen:03}{n}", host="api.openai.com", base="/v1", model="gpt-6-sol"),
        _responses(
            "azure-responses",
            "call_ar{seen:03}{n}",
            base="/openai/v1",
            model="gpt-6-sol",
            failures=failures.AZURE,
        ),
        _responses("vllm-responses", "call_vr{seen:03}{n}", encrypts=False, base="/v1", model="gpt-oss-20b"),
        FakeDialect(
            name="gemini",
            api="gemini",
            host="generativelanguage.googleapis.com",
            model="gemini-3.8-flash",
            manner=_GEMINI,
            rules=(partial(gemini, manner=_GEMINI),),
            error=refusals.google_error,
            failures=failures.GEMINI,
        ),
        *CHAT_DIALECTS,
    )
}

#: What the makers of the APIs do.
PLAIN: Final[dict[Api, FakeDialect]] = {
    "anthropic": FakeDialect(
        name="",
        api="anthropic",
        manner=PLAIN_ANTHROPIC,
        rules=(partial(rules.anthropic, manner=PLAIN_ANTHROPIC),),
        error=refusals.anthropic_error,
        failures=failures.ANTHROPIC,
    ),
    "chat": FakeDialect(name="", api="chat", manner=PLAIN_CHAT, rules=(rules.chat, rules.chat_fields)),
    "responses": FakeDialect(
        name="", api="responses", manner=PLAIN_RESPONSES, rules=(partial(rules.responses, manner=PLAIN_RESPONSES),)
    ),
    "gemini": FakeDialect(
        name="",
        api="gemini",
        manner=PLAIN_GEMINI,
        rules=(partial(gemini, manner=PLAIN_GEMINI),),
        error=refusals.google_error,
        failures=failures.GEMINI,
    ),
}
_BY_HOST: Final = {(dialect.host, dialect.api): dialect for dialect in DIALECTS.values() if dialect.host}


def dialect_asked(api: Api, path: str, host: str, model: str, own: str = "") -> FakeDialect:
    """The dialect of a request. `own`: that of the provider."""
    given, first = DIALECTS.get(own), path.split("/", 2)[1]
    named = _BY_HOST.get((host.partition(":")[0], api))
    # Paths at Azure begin with `/openai`, and those of many others with `/anthropic`.
    if named is None and not (given is not None and given.base and path.startswith(f"{given.base}/")):
        named = DIALECTS.get(first) or (
            DIALECTS.get(model.removeprefix("fake-")) if model.startswith("fake-") else None
        )
    named = named or given
    return named if named is not None and named.api == api else PLAIN[api]
