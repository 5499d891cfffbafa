"""What clients of Chat Completions send, and what of it an agent is told. Pure.

Such a client keeps the conversation itself and sends all of it each time. A session keeps it, too: with a session named, only
what came after the last answer is new. Without one, the agent is told what was said before in words.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from perdure.gateway.http.openai_input import UserPart, read_content
from perdure.gateway.http.problems import invalid
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.requests import Label, SessionId, TextPart
from perdure.workflows.vocabulary.parts import Frozen

Chosen = Annotated[
    JsonValue, Field(description="The agent's definition decides it: only what changes nothing is taken.")
]

_EARLIER = "What was said in this conversation before, from its beginning:"
_NOW = "And now the user says:"
_INSTRUCTIONS = "an agent's instructions are in its definition, and cannot be given with a message"


class StreamOptions(Frozen):
    model_config = Frozen.model_config | ConfigDict(extra="ignore")

    #: Whether a last piece tells the tokens.
    include_usage: bool | None = None


class ChatRequest(Frozen):
    """A conversation whose last message is new. What is not named here is taken, and has no effect: what a model is to do is
    in the agent's definition."""

    model_config = Frozen.model_config | ConfigDict(extra="ignore")

    #: The agent, by its name.
    model: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    #: The conversation; the last message is the user's.
    messages: Annotated[list[dict[str, JsonValue]], Field(min_length=1, max_length=2000)]
    #: Whether to answer in pieces.
    stream: bool | None = Field(default=None, strict=True)
    stream_options: StreamOptions | None = Field(default=None, description="How to answer in pieces.")
    #: The session, as `session_id`; the rest is what tools and MCP servers may know of a new session.
    metadata: dict[str, JsonValue] | None = None
    #: Whom the session belongs to.
    user: Label | None = None
    #: Only `text`; or `json_schema` for an agent whose definition says the form of its answers.
    response_format: JsonValue = None
    n: Chosen = None
    tools: Chosen = None
    functions: Chosen = None
    tool_choice: Chosen = None
    function_call: Chosen = None
    stop: Chosen = None
    logprobs: Chosen = None
    modalities: Chosen = None
    audio: Chosen = None

    @property
    def session_id(self) -> JsonValue:
        return (self.metadata or {}).get("session_id")

    @property
    def known(self) -> dict[str, JsonValue]:
        """What tools may know of the session."""
        return {name: value for name, value in (self.metadata or {}).items() if name != "session_id"}


class NamedSession(Frozen):
    """For the check of an id that came in a header or in `metadata`."""

    session_id: SessionId


def new_parts(messages: list[dict[str, JsonValue]]) -> list[UserPart]:
    """What the user has said since the last answer. Raises Problem `validation`, as `told` does."""
    return [
        part
        for place in range(_first_new(messages), len(messages))
        for part in read_content(messages[place].get("content"), f"messages[{place}].content")
    ]


def told(messages: list[dict[str, JsonValue]]) -> list[UserPart]:
    """The same, with what was said before in words."""
    new, before = new_parts(messages), messages[: _first_new(messages)]
    if not before:
        return new
    lines = [line for place, message in enumerate(before) for line in _lines(message, f"messages[{place}]")]
    return [TextPart(type="text", text="\n\n".join((_EARLIER, *lines, _NOW))), *new]


def _first_new(messages: list[dict[str, JsonValue]]) -> int:
    """The place of the first message behind the last answer."""
    roles = [_role(messages, place) for place in range(len(messages))]
    first = next((place + 1 for place in range(len(roles) - 1, -1, -1) if roles[place] != "user"), 0)
    if first == len(roles):
        raise invalid(f"messages[{first - 1}]", "must be the user's: the last message is what is answered")
    return first


def _role(messages: list[dict[str, JsonValue]], place: int) -> str:
    role = messages[place].get("role")
    if role in ("system", "developer"):
        raise invalid(f"messages[{place}]", f"has the role {role}: {_INSTRUCTIONS}")
    if role not in ("user", "assistant", "tool", "function"):
        raise invalid(f"messages[{place}].role", "must be user, assistant or tool")
    return str(role)


def _lines(message: dict[str, JsonValue], field: str) -> Iterator[str]:
    content = message.get("content")
    said = _words(content, field)
    match message.get("role"):
        case "user":
            yield f"User: {said}"
        case "assistant":
            if said:
                yield f"Assistant: {said}"
            calls = message.get("tool_calls")
            for call in calls if isinstance(calls, list) else ():
                yield f"Assistant called a tool: {to_json(call).decode()}"
        case _:
            yield f"Result of a tool: {said}"


def _words(content: JsonValue, field: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise invalid(f"{field}.content", "must be text, or a list of parts")
    texts = [part.get("text") if isinstance(part, dict) else None for part in content]
    return "\n".join(text if isinstance(text, str) else "(a file)" for text in texts)
