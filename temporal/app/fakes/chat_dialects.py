"""The servers of Chat Completions that the fake provider can be, as data: how each answers, what it refuses, and in what
words."""

from typing import Any, Final

from perdure.temporal.app.fakes import chat_rules, failures, refusals, rules
from perdure.temporal.app.fakes.dialect import FakeDialect
from perdure.temporal.app.fakes.manners import ChatManner
from perdure.temporal.app.fakes.refusals import Rule
from perdure.temporal.app.fakes.seals import CallIds


def _chat(name: str, manner: ChatManner, *more: Rule, **fields: Any) -> FakeDialect:
    own = (*more, chat_rules.own_reasoning(manner), rules.chat)
    return FakeDialect(name=name, api="chat", manner=manner, rules=own, **fields)


_DEEPSEEK: Final = ChatManner(server="deepseek", call_ids=CallIds("call_0{n}_ds{mark}{seen:03}{n}"), usage="deepseek")
_KIMI: Final = ChatManner(server="kimi", call_ids=CallIds("functions.{name}:{n}"), usage="kimi")
_MISTRAL: Final = ChatManner(server="mistral", call_ids=CallIds("Z{mark:.4}{seen:03}{n}"), lists=True, usage="mistral")
_XAI: Final = ChatManner(
    server="xai", call_ids=CallIds("call_xa{seen:03}{n}"), reasoning_key="", whole_calls=True, usage="xai"
)
_OPENROUTER: Final = ChatManner(
    server="openrouter", call_ids=CallIds("toolu_or_{mark}{seen:03}{n}"), reasoning_key="reasoning", details=True
)
_GROQ: Final = ChatManner(
    server="groq", call_ids=CallIds("fc_gq{mark}{seen:03}{n}"), reasoning_key="reasoning", usage="groq"
)
_GEMINI_CHAT: Final = ChatManner(
    server="gemini-chat",
    call_ids=CallIds("function-call-gm{seen:03}{n}"),
    reasoning_key="",
    signs_calls=True,
    whole_calls=True,
    one_index=True,
    usage="gemini",
)
_AZURE: Final = ChatManner(server="azure", call_ids=CallIds("call_az{seen:03}{n}"), reasoning_key="", filters=True)
_VLLM: Final = ChatManner(
    server="vllm", call_ids=CallIds("chatcmpl-tool-{mark}{seen:03}{n}"), reasoning_key="reasoning", one_index=True
)
_OLLAMA: Final = ChatManner(
    server="ollama",
    call_ids=CallIds("call_ol{mark}{seen:03}{n}"),
    reasoning_key="reasoning",
    whole_calls=True,
    one_index=True,
    usage="bare",
)
_LLAMA_CPP: Final = ChatManner(server="llama-cpp", call_ids=CallIds("LLcpp{mark}{seen:03}{n}"), usage="timings")
_OPENAI_CHAT: Final = ChatManner(server="openai-chat", call_ids=CallIds("call_oc{seen:03}{n}"), reasoning_key="")

#: OpenAI's limit for ids of calls in Chat Completions, which Azure shares.
_SHORT_IDS: Final = chat_rules.ids_fit(
    r".{1,40}",
    "Invalid 'messages[{at}].tool_calls[{call}].id': string too long. Expected a string with maximum length 40, but got a "
    "string with length {length} instead.",
    code="string_above_max_length",
)
_NO_MAX_TOKENS: Final = chat_rules.no_fields(
    "max_tokens",
    words="Unsupported parameter: '{name}' is not supported with this model. Use 'max_completion_tokens' instead.",
    code="unsupported_parameter",
)
_OPENAI_FIELDS: Final = chat_rules.message_fields(
    "name", words="Unrecognized request argument supplied: messages[{at}].{name}"
)

CHAT_DIALECTS: Final = (
    _chat(
        "openai-chat",
        _OPENAI_CHAT,
        _NO_MAX_TOKENS,
        _SHORT_IDS,
        _OPENAI_FIELDS,
        host="api.openai.com",
        base="/v1",
        model="gpt-6-sol",
    ),
    _chat(
        "deepseek",
        _DEEPSEEK,
        chat_rules.reasoning_back(
            "The `reasoning_content` in the thinking mode must be passed back to the API.", blank=False
        ),
        host="api.deepseek.com",
        base="/v1",
        model="deepseek-v4-pro",
        failures=failures.DEEPSEEK,
    ),
    _chat(
        "kimi",
        _KIMI,
        chat_rules.reasoning_back(
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index {at}",
            blank=False,
        ),
        host="api.moonshot.ai",
        base="/v1",
        model="kimi-k3",
        failures=failures.KIMI,
    ),
    _chat(
        "mistral",
        _MISTRAL,
        chat_rules.ids_fit(
            r"[a-zA-Z0-9]{9}",
            "Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9.",
            kind="invalid_function_call",
            code="3280",
        ),
        chat_rules.no_fields(
            "stream_options", "max_completion_tokens", words="Extra inputs are not permitted", status=422
        ),
        chat_rules.message_fields("name", "prefix", words="Extra inputs are not permitted", status=422),
        host="api.mistral.ai",
        base="/v1",
        model="magistral-medium-latest",
        error=refusals.mistral_error,
        failures=failures.MISTRAL,
    ),
    _chat(
        "xai",
        _XAI,
        chat_rules.no_fields("stop", words="Model grok-4 does not support parameter {name}."),
        chat_rules.no_fields("reasoning_effort", words="Model grok-4 does not support parameter reasoningEffort."),
        host="api.x.ai",
        base="/v1",
        model="grok-4",
        error=refusals.xai_error,
        failures=failures.XAI,
    ),
    _chat(
        "openrouter",
        _OPENROUTER,
        host="openrouter.ai",
        base="/api/v1",
        model="anthropic/claude-sonnet-5.5",
        error=refusals.openrouter_error,
        failures=failures.OPENROUTER,
    ),
    _chat(
        "groq",
        _GROQ,
        chat_rules.message_fields(
            "name",
            "reasoning",
            words="'messages.{at}' : for 'role:{role}' the following must be satisfied[('messages.{at}' : property "
            "'{name}' is unsupported)]",
        ),
        host="api.groq.com",
        base="/openai/v1",
        model="openai/gpt-oss-120b",
        failures=failures.GROQ,
    ),
    _chat(
        "gemini-chat",
        _GEMINI_CHAT,
        chat_rules.thought_signatures(_GEMINI_CHAT),
        host="generativelanguage.googleapis.com",
        base="/v1beta/openai",
        model="gemini-3.8-flash",
        error=refusals.google_list_error,
        failures=failures.GEMINI,
    ),
    _chat(
        "azure",
        _AZURE,
        _NO_MAX_TOKENS,
        _SHORT_IDS,
        _OPENAI_FIELDS,
        host="mine.openai.azure.com",
        base="/openai/v1",
        model="gpt-6-sol",
        failures=failures.AZURE,
    ),
    _chat("vllm", _VLLM, base="/v1", model="Qwen/Qwen3-32B", error=refusals.vllm_error, failures=failures.VLLM),
    _chat("ollama", _OLLAMA, base="/v1", model="qwen3:8b", failures={}),
    _chat(
        "llama-cpp",
        _LLAMA_CPP,
        base="/v1",
        model="local",
        error=refusals.llama_cpp_error,
        failures=failures.LLAMA_CPP,
    ),
)
