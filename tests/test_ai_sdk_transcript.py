"""A whole conversation as the AI SDK's messages: branches, and messages that join a turn."""

from perdure.workflows.vocabulary.events import MessageAdded
from perdure.workflows.vocabulary.rewinds import TranscriptRewound
from tests.support.ai_sdk_story import Story, chunks_of, kept, loaded, said, told


def test_a_message_that_joins_a_turn_has_an_answer_of_its_own() -> None:
    story = Story().begin().answers("One.").said("m2", "And?").answers("Two.").finish()
    messages = loaded(story)
    assert [(message["id"], said(message)) for message in messages] == [
        *(("m1", ["Hello"]), ("t1", ["One."]), ("m2", ["And?"]), ("t1.m2", ["Two."])),
    ]
    assert [message["metadata"].get("reason") for message in messages] == [None, "joined", None, "done"]
    assert told(chunks_of(story.items))[-2:] == ["finish-step", "finish stop"]
    joined = next(place for place, item in enumerate(story.items) if isinstance(item, MessageAdded) and place > 1)
    assert kept(chunks_of(story.items[joined:])) == messages[3]


def test_branches() -> None:
    """An edit and a regeneration leave what was said on their branches, and a branch comes back as it was."""
    story = Story().begin().answers("One.").finish()
    story.turn, story.steps = "t2", 0
    story.begin("m2", "Second").answers("Two.").finish()
    rewound = {"message_id": "m2", "cause": "rewind", "kept": 2}
    story.items.append(TranscriptRewound(**story.stamp(None), branch="b2", left="b1", **rewound))
    story.turn, story.steps = "t3", 0
    story.begin("m2~e0a1b2c3d", "Second, edited").answers("Three.").finish()
    assert [message["id"] for message in loaded(story)] == ["m1", "t1", "m2", "t3"]
    assert said(loaded(story)[2]) == ["Second, edited"]
    back = {"message_id": "m2", "cause": "back", "kept": 2}
    story.items.append(TranscriptRewound(**story.stamp(None), branch="b1", left="b2", **back))
    assert [message["id"] for message in loaded(story)] == ["m1", "t1", "m2", "t2"]
    assert said(loaded(story)[2]) == ["Second"]
