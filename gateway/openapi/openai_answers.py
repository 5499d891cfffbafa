"""What the routes for OpenAI's clients answer."""

from typing import Any, Literal

from pydantic import JsonValue

from perdure.workflows.vocabulary.parts import Frozen


class ModelShown(Frozen):
    #: The agent's name.
    id: str
    object: Literal["model"]
    #: Always 0: definitions have no date.
    created: int
    owned_by: Literal["perdure"]


class ModelList(Frozen):
    object: Literal["list"]
    #: One entry for each agent.
    data: tuple[ModelShown, ...]


class ResponseObject(Frozen):
    """A response of OpenAI's Responses API. The guide's page on OpenAI's clients says what is what."""

    #: Names the session, the message and where in its turn the response begins.
    id: str
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
    store: bool
    instructions: None
    tools: tuple[Any, ...]
    tool_choice: Literal["auto"]
    parallel_tool_calls: bool
    temperature: None
    top_p: None
    max_output_tokens: None
    text: dict[str, JsonValue]


class InputItems(Frozen):
    object: Literal["list"]
    #: The message, or the answers, to which it is the response.
    data: tuple[dict[str, JsonValue], ...]
    first_id: str | None
    last_id: str | None
    #: Always false.
    has_more: bool


class ChatCompletion(Frozen):
    """A chat completion. The guide's page on OpenAI's clients says what is what."""

    id: str
    object: Literal["chat.completion"]
    #: Seconds since 1970.
    created: int
    #: The agent.
    model: str
    #: One: the message, and why it ended.
    choices: tuple[dict[str, JsonValue], ...]
    usage: dict[str, JsonValue] | None
