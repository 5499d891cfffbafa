"""What a session asks, at the prompt of `perdure chat`: what is read there becomes the body of `answers`.

Rule 1: nothing is sent before it is whole. Ctrl-C or the end of the input leaves the question open.
Rule 2: what cannot be read as the value that is asked for is asked for again.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from perdure.temporal.app.chat.budget import decision
from perdure.temporal.app.chat.declining import DECLINE, declined
from perdure.temporal.app.chat.rewind import rewind_answer
from perdure.temporal.app.console.terminal import one_line, plain
from perdure.workflows.definition import ask_user

#: Shows a prompt and gives the line that was typed. Raises EOFError and KeyboardInterrupt.
Read = Callable[[str], str]

#: Characters of each argument that are shown unasked.
_SHOWN: Final = 2000
_YES: Final = {"y": True, "yes": True, "n": False, "no": False}


class Declined(Exception):
    """`/decline` was typed; the message is the reason, which may be empty."""


def answer_to(question: Mapping[str, Any], read: Read, tell: Callable[[str], None]) -> dict[str, Any]:
    """Asks until there is an answer; `tell` shows a line. The body for `answers` without `question_id`."""
    if question["kind"] == "budget":
        return decision(question["budget"], read, tell)
    if question.get("subject") == "rewind":
        return rewind_answer(question.get("args") or {}, read, lambda line: tell(plain(line)))
    if question["kind"] == "approval":
        if question.get("reason") == "tool_changed":
            tell("    this tool is another one now than was allowed")
        return _approval(question.get("args") or {}, question.get("remember"), read, tell)
    try:
        if question.get("form") == "fields":
            return {"result": _form(question.get("args") or {}, read, tell)}
        return {"result": _value(_prompt(read, f"the result as JSON, or {DECLINE} > "))}
    except Declined as said:
        return declined(str(said))


def headline(question: Mapping[str, Any]) -> str:
    """What is asked, on one line."""
    name = plain(str(question.get("name", "the session")))
    if question.get("subject") == "rewind":
        return "? going back leaves calls behind that did something"
    if question["kind"] == "approval":
        return f"? {name} asks to run"
    return f"? {one_line(question.get('prompt') or f'{name} needs an answer', 1000)}"


def _approval(args: Mapping[str, Any], remember: str | None, read: Read, tell: Callable[[str], None]) -> dict[str, Any]:
    cut = False
    for name, given in args.items():
        line = one_line(_shown(given), _SHOWN)
        cut = cut or line.endswith("…")
        tell(f"    {plain(name)}: {line}")
    always = {"never": "", "same_args": ", a(lways with these)"}.get(remember or "", ", a(lways)")
    choices = f"y(es), n(o), e(dit){always}{', w(hole)' if cut else ''}"
    while True:
        typed = read(f"allow it? {choices} > ").strip()
        if typed.split(maxsplit=1)[:1] == [DECLINE]:
            return declined(typed.removeprefix(DECLINE))
        match typed.lower():
            case "w" | "whole" if cut:
                for name, given in args.items():
                    tell(f"    {plain(name)}: {plain(_shown(given))}")
            case "y" | "yes":
                return {"approved": True}
            case "a" | "always" if always:
                return {"approved": True, "remember": True}
            case "n" | "no":
                return declined(read("reason (or none) > "))
            case "e" | "edit":
                return {
                    "approved": True,
                    "args": {name: _edited(name, given, read, tell) for name, given in args.items()},
                }
            case _:
                pass


def _edited(name: str, given: Any, read: Read, tell: Callable[[str], None]) -> Any:
    while True:
        typed = read(f"{plain(name)} [{one_line(_shown(given), 60)}] > ")
        if not typed:
            return given
        if isinstance(given, str):
            return typed
        try:
            return json.loads(typed)
        except ValueError:
            tell("    that is not JSON")


def _form(args: Mapping[str, Any], read: Read, tell: Callable[[str], None]) -> dict[str, Any]:
    fields = list(ask_user.fields_of(args))
    if not fields:
        typed = ""
        while not typed.strip():
            typed = _prompt(read, "answer > ")
        return {"answer": typed}
    found = {field["name"]: _field(field, read, tell) for field in fields}
    return {name: value for name, value in found.items() if value is not None}


def _field(field: Mapping[str, Any], read: Read, tell: Callable[[str], None]) -> Any:
    """None where nothing was given and nothing has to be."""
    options = field.get("options") if field.get("type") == "choice" else None
    required = field.get("required") is True
    hints = {"number": "a number", "boolean": "y or n", "date": "YYYY-MM-DD"}
    hint = hints.get(str(field.get("type")), "")
    if isinstance(options, list):
        hint = ", ".join(f"{number} {option}" for number, option in enumerate(options, 1))
    hint = ", ".join(word for word in (hint, "" if required else "or none") if word)
    label = plain(str(field.get("label") or field["name"]))
    while True:
        typed = _prompt(read, f"{label}{f' ({plain(hint)})' if hint else ''} > ").strip()
        if not typed:
            if not required:
                return None
            continue
        match field.get("type"):
            case "number":
                value = _value(typed)
                if isinstance(value, int | float) and not isinstance(value, bool):
                    return value
            case "boolean":
                if typed.lower() in _YES:
                    return _YES[typed.lower()]
            case "choice" if isinstance(options, list) and options:
                chosen = [option for option in options if str(option).lower() == typed.lower()]
                if chosen:
                    return chosen[0]
                # An option that is a number itself, and was typed as it is, comes before its place in the list.
                if typed.isdecimal() and 0 < int(typed) <= len(options):
                    return options[int(typed) - 1]
            case _:
                return typed
        tell(f"    {hint}, please")


def _prompt(read: Read, words: str) -> str:
    typed = read(words)
    if typed.split(maxsplit=1)[:1] == [DECLINE]:
        raise Declined(typed.strip().removeprefix(DECLINE).strip())
    return typed


def _value(typed: str) -> Any:
    """JSON, or else text."""
    try:
        return json.loads(typed)
    except ValueError:
        return typed


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
