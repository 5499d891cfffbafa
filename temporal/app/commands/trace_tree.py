"""The trace of a session as a tree for the terminal: turns, their steps, the steps' tools. Pure.

Steps are those of `GET …/trace`, as parsed JSON; what turns were about comes from the session's events.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import orjson
from rich.text import Text
from rich.tree import Tree

from perdure.temporal.app.console.terminal import arguments, dollars, duration, one_line, plain, result, tokens
from perdure.workflows.core.last_words import WORDLESS, last_words
from perdure.workflows.vocabulary.events import Event, FeedbackGiven, MessageAdded, TurnFinished, TurnStarted


@dataclass(slots=True)
class TurnFacts:
    """What a turn was about and how it ended, as far as its events are kept."""

    asked: str = ""
    end: TurnFinished | None = None
    #: The latest; None where it was taken back.
    feedback: FeedbackGiven | None = None


def turn_facts(events: Iterable[Event]) -> dict[str, TurnFacts]:
    facts: dict[str, TurnFacts] = {}
    for event in events:
        if event.turn_id is None:
            continue
        turn = facts.setdefault(event.turn_id, TurnFacts())
        match event:
            case TurnStarted(continues=str(earlier)):
                turn.asked = f"({earlier} once more)"
            case MessageAdded() if turn.asked in ("", WORDLESS):
                turn.asked = last_words(event.message)
            case TurnFinished():
                turn.end = event
            case FeedbackGiven():
                turn.feedback = event if event.score or event.text else None
            case _:
                pass
    return facts


def trace_tree(title: str, turns: Mapping[str, TurnFacts], steps: Iterable[dict[str, Any]]) -> Tree:
    """`steps` in order; a step with a `prompt` shows it."""
    tree = Tree(Text(title, style="bold"))
    for turn_id, group in groupby(steps, lambda step: str(step["turn_id"])):
        facts = turns.get(turn_id, TurnFacts())
        branch = tree.add(_turn(turn_id, facts))
        if facts.feedback is not None:
            branch.add(_feedback(facts.feedback))
        for step in group:
            _add_step(branch, step)
    return tree


def _turn(turn_id: str, facts: TurnFacts) -> Text:
    line = Text.assemble((turn_id, "bold"), "  ", one_line(facts.asked))
    end = facts.end
    if end is None:
        return line.append("  runs", style="green")
    line.append(f"  {end.reason}", style="red" if end.reason == "failed" else "dim")
    if end.error is not None:
        line.append(f"  {end.error.type}: {one_line(end.error.message, 200)}", style="red")
    return line.append(f"  {tokens(end.usage.model_dump())}  {dollars(end.cost_usd)}", style="dim")


def _feedback(given: FeedbackGiven) -> Text:
    line = Text(f"feedback {given.score:g}", style="magenta")
    if given.by is not None:
        line.append(f"  {plain(given.by.subject)}", style="dim")
    return line.append(f"  {one_line(given.text, 200)}") if given.text else line


def _add_step(branch: Tree, step: Mapping[str, Any]) -> None:
    line = Text.assemble((str(step["step_id"]), "cyan"), f"  {plain(str(step['model']))}")
    if step.get("purpose") == "compact":
        line.append("  summarises the older part", style="magenta")
    if "block" in step:
        line.append(f"  {plain(step['block']['at'])}", style="magenta")
    if step["status"] == "running":
        node = branch.add(line.append("  runs", style="green"))
    else:
        timing = step["timing"]
        first = timing["first_token_ms"]
        parts = [f"first token {duration(first)}"] if first is not None else []
        parts += [f"total {duration(timing['total_ms'])}", tokens(step["usage"]), dollars(step["cost_usd"])]
        if step["attempt"] > 1:
            parts.append(f"attempt {step['attempt']}")
        node = branch.add(line.append("  " + "  ".join([*parts, str(step["stop"])]), style="dim"))
    for one in step.get("tried", ()):
        told = f"{plain(one['model'])} gave no answer ({plain(one['reason'])}): {one_line(one['message'], 200)}"
        node.add(Text(f"{told}  {dollars(one['cost_usd'])}", style="yellow"))
    for change in step.get("adapted", ()):
        node.add(Text(f"changed for the server: {one_line(change, 200)}", style="yellow"))
    if skipped := step.get("skipped", 0):
        pieces = "1 piece" if skipped == 1 else f"{skipped} pieces"
        node.add(Text(f"passed over {pieces} of the answer whose shape is not known", style="yellow"))
    if misfit := step.get("misfit"):
        node.add(Text(f"not of the form that is asked for: {one_line(misfit, 200)}", style="yellow"))
    if step["prompt"] is not None:
        _add_prompt(node, step)
    for part in (step["message"] or {"parts": []})["parts"]:
        if part["type"] in ("text", "reasoning") and part["text"].strip():
            node.add(Text(one_line(part["text"]), style="dim italic" if part["type"] == "reasoning" else ""))
    for tool in step["tools"]:
        call = node.add(_tool(tool))
        for question in tool.get("questions", ()):
            call.add(_question(question))


def _tool(tool: Mapping[str, Any]) -> Text:
    line = Text.assemble((plain(str(tool["name"])), "magenta"), f"({arguments(tool['args'])})")
    outcome = tool["result"]
    if outcome is None:
        waits = any("resolved_at" not in question for question in tool.get("questions", ()))
        return line.append("  waits" if waits else "  runs", style="yellow" if waits else "green")
    tries = f"  {tool['attempts']} attempts" if (tool["attempts"] or 1) > 1 else ""
    line.append(f"  {duration(tool['duration_ms'])}{tries}", style="dim")
    line.append(f"  {result(outcome)}", style="red" if outcome["is_error"] else "")
    if blocked := tool.get("blocked"):
        line.append(
            f"  blocked others for {duration(blocked['seconds'] * 1000)} at {plain(blocked['line'])}", style="yellow"
        )
    return line


def _question(question: Mapping[str, Any]) -> Text:
    asked, resolved = question["asked_at"], question.get("resolved_at")
    what = "approval" if question["kind"] == "approval" else "an answer"
    line = Text.assemble((f"asked for {what}", "yellow"), (f"  {asked}", "dim"))
    if resolved is None:
        until = question.get("expires_at")
        return line.append(f"  open{f' until {until}' if until else ''}", style="yellow")
    approved = question.get("approved")
    if approved is None:
        end = "answered" if "value" in question else "not answered"
    else:
        end = "allowed" if approved else "not allowed"
    by = f" by {one_line(question['by']['subject'])}" if question.get("by") else ""
    waited = (datetime.fromisoformat(resolved) - datetime.fromisoformat(asked)).total_seconds() * 1000
    line.append(f"  {end}{by} after {duration(waited)}", style="red" if end.startswith("not") else "")
    return line.append(f": {one_line(question['reason'], 200)}") if question.get("reason") else line


def _add_prompt(node: Tree, step: Mapping[str, Any]) -> None:
    prompt = step["prompt"]
    branch = node.add(Text("prompt", style="yellow"))
    if step["request_matches"] is False:
        branch.add(Text("this code would send another request than was sent then", style="red"))
    branch.add(Text.assemble(("system\n", "yellow"), plain(prompt["system"])))
    for message in (*prompt["examples"], *prompt["messages"]):
        for part in message["parts"]:
            branch.add(Text.assemble((f"{message['role']}\n", "yellow"), _whole(part)))
    for tool in prompt["tools"]:
        branch.add(Text.assemble(("tool ", "yellow"), plain(f"{tool['name']}: {tool['description']}")))
    if output := prompt.get("output"):
        branch.add(Text.assemble(("answer ", "yellow"), plain(orjson.dumps(output).decode())))


def _whole(part: Mapping[str, Any]) -> str:
    if part["type"] in ("text", "reasoning"):
        return plain(part["text"])
    shown = {name: held for name, held in part.items() if name != "type"}
    return plain(f"{part['type']} {orjson.dumps(shown, option=orjson.OPT_INDENT_2, default=str).decode()}")
