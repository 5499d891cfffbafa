"""The demo model's own words. Pure; the same input always gives the same text."""

import json
import re
from typing import Any, Final

#: Words that ask for a long answer. "How long" does not.
LONG: Final = re.compile(
    r"\b(?:(?<!how )(?<!as )long|stor(?:y|ies)|essay|poem|slow(?:ly)?|count (?:up )?to \d+)\b", re.IGNORECASE
)
_COUNT: Final = re.compile(r"\bcount (?:up )?to (\d+)\b", re.IGNORECASE)
#: Counting further would take minutes, to no use.
_HIGHEST: Final = 5000
_TOPIC: Final = re.compile(r"\babout ([^.?!\n]{2,60})", re.IGNORECASE)
_NAME: Final = re.compile(r"\b(?:my name is|call me|i am called|i'm called)\s+([^\W\d_][\w'-]*)", re.IGNORECASE)
_GREETING: Final = re.compile(r"^\W*(?:hi|hello|hey|good (?:morning|day|evening))\b", re.IGNORECASE)
#: Words that say nothing about what a question is about.
_SMALL: Final = re.compile(
    r"what|which|when|where|have|said|told|tell|asked|write|wrote|about|that|this|your|name|remember|recall|please"
    r"|before|earlier|just|with|from|could|would"
)

_STORY: Final = (
    "There was once a lighthouse that had been given a single task, and the task was {topic}.",
    "Its keeper wrote everything down in a heavy book: each ship, each storm, each question called up from the rocks.",
    "She wrote before she acted, never after, because she knew how easily a night can end in the middle of a sentence.",
    "One winter the wind put out the lamp, blew the door off its hinges and carried the keeper herself far inland.",
    "In the harbour they said that this was the end of it, and that nobody would ever take up the thread again.",
    "But in the morning another keeper climbed the stairs, lit the lamp, and opened the book at its last line.",
    "There it stood, as clear as day: which ship had called, what it had been told, and what it was still waiting for.",
    "So she finished the sentence that the other had begun, and the captain out at sea noticed only a short pause.",
    "After that night the village looked at the book with other eyes, and began to ask what else it might hold.",
    "Merchants came to settle quarrels, for it told who had promised what, and when, and in which words.",
    "Children came to hear of the whale that had asked for the way to the north and waited nine days for an answer.",
    "The keeper liked the waiting best; it cost no oil, and it asked for nothing but a marked page.",
    "Sometimes a ship would call again years later, in another voice, and she would simply turn back to its page.",
    "“You were speaking of {topic},” she would say, and the silence that followed was always a happy one.",
    "Now and then someone wished to change what had been written, and she would shake her head and offer a new page.",
    "What has happened has happened, she used to say, but nothing keeps us from going on differently from here.",
    "There were two keepers at times, on busy nights, and they had one rule: only one of them holds the pen.",
    "If the one with the pen fell asleep, the other waited for the sand to run out, took it, and wrote on.",
    "No ship was ever answered twice, and none was forgotten, and that is rarer on that coast than you might think.",
    "In time the lamp was replaced by a better one, and the stairs by others, while ships were still being answered.",
    "Nobody at sea could tell on which evening it was done; the light did not so much as flicker.",
    "The book is thick today, and yet the newest keeper needs no more than a moment to find her place in it.",
    "If you pass there in the dark, you may call out a question, any question, even one about {topic}.",
    "You will see a window light up, hear the scratch of the pen, and then, word by word, the answer will reach you.",
    "And should the wind rise in the middle of it, stay where you are: the rest of the sentence is already on its way.",
)


