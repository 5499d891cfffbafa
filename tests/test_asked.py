"""What a server is shown depends on whether it made the parts: native blocks, ids of calls, calls without tools."""

from datetime import UTC, datetime

from perdure.activities.models.call_ids import made_id
from perdure.activities.models.media.shown import Media, ShownFile
from perdure.activities.models.provider_turns import Asked, AssistantTurn, Call, Turn, UserTurn, as_text, turns
from perdure.temporal.definitions.servers import server_of
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.vocabulary.parts import File, Message, Native, Reasoning, Text, ToolCall, ToolResult

AT = datetime(2026, 11, 1, tzinfo=UTC)
OWN = Asked("openai.chat", "openai-chat@a")


def native(server: str, call: str) -> Native:
    return Native(api="openai.chat", server=server, block={"id": call})


def conversation(server: str) -> tuple[Message, ...]:
    parts = (
        Reasoning(text="Hm.", native=native(server, "r")),
        ToolCall(call_id="t1.s1.c1", name="look", args={"at": "it"}, native=native(server, "call_1")),
    )
    result = ToolResult(call_id="t1.s1.c1", name="look", output="seen")
    return (
        Message(id="m1", role="user", parts=(Text(text="go"),), at=AT),
        Message(id="t1.s1", role="assistant", parts=parts, at=AT),
        Message(id="t1.s1.r", role="tool", parts=(result,), at=AT),
    )


def answer_of(shown: tuple[Turn, ...]) -> AssistantTurn:
    (answer,) = (turn for turn in shown if isinstance(turn, AssistantTurn))
    return answer


def test_the_server_that_made_a_part_gets_its_own_form_and_id_back() -> None:
    thought, call = answer_of(turns(conversation("openai-chat@a"), OWN)).parts
    assert isinstance(thought, Reasoning)
    assert isinstance(call, Call)
    assert call.id == "call_1"
    assert call.part.native is not None


def test_another_server_of_the_same_api_gets_neither() -> None:
    shown = turns(conversation("openai-chat@b"), OWN)
    (call,) = answer_of(shown).parts
    assert isinstance(call, Call)
    assert call.id == made_id("t1.s1.c1")
    assert call.part.native is None
    assert isinstance(shown[-1], UserTurn)
    assert [result.id for result in shown[-1].results] == [call.id]


def test_where_a_server_refuses_calls_without_tools_they_are_told_as_text() -> None:
    strict = Asked("openai.chat", "openai-chat@a", Dialect(calls_without_tools=False), tools=False)
    shown = turns(conversation("openai-chat@a"), strict)
    thought, told = answer_of(shown).parts
    assert isinstance(thought, Reasoning)
    assert told == Text(text='[Called the tool look with {"at":"it"}]')
    assert isinstance(shown[-1], UserTurn)
    assert shown[-1].results == ()
    assert as_text(shown[-1].content) == "[Result of the tool look: seen]"


def test_another_server_is_shown_a_picture_that_a_model_made() -> None:
    medium = Media("image", "image/png", "image-1.png", data="iVBORw0KGgo=")
    file = File(uri="t/s/1", media_type="image/png", name="image-1.png", bytes=8)
    picture = ShownFile.model_construct(**dict(file), shown=medium)
    part = Reasoning(native=native("openai-chat@a", "p"))
    told = Message(id="a", role="assistant", parts=(Text(text="Here."), picture, part), at=AT)
    user = Message(id="u", role="user", parts=(Text(text="And?"),), at=AT)
    assert turns((user, told, user), OWN)[1:] == (
        AssistantTurn((Text(text="Here."), part)),
        UserTurn((), (Text(text="And?"),)),
    )
    words = "[file image-1.png (image/png, 8 bytes)]"
    assert turns((user, told, user), Asked("openai.chat", "openai-chat@b"))[1:] == (
        AssistantTurn((Text(text="Here."), Text(text=words))),
        UserTurn((), (Text(text="[image-1.png, which you made:]"), medium, Text(text="And?"))),
    )


def test_made_ids_suit_every_server_and_do_not_repeat() -> None:
    made = made_id("t1.s1.c1")
    assert len(made) == 9
    assert made.isascii()
    assert made.isalnum()
    assert made == made_id("t1.s1.c1") != made_id("t1.s1.c2")
    assert made_id("t1.s1.c1", {made}) not in ("", made)


def test_a_server_is_named_without_its_address() -> None:
    environment = {"PRIVATE_HOST": "models.example.com"}
    ours = ModelDefinition(use="openai-chat/m", base_url="https://${PRIVATE_HOST}/v1")
    other = ModelDefinition(use="openai-chat/m", base_url="https://api.example.com/v1")
    assert server_of(ModelDefinition(use="openai/gpt-6-sol"), environment) == "openai"
    assert "example" not in server_of(ours, environment)
    assert server_of(ours, environment) != server_of(other, environment)
    assert server_of(ours, environment) == server_of(
        ModelDefinition(use="openai-chat/other", base_url="https://models.example.com/v2"), environment
    )
