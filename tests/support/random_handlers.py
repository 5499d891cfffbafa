"""Handlers made up by a seed, and a plain reading of what they mean: block after block, with Python's own stack.

The reading knows nothing of programs, runs or batches, so what it says is worth comparing with.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_NAMES = ("a", "b", "c")
#: Variables of the session.
VARIABLES: dict[str, Any] = {
    "total": {"type": "integer", "default": 5},
    "note": {"type": "string", "default": "nothing"},
    "last": {"type": "object", "default": {}},
}
#: What `n` of a result may be at most.
MOST_N = 12


class Maker:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._loops = 0

    def handler(self) -> list[Any]:
        start: list[Any] = [{"set": {name: self.rng.randint(0, 9) for name in _NAMES}}]
        return start + self.blocks(depth=0)

    def blocks(self, depth: int) -> list[Any]:
        made: list[Any] = []
        for _ in range(self.rng.randint(1, 4)):
            made.append(self.block(depth))
            if "results" in str(made[-1].get("parallel", "")):
                made.append({"set": {self.rng.choice(_NAMES): "{{ (results[0] + results[-1]) % 19 }}"}})
        return made

    def block(self, depth: int) -> dict[str, Any]:
        kinds = ["set", "set", "say", "generate", "choose", "call", "call", "parallel", "respond", "ask", "finish"]
        kinds += ["compensate", "wait"]
        if depth < 3:
            kinds += ["switch", "switch", "for_each", "for_each", "try", "try"]
        # A handler that always ends at once would say little.
        kind = self.rng.choice(kinds if self.rng.random() < 0.3 else [one for one in kinds if one != "finish"])
        made: Any = getattr(self, f"_{kind}")(depth)
        return {kind: made}

    def _set(self, depth: int) -> Any:
        name, other, number = self.rng.choice(_NAMES), self.rng.choice(_NAMES), self.rng.randint(1, 9)
        values: Any = {name: f"{{{{ ({other} * 3 + {number}) % 17 }}}}", "seen": ["{{ a }}", {"b": "{{ b }}"}]}
        if self.rng.random() < 0.5:
            values |= {"total": f"{{{{ (total * 2 + {other}) % 29 }}}}", "last": {"of": "{{ a }}"}}
        return values

    def _say(self, depth: int) -> Any:
        return self.rng.choice(["{{ a }} and {{ b }}", "{{ total }} after {{ note }}"])

    def _generate(self, depth: int) -> Any:
        display = self.rng.choice(["hidden", "name", "stream"])
        return {
            "prompt": "Say {{ a }}.",
            "into": self.rng.choice(["told", "note"]),
            "display": display,
            "model": self._model(),
        }

    def _choose(self, depth: int) -> Any:
        return {"prompt": "{{ b }}?", "options": ["odd", "even"], "into": "which", "model": self._model()}

    def _call(self, depth: int) -> Any:
        into = self.rng.choice([*_NAMES, "total"])
        return {"tool": "add", "with": {"x": "{{ a }}", "y": "{{ c }}"}, "into": into, **self._back(into)}

    def _back(self, into: str) -> dict[str, Any]:
        """Nothing, or what takes back a call whose result is called `into`."""
        if self.rng.random() < 0.5:
            return {}
        name = self.rng.choice(_NAMES)
        return {"compensate": {"tool": "add", "with": {"x": f"{{{{ {into} }}}}", "y": f"{{{{ {name} }}}}"}}}

    def _compensate(self, depth: int) -> Any:
        return {}

    def _parallel(self, depth: int) -> Any:
        if self.rng.random() < 0.5:
            branches: list[Any] = [{"call": self._branch("{{ a }}", into)} for into in self.rng.sample(_NAMES, 3)]
            return branches[: self.rng.randint(1, 3)]
        items: Any = self.rng.choice(["{{ [a, b] }}", [1, 2, 3], "{{ range(1 + a % 4) }}"])
        call = self._branch("{{ one }}", self.rng.choice([None, "own"]))
        made = {"for_each": {"in": items, "as": "one"}, "do": {"call": call}, "into": "results"}
        return {**made, "at_once": 2} if self.rng.random() < 0.5 else made

    def _branch(self, x: str, into: str | None = None) -> Any:
        made = {"tool": "add", "with": {"x": x, "y": f"{{{{ {self.rng.choice(_NAMES)} }}}}"}}
        if into is None:
            return made
        # Where results go to a list, one is read by what takes its call back alone.
        back = self._back(into)
        return {**made, "into": into, **back} if back or into != "own" else made

    def _respond(self, depth: int) -> Any:
        return {"instructions": "Now {{ c }}.", "model": self._model()}

    def _ask(self, depth: int) -> Any:
        return {"prompt": "When {{ a }}?", "form": {"type": "object"}, "into": self.rng.choice(["told", "last"])}

    def _wait(self, depth: int) -> Any:
        into = self.rng.choice(["told", "which"])
        return {"event": "came", "when": "{{ event.number == a }}", "for": "1d", "into": into}

    def _finish(self, depth: int) -> Any:
        return {"result": {"n": "{{ a }}"}} if self.rng.random() < 0.5 else {}

    def _switch(self, depth: int) -> Any:
        name, number = self.rng.choice(_NAMES), self.rng.randint(0, 12)
        cases: list[Any] = [{"when": f"{{{{ {name} > {number} }}}}", "do": self.blocks(depth + 1)}]
        if self.rng.random() < 0.5:
            cases.append({"when": f"{{{{ {name} == {number} }}}}", "do": self.blocks(depth + 1)})
        if self.rng.random() < 0.5:
            cases.append({"do": self.blocks(depth + 1)})
        return cases

    def _for_each(self, depth: int) -> Any:
        self._loops += 1
        items: Any = self.rng.choice(["{{ range(3) }}", "{{ [a, b] }}", [], [1, 2], "{{ range(a % 4) }}"])
        name = f"item{self._loops}"
        return {
            "in": items,
            "as": name,
            "do": [{"set": {"c": f"{{{{ (c + {name}) % 23 }}}}"}}, *self.blocks(depth + 1)],
        }

    def _try(self, depth: int) -> Any:
        catch: list[Any] = [{"type": "unlucky", "do": self.blocks(depth + 1)}] if self.rng.random() < 0.6 else []
        if not catch or self.rng.random() < 0.5:
            catch.append({"do": [{"say": "Caught {{ error.type }}."}, *self.blocks(depth + 1)]})
        return {"do": self.blocks(depth + 1), "catch": catch}

    def _model(self) -> str:
        return self.rng.choice(["main", "other"])


class Failed(Exception):
    """A block has failed with an error of this type."""


class Finished(Exception):
    """The handler has come to a `finish`."""


@dataclass
class Reading:
    """What a handler does, in order: what is asked, called and said."""

    done: list[Any] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=lambda: {name: one["default"] for name, one in VARIABLES.items()})
    #: The type of error that it ends with.
    error: str | None = None
    #: What takes calls back, the latest last.
    kept: list[dict[str, Any]] = field(default_factory=list)
    #: What it gives as the answer.
    result: Any = None

    def read(self, blocks: list[Any]) -> "Reading":
        try:
            self._blocks(blocks)
        except Finished:
            pass
        except Failed as failed:
            self.error = str(failed)
        return self

    def _blocks(self, blocks: list[Any]) -> None:
        for block in blocks:
            ((kind, value),) = block.items()
            getattr(self, f"_{kind}")(value)

    def _set(self, value: dict[str, Any]) -> None:
        for name, given in value.items():
            self.names[name] = self._value(given)

    def _say(self, value: str) -> None:
        self.done.append(("says", self._text(value)))

    def _generate(self, value: dict[str, Any]) -> None:
        prompt = self._text(value["prompt"])
        self.done.append(("asks", value["model"], prompt))
        self.names[value["into"]] = generated(prompt)

    def _choose(self, value: dict[str, Any]) -> None:
        prompt = self._text(value["prompt"])
        self.done.append(("asks", value["model"], prompt))
        self.names[value["into"]] = chosen(prompt)

    def _call(self, value: dict[str, Any]) -> None:
        args = {name: self._value(given) for name, given in value["with"].items()}
        self.done.append(("calls", args))
        result = called(args)
        if isinstance(result, str):
            raise Failed(result)
        self.names[value["into"]] = result
        self._keep(value, {})

    def _keep(self, call: dict[str, Any], more: dict[str, Any]) -> None:
        if "compensate" in call:
            around = Reading(names={**self.names, **more})
            self.kept.append(around._value(call["compensate"]["with"]))

    def _compensate(self, value: Any) -> None:
        results = []
        while self.kept:
            args = self.kept.pop()
            self.done.append(("calls", args))
            results.append(called(args))
        if any(isinstance(result, str) for result in results):
            raise Failed("compensation_failed")

    def _parallel(self, value: Any) -> None:
        if isinstance(value, list):
            calls: list[Any] = [(one["call"], {}) for one in value]
        else:
            calls = [(value["do"]["call"], {"one": item}) for item in self._value(value["for_each"]["in"])]
        given = [Reading(names={**self.names, **more})._value(call["with"]) for call, more in calls]
        results = []
        for args in given:
            self.done.append(("calls", args))
            results.append(called(args))
        good = [pair for pair in zip(calls, results, strict=True) if not isinstance(pair[1], str)]
        for (call, _), result in good if isinstance(value, list) else []:
            self.names[call["into"]] = result
        for (call, more), result in good:
            self._keep(call, {**more, "own": result})
        failures = [result for result in results if isinstance(result, str)]
        if failures:
            raise Failed(failures[0])
        if isinstance(value, dict):
            self.names["results"] = results

    def _respond(self, value: dict[str, Any]) -> None:
        self.done.append(("responds", value["model"], self._text(value["instructions"])))

    def _ask(self, value: dict[str, Any]) -> None:
        prompt = self._text(value["prompt"])
        self.done.append(("asks a person", prompt))
        given = replied(prompt)
        if isinstance(given, str):
            raise Failed(given)
        self.names[value["into"]] = given

    def _wait(self, value: dict[str, Any]) -> None:
        said = came(self.names["a"])
        if said is None:
            raise Failed("expired")
        self.names[value["into"]] = said

    def _finish(self, value: Any) -> None:
        if "result" in value:
            result = self._value(value["result"])
            if result["n"] > MOST_N:
                raise Failed("answer_invalid")
            self.result = result
            self.done.append(("says", json.dumps(result, separators=(",", ":"))))
        raise Finished

    def _switch(self, cases: list[Any]) -> None:
        for case in cases:
            if "when" not in case or self._value(case["when"]):
                self._blocks(case["do"])
                return

    def _for_each(self, value: dict[str, Any]) -> None:
        try:
            for item in self._value(value["in"]):
                self.names[value["as"]] = item
                self._blocks(value["do"])
        finally:
            self.names.pop(value["as"], None)

    def _try(self, value: dict[str, Any]) -> None:
        try:
            self._blocks(value["do"])
        except Failed as failed:
            found = next((one for one in value["catch"] if one.get("type", str(failed)) == str(failed)), None)
            if found is None:
                raise
            self.names["error"] = {"type": str(failed)}
            self._blocks(found["do"])

    def _value(self, given: Any) -> Any:
        if isinstance(given, str):
            # The templates of `Maker` are one expression each, which Python reads alike.
            made = eval(given.strip("{} "), {"range": range}, dict(self.names))  # noqa: S307
            return list(made) if isinstance(made, range) else made
        if isinstance(given, list):
            return [self._value(one) for one in given]
        return {name: self._value(one) for name, one in given.items()} if isinstance(given, dict) else given

    def _text(self, template: str) -> str:
        return "".join(map(str, self._pieces(template)))

    def _pieces(self, template: str) -> Iterator[Any]:
        head, found, rest = template.partition("{{")
        yield head
        if found:
            name, _, rest = rest.partition("}}")
            first, *rest_of_name = name.strip().split(".")
            value = self.names[first]
            yield value[rest_of_name[0]] if rest_of_name else value
            yield from self._pieces(rest)


def generated(prompt: str) -> str:
    return f"It is {prompt}"


def chosen(prompt: str) -> str:
    return "even" if int(prompt.strip("?")) % 2 == 0 else "odd"


def replied(prompt: str) -> dict[str, Any] | str:
    """What a person answers, or the type of error where it is declined."""
    number = int(prompt.removeprefix("When ").strip("?"))
    return "denied" if number % 5 == 3 else {"day": number}


def came(number: int) -> dict[str, Any] | None:
    """What the event says that is waited for; None: it does not come."""
    return None if number % 5 == 2 else {"number": number}


def called(args: dict[str, Any]) -> int | str:
    """The result, or the type of the error."""
    made: int = (args["x"] + 2 * args["y"]) % 19
    return "unlucky" if made % 4 == 1 else "broken" if made % 7 == 2 else made