def default_answer(text: str, before: list[str], count: int, tools: list[str]) -> str:
    """`before` is what the user has said so far, `count` the number of messages so far, including this one."""
    if found := _NAME.search(text):
        opening = f"Nice to meet you, {found[1]}."
    elif _GREETING.search(text):
        opening = "Hello!"
    else:
        opening = f"You wrote “{text}”." if text else "You sent me a message without text."
    if before:
        memory = f"This is message {count} of our conversation, and before it you wrote “{_short(before[-1])}”."
    else:
        memory = "This is the first thing that you have told me, and it is already kept for good."
    honest = (
        "I am the demo model that ships with Perdure: I follow a script and know nothing of the world, but everything "
        "around me is real, from the stream that brings these words to the history that keeps them."
    )
    use = f"Let me use {' or '.join(tools[:3])}" if tools else "Ask what you said before"
    return f"{opening} {memory} {honest} {use}, or ask me for a long story."


def recollection(text: str, before: list[str], count: int, *, summarised: bool = False) -> str:
    """What the user said before, beginning with what is related to `text`. `summarised`: some of it is a summary's."""
    if found := _NAME.search(text):
        return f"Nice to meet you, {found[1]}. I will remember it: this session keeps every word, also when I am restarted."
    if not before:
        return (
            f"I will remember it. This is the first thing that you have told me: “{_short(text)}” Ask me later, "
            "today or in a month, and I will still have it, for this session keeps every word."
        )
    parts: list[str] = []
    names = [found[1] for line in before if (found := _NAME.search(line))]
    if names and re.search(r"\bname\b|who am i", text, re.IGNORECASE):
        parts.append(f"Your name is {names[-1]}.")
    wanted = {word for word in re.findall(r"\w{4,}", text.lower()) if not _SMALL.fullmatch(word)}
    related = [line for line in before if wanted & set(re.findall(r"\w{4,}", line.lower()))]
    told = related[-3:] or before[-5:]
    parts.append(f"You said: {', then '.join(f'“{_short(line)}”' for line in told)}.")
    if summarised:
        parts.append("The older part of our conversation is given to me in short; you can still read all of it above.")
    else:
        parts.append(f"Our conversation has {count} messages so far, and I can see all of them.")
    return " ".join(parts)


def long_text(text: str) -> str:
    """Numbers if the text asks for counting, else at least 400 words."""
    if found := _COUNT.search(text):
        # int() raises on thousands of digits.
        last = int(found[1]) if len(found[1]) < 6 else _HIGHEST
        counted = ", ".join(str(number) for number in range(1, min(last, _HIGHEST) + 1))
        return f"{counted}." if last < _HIGHEST else f"{counted}. That is as far as I go."
    about = _TOPIC.search(text)
    topic = about[1].strip() if about else "to never lose the thread"
    lines = [line.format_map({"topic": topic}) for line in _STORY]
    if re.search(r"\bpoem\b", text, re.IGNORECASE):
        verses = ["\n".join(lines[at : at + 5]) for at in range(0, len(lines), 5)]
    else:
        verses = [" ".join(lines[at : at + 5]) for at in range(0, len(lines), 5)]
    return "\n\n".join(["Here is something longer, from the demo model's only book.", *verses])


def tool_report(results: list[dict[str, Any]]) -> str:
    """The results of the tools, and their failures in plain words."""
    lines: list[str] = []
    for result in results:
        output = result["output"]
        if result.get("changed_args"):
            lines.append(f"A person changed what {result['name']} was given: {_short(result['changed_args'], 400)}")
        if result["is_error"]:
            error = output if isinstance(output, dict) else {"message": output}
            kind = f" ({error['type']})" if error.get("type") else ""
            lines.append(f"{result['name']} failed{kind}: {_short(str(error.get('message', '')), 400)}")
        else:
            lines.append(f"{result['name']} says: {_short(_plain(output), 600)}")
    return "\n\n".join(lines)


def _plain(output: Any) -> str:
    """JSON in readable form: `status: shipped, items: 2`."""
    match output:
        case None:
            return "nothing"
        case str():
            return output
        case dict() if output and all(not isinstance(value, dict | list) for value in output.values()):
            return ", ".join(f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in output.items())
        case _:
            return json.dumps(output, ensure_ascii=False)


def _short(text: str, limit: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
