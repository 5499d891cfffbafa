"""A model whose answers are random, come in fragments, break off in the middle, and take as long as a test wants."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

from pydantic import JsonValue

from perdure.activities.models.failures import ModelFailed, ModelFailure
from perdure.activities.models.wire import Answer, Delta, DeltaKind, Started
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Part, Reasoning, StopReason, Text, ToolCall, Usage
from tests.support.session_lab import Stage

_WORDS: Final = ("one", "two ", " drei", "\n\n", "漢字", "🙂", "{", '"', "data: ", "\u2028", "é", "\r\n", "\\n", " ")
#: How often it is told to go on for each fragment; and the seconds after which one goes out all the same.
_TOLD: Final = 5
_LONGEST_S: Final = 0.1


class FitfulModel(Stage):
    def __init__(self) -> None:
        super().__init__()
        #: What it says is a function of this and of the step.
        self.seed = 0
        #: Whether attempts may break off in mid-answer.
        self.breaks = False
        self._attempts: Counter[str] = Counter()
        self._told = 0
        self._wanted = asyncio.Event()

    def go_on(self) -> None:
        """Told so several times, it says one more fragment."""
        self._told += 1
        if self._told >= _TOLD:
            self._wanted.set()

    async def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        name = f"{self.seed}/{step_id}"
        parts, chance = _parts(step_id, name), random.Random(f"{name}/{self._attempts[name]}")
        self._attempts[name] += 1
        fragments = list(_fragments(chance, parts))
        # A last attempt is whole.
        broken = self.breaks and self._attempts[name] < 3 and chance.random() < 0.4
        yield Started(Usage(input_tokens=10))
        for fragment in fragments[: chance.randrange(len(fragments))] if broken else fragments:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_S):
                    await self._wanted.wait()
            self._told = 0
            self._wanted.clear()
            yield fragment
        if broken:
            raise ModelFailed(ModelFailure(kind="model_overloaded", message="busy", provider="stage", retryable=True))
        stop: StopReason = "tool_calls" if any(isinstance(part, ToolCall) for part in parts) else "end"
        yield Answer(tuple(parts), "stage", Usage(input_tokens=10, output_tokens=2), stop)


def _parts(step_id: str, name: str) -> list[Part]:
    """Three steps: two that call tools, and the last one."""
    chance = random.Random(name)
    last = step_id.endswith(".s3")

    def words(most: int) -> str:
        return "".join(chance.choices(_WORDS, k=chance.randint(1, most)))

    parts: list[Part] = []
    if chance.random() < 0.6:
        parts.append(Reasoning(text=words(80)))
    if last or chance.random() < 0.7:
        parts.append(Text(text=words(200)))
    for number in range(1, 1 if last else chance.randint(2, 3)):
        args: dict[str, JsonValue] = {"a": chance.randint(0, 9), "b": number}
        parts.append(ToolCall(call_id=f"{step_id}.c{number}", name="add", args=args))
    return parts


def _fragments(chance: random.Random, parts: list[Part]) -> list[Delta]:
    found: list[Delta] = []
    for place, part in enumerate(parts):
        if isinstance(part, ToolCall):
            found.append(Delta(place, "tool_input", "", part.name))
            found.append(Delta(place, "tool_input", f'{{"a": {part.args["a"]}, "b": {part.args["b"]}}}'))
            continue
        assert isinstance(part, Text | Reasoning)
        kind: DeltaKind = "text" if isinstance(part, Text) else "reasoning"
        rest = part.text
        while rest:
            size = chance.randint(1, 12)
            found.append(Delta(place, kind, rest[:size]))
            rest = rest[size:]
    return found
