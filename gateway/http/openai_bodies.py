"""What OpenAI's clients send to `POST /v1/responses`. Unknown fields are refused, as everywhere."""

from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from perdure.temporal.sessions.requests import Label, SessionId, SmallObject
from perdure.workflows.vocabulary.parts import Frozen

#: What the agent's definition decides: see `routes/openai_checks.py`.
Decided = Annotated[
    JsonValue, Field(description="The agent's definition decides it: only what says the same is taken, null always.")
]
#: What changes nothing here.
Harmless = Annotated[JsonValue, Field(description="Taken, and of no effect here.")]


class NamedConversation(Frozen):
    #: The session's id.
    id: SessionId


class CreateResponse(Frozen):
    """A message to an agent, or answers to what it asks."""

    #: The agent, by its name.
    model: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    #: A text; or items: messages of the user, results of functions (`function_call_output`), decisions about calls
    #: (`mcp_approval_response`).
    input: str | list[dict[str, JsonValue]]
    #: The last response of the session in which this goes on. Left out, and without `conversation`: a new session.
    previous_response_id: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    #: The session in which this goes on, by its id.
    conversation: SessionId | NamedConversation | None = None
    #: Whether to answer at once, with a response that goes on.
    background: bool | None = Field(default=None, strict=True)
    #: Whether to answer with a stream of events.
    stream: bool | None = Field(default=None, strict=True)
    #: Only true: what is said in a session is kept.
    store: bool | None = Field(default=None, strict=True)
    #: Of a new session: what its tools and MCP servers may know of it. Of an existing one: only what it has already.
    metadata: SmallObject | None = None
    #: Of a new session: the agent's inputs, by name. OpenAI's API has no such field; its SDKs send it as `extra_body`.
    inputs: SmallObject = {}
    #: Whom the session belongs to.
    user: Label | None = None
    #: The same as `user`.
    safety_identifier: Label | None = None
    #: Only `text`; or `json_schema` for an agent whose definition says the form of its answers.
    text: dict[str, JsonValue] | None = None
    #: Only functions that the agent has as client tools.
    tools: list[dict[str, JsonValue]] | None = None
    instructions: Decided = None
    temperature: Decided = None
    top_p: Decided = None
    max_output_tokens: Decided = None
    max_tool_calls: Decided = None
    tool_choice: Decided = None
    parallel_tool_calls: Decided = None
    truncation: Decided = None
    reasoning: Decided = None
    include: Decided = None
    service_tier: Decided = None
    top_logprobs: Decided = None
    prompt: Decided = None
    context_management: Decided = None
    moderation: Decided = None
    prompt_cache_key: Harmless = None
    prompt_cache_retention: Harmless = None
    prompt_cache_options: Harmless = None
    stream_options: Harmless = None

    @property
    def owner(self) -> str | None:
        return self.user or self.safety_identifier

    @property
    def conversation_id(self) -> str | None:
        return self.conversation.id if isinstance(self.conversation, NamedConversation) else self.conversation
