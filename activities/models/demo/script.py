"""What the demo model says, and which tools it calls: a pure function of its request. It never claims to know anything.

It reacts to the first of these: results of tools, a requested failure, tools that the text names, requests for long texts
or for what was said before, times, sums and addresses. Otherwise it explains in a friendly way what it is.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from perdure.activities.models.demo.answers import answer
from perdure.activities.models.demo.arguments import IDENTIFIER, QUOTED, URL, arguments, expression, words
from perdure.activities.models.demo.files import described
from perdure.activities.models.demo.summaries import name, summary
from perdure.activities.models.demo.text import LONG, default_answer, long_text, recollection, tool_report
from perdure.workflows.core.context.summary import SUMMARISES
from perdure.workflows.core.handlers.answers import PICKS
from perdure.workflows.definition.title import PROMPT as NAME_IT
from perdure.workflows.protocol.compacted import SUMMARY_NOTE


@dataclass(frozen=True, slots=True)
class Say:
    reasoning: str
    text: str


@dataclass(frozen=True, slots=True)
class CallTools:
    reasoning: str
    #: Name and arguments.
    calls: tuple[tuple[str, dict[str, JsonValue]], ...]


@dataclass(frozen=True, slots=True)
class Fail:
    """`/fail KIND`, or `/fail KIND once` for the first attempt only."""

    kind: str
    once: bool
    otherwise: Say


@dataclass(frozen=True, slots=True)
class Past:
    """What was said before the last message."""

    #: By the user.
    said: list[str]
    #: Messages of the request.
    count: int
    #: Some of it comes from a summary.
    summarised: bool


Script = Say | CallTools | Fail

#: Characters of a message that are read.
_READ: Final = 2000
_FAIL: Final = re.compile(r"/fail\b[ \t]*(\w*)(?:[ \t]+(once)\b)?", re.IGNORECASE)
_TIME: Final = re.compile(
    r"\b(?:what(?:'s| is)? (?:the )?(?:current )?(?:time|date|day)|time is it|day is it|time now|current (?:time|date)"
    r"|(?:the|today's|local) (?:time|date)\b(?! (?:i|we|you)\b)|(?:time|date) (?:in|at|today)|clock|date and time)\b",
    re.IGNORECASE,
)
_MEMORY: Final = re.compile(
    r"\b(?:(?:did|have|had) i (?:just )?(?:say|said|write|written|ask|asked|tell|told|mention|mentioned)"
    r"|i (?:said|wrote|told you|asked you)|remember|recall|my name|who am i|what(?:'s| is| was| are) my)\b",
    re.IGNORECASE,
)
_ASK_ME: Final = re.compile(
    r"\bask me (?:a question|about|for|how|if|my|what|when|where|whether|which|who)\b", re.IGNORECASE
)

#: Words with which most tools' names begin, and which people leave out.
_VERBS: Final = frozenset(["add", "create", "fetch", "find", "get", "issue", "list", "look", "make", "read", "show"])


def script(request: dict[str, Any]) -> Script:
    """The demo model's next step in the conversation of `request` (see `Demo.request`)."""
    messages: list[dict[str, Any]] = request["messages"]
    if request["system"].startswith(SUMMARISES):
        told = "\n\n".join(part["text"] for message in messages for part in message["parts"] if part["type"] == "text")
        return Say("The older part of the conversation has to be told in short, so I quote what I can.", summary(told))
    results = _newest_results(messages)
    if results and "output" not in request:
        return Say("The tools have answered; now I put it in words.", tool_report(results))
    if messages and _text(messages[-1]).startswith(NAME_IT):
        return Say("The conversation has to be named, so I take its first words.", name(_text(messages[0])))
    said = [line for message in messages if message["role"] == "user" for line in _lines(message)]
    # The options of a choice are no words of the user's.
    text = said[-1].partition(PICKS)[0] if said else ""
    past = Past([one for one in said[:-1] if one], len(messages), any(map(_is_summary, messages)))
    if results:
        return _in_form(Say("The tools have answered; now I put it in the form that is asked for.", ""), request, text)
    part = _next(request, messages, text, past)
    return _in_form(part, request, text) if "output" in request else part


def _in_form(part: Script, request: dict[str, Any], text: str) -> Script:
    """The same with an answer of the form that is asked for; calls stay what they are."""
    match part:
        case Say():
            return Say(part.reasoning, json.dumps(answer(request["output"], text), ensure_ascii=False))
        case Fail():
            otherwise = _in_form(part.otherwise, request, _FAIL.sub("", text).strip())
            return Fail(part.kind, part.once, otherwise) if isinstance(otherwise, Say) else part
        case CallTools():
            return part


