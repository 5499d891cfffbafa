"""What the routes for OpenAI's clients answer."""

from typing import Any, Final, Literal

from pydantic import JsonValue

from perdure.workflows.vocabulary.parts import Frozen


class ModelShown(Frozen):
    #: The agent's name.
    id: str
    #: What this is, in OpenAI's words.
    object: Literal["model"]
    #: Always 0: definitions have no date.
    created: int
    #: Always the same.
    owned_by: Literal["perdure"]


class ModelList(Frozen):
    #: What this is, in OpenAI's words.
    object: Literal["list"]
    #: One entry for each agent.
    data: tuple[ModelShown, ...]


class ResponseObject(Frozen):
    """A response of OpenAI's Responses API. The guide's page on OpenAI's clients says what is what."""

    #: Names the session, the message and where in its turn the response begins.
    id: str
    #: What this is, in OpenAI's words.
    object: Literal["response"]
    #: Seconds since 1970.
    created_at: float
    #: Seconds since 1970; null unless it is completed.
    completed_at: float | None
    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
    #: Why it failed: `code` and `message`.
    error: dict[str, JsonValue] | None
    #: With `reason`, why it is incomplete.
    incomplete_details: dict[str, JsonValue] | None
    #: The agent.
    model: str
    #: Items: `reasoning`, `message`, `mcp_call`, `function_call`, `mcp_approval_request`.
    output: tuple[dict[str, JsonValue], ...]
    #: Tokens, once it is over.
    usage: dict[str, JsonValue] | None
    #: The session, by its `id`.
    conversation: dict[str, JsonValue]
    #: The response before it in the same turn.
    previous_response_id: str | None
    #: `session_id`; once it is over `turn_id`; where the turn waits, `next_response_id` and what of `question_id`.
    metadata: dict[str, str]
    #: Always true: it goes on whoever listens.
    background: bool
    #: Always true: its session keeps it.
    store: bool
    #: Says nothing: the agent's definition decides it.
    instructions: None
    #: Says nothing: the agent's definition decides it.
    tools: tuple[Any, ...]
    #: Says nothing: the agent's definition decides it.
    tool_choice: Literal["auto"]
    #: Says nothing: the agent's definition decides it.
    parallel_tool_calls: bool
    #: Says nothing: the agent's definition decides it.
    temperature: None
    #: Says nothing: the agent's definition decides it.
    top_p: None
    #: Says nothing: the agent's definition decides it.
    max_output_tokens: None
    #: Always of `format` text.
    text: dict[str, JsonValue]


class InputItems(Frozen):
    #: What this is, in OpenAI's words.
    object: Literal["list"]
    #: The message, or the answers, to which it is the response.
    data: tuple[dict[str, JsonValue], ...]
    #: Of the first item; null where there is none.
    first_id: str | None
    #: Of the last item; null where there is none.
    last_id: str | None
    #: Always false.
    has_more: bool


class ChatCompletion(Frozen):
    """A chat completion. The guide's page on OpenAI's clients says what is what."""

    id: str
    #: What this is, in OpenAI's words.
    object: Literal["chat.completion"]
    #: Seconds since 1970.
    created: int
    #: The agent.
    model: str
    #: One: the message, and why it ended.
    choices: tuple[dict[str, JsonValue], ...]
    usage: dict[str, JsonValue] | None


class OpenAIError(Frozen):
    #: What went wrong, for people.
    message: str
    #: As OpenAI has them: `invalid_request_error`, `authentication_error`, `permission_error`, `rate_limit_error`,
    #: `server_error`.
    type: str
    #: The field that is wrong.
    param: str | None
    code: str | None


class OpenAIProblem(Frozen):
    """A refusal, as OpenAI's clients read it; `code` is that of the problem document that other routes answer with."""

    error: OpenAIError


#: Of a router for OpenAI's clients.
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": OpenAIProblem, "description": "A refusal, in OpenAI's envelope"} for status in ("4XX", "5XX")
}
