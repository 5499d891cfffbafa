"""How a server answers, where that differs from what its API's maker sends. Data only."""

from dataclasses import dataclass
from typing import Final, Literal

from perdure.temporal.app.fakes.seals import CallIds


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicManner:
    #: Whose signatures it makes and takes.
    server: str
    #: None: what the reply says.
    call_ids: CallIds | None = None
    #: Thinking is signed; otherwise it goes without a signature.
    signs: bool = True
    #: A signature holds for the conversation before it, and for no other.
    binds: bool = False
    #: The answer ends with `message_stop`.
    ends: bool = True
    #: Arguments come complete in the start of their block.
    whole_arguments: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatManner:
    server: str
    call_ids: CallIds | None = None
    #: The member of a delta that holds reasoning; None: the reply's; "": reasoning is not shown.
    reasoning_key: str | None = None
    #: Reasoning also comes as signed `reasoning_details`.
    details: bool = False
    #: Content is a list of typed pieces, and reasoning is one of them.
    lists: bool = False
    #: The first call of an answer has a thought signature.
    signs_calls: bool = False
    #: Chunks of a content filter come without choices, and choices without a delta.
    filters: bool = False
    #: Each call comes in one piece.
    whole_calls: bool = False
    #: Every call has the index 0.
    one_index: bool = False
    usage: Literal["openai", "deepseek", "kimi", "mistral", "xai", "groq", "gemini", "timings", "bare"] = "openai"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesManner:
    server: str
    call_ids: CallIds | None = None
    #: Reasoning comes encrypted; otherwise it is readable, and need not come back.
    encrypts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiManner:
    server: str
    #: None: calls have no ids.
    call_ids: CallIds | None = None


Manner = AnthropicManner | ChatManner | ResponsesManner | GeminiManner

#: Of the APIs' makers, for requests that name no dialect.
PLAIN_ANTHROPIC: Final = AnthropicManner(server="")
PLAIN_CHAT: Final = ChatManner(server="")
PLAIN_RESPONSES: Final = ResponsesManner(server="")
PLAIN_GEMINI: Final = GeminiManner(server="")