def _next(request: dict[str, Any], messages: list[dict[str, Any]], text: str, past: Past) -> Script:
    """What comes next where no tool has just answered."""
    if found := _FAIL.search(text):
        kind, once = found[1].lower(), bool(found[2])
        if kind == "once":
            kind, once = "529", True
        rest = f"{text[: found.start()]} {text[found.end() :]}".strip()
        nothing_else = Say("The user asked me to fail.", "The session went on by itself, and nothing was said twice.")
        return Fail(kind, once, _talk(rest, past, request["tools"]) if rest else nothing_else)
    if files := _newest_files(messages):
        wrote = f" You wrote “{_short(text)}”." if text else ""
        return Say("The user sent files, so I look at them.", f"{described(files)}{wrote}")
    return _answer(text, past, request["tools"])


def _answer(text: str, past: Past, tools: list[dict[str, Any]]) -> Say | CallTools:
    chosen = [tool for tool in tools if _named(tool["name"], text)]
    if not chosen and not LONG.search(text) and not _MEMORY.search(text):
        chosen = [tool for tool in tools if _implied(tool["name"], text)] or _about(tools, text)
    if not chosen:
        return _talk(text, past, tools)
    calls = tuple((tool["name"], arguments(tool["input"], text, tool["name"])) for tool in chosen)
    names = " and ".join(name for name, _ in calls)
    return CallTools(f"The user wrote: “{_short(text)}”. The right thing is to call {names}.", calls)


def _talk(text: str, past: Past, tools: list[dict[str, Any]]) -> Say:
    thought = f"The user wrote: “{_short(text)}”. "
    if LONG.search(text):
        return Say(thought + "That calls for a long answer, so I take my time.", long_text(text))
    if _MEMORY.search(text):
        return Say(
            thought + "I look at what was said before.",
            recollection(text, past.said, past.count, summarised=past.summarised),
        )
    names = [tool["name"] for tool in tools]
    return Say(
        thought + "No tool is needed, so I answer directly.", default_answer(_short(text), past.said, past.count, names)
    )


def _named(name: str, text: str) -> bool:
    """The tool whose name, or all words of whose name, are in the text."""
    lower = text.lower()
    if re.search(rf"(?<!\w){re.escape(name.lower())}(?!\w)", lower):
        return True
    parts = words(name)
    return len(parts) > 1 and all(re.search(rf"\b{part}s?\b", lower) for part in parts)


def _implied(name: str, text: str) -> bool:
    match name:
        case "current_time":
            return bool(_TIME.search(text))
        case "calculator":
            return expression(text) is not None or bool(re.search(r"\bcalculate\b", text, re.IGNORECASE))
        case "fetch_url":
            return bool(URL.search(text))
        case "ask_user":
            return bool(_ASK_ME.search(text))
        case _:
            return False


def _about(tools: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """The tool whose subject the text names first, as in `refund A-1001`, if the text gives it an argument."""
    if not (IDENTIFIER.search(text) or QUOTED.search(text)):
        return []
    found: list[tuple[int, dict[str, Any]]] = []
    for tool in tools:
        subjects = [word for word in words(tool["name"]) if word not in _VERBS]
        places = [re.search(rf"\b{subject}s?\b", text.lower()) for subject in subjects]
        if places and all(places):
            found.append((min(place.start() for place in places if place), tool))
    return [min(found, key=lambda each: each[0])[1]] if found else []


def _newest_results(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results of the last step, if nothing has been said since."""
    results: list[dict[str, Any]] = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results = [part for part in message["parts"] if part["type"] == "tool_result"] + results
    return results


def _newest_files(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Files of the last message that it is shown, if a user wrote it."""
    newest = messages[-1] if messages and messages[-1]["role"] == "user" else {"parts": []}
    return [part for part in newest["parts"] if part["type"] == "file" and part.get("data")]


def _lines(message: dict[str, Any]) -> list[str]:
    """What the user wrote; of a summary, each line of it."""
    if not _is_summary(message):
        return [_text(message)]
    told = message["parts"][0]["text"].removeprefix(SUMMARY_NOTE)
    lines = (re.sub(r"^- |^The user wrote: “(.*)”$", r"\1", line.strip()) for line in told.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.endswith(":")))


def _is_summary(message: dict[str, Any]) -> bool:
    return bool(message["parts"]) and str(message["parts"][0].get("text", "")).startswith(SUMMARY_NOTE)


def _text(message: dict[str, Any]) -> str:
    """What the user wrote, cut to what is read: a hostile text must not keep the worker busy."""
    return "\n".join(part["text"] for part in message["parts"] if part["type"] == "text")[:_READ].strip()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"
