"""Broken and odd answers of Gemini: each ends in an answer or a typed failure."""

import json
from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue

from perdure.activities.models.wires.gemini import Gemini
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from tests.support.decoders import ARGUMENTS, OTHER_ARGUMENTS, TOOL, Trial, survive
from tests.support.gemini_bodies import SIGNATURE, answer, call, response, stream, thought
from tests.support.mutations import Recording

NAME = "find_order"
SIGNED = call(NAME, ARGUMENTS, id="c-1", thoughtSignature=SIGNATURE)
OTHER = call(NAME, OTHER_ARGUMENTS)
CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}, "thoughtSignature": SIGNATURE}
TEXT = ({"text": "I look"}, {"text": " it up. 🔎"})
#: Arguments come as objects, and so an empty one is whole, too. `test_gemini` says what counts as none.
BOTH: tuple[dict[str, JsonValue], ...] = (ARGUMENTS, OTHER_ARGUMENTS, {})


def recording(body: bytes, *arguments: dict[str, JsonValue]) -> Recording:
    return Recording(body.replace(b"\r\n", b"\n"), arguments)


RECORDINGS = (
    recording(answer(thought("Let me "), thought("look."), *TEXT, SIGNED, OTHER), *BOTH),
    recording(stream(response(thought("Hm."), *TEXT), response(SIGNED, OTHER, finish="STOP")), *BOTH),
    recording(answer(SIGNED, OTHER, finish="MAX_TOKENS"), *BOTH),
    recording(answer(CODE, *TEXT, {"text": "", "thoughtSignature": SIGNATURE})),
    recording(answer(*TEXT, PICTURE, SIGNED), *BOTH),
    recording(json.dumps(response(thought("Hm."), *TEXT, SIGNED, OTHER, finish="STOP")).encode(), *BOTH),
)


@pytest.fixture
async def trial() -> AsyncIterator[Trial]:
    wire = Gemini({})

    def prompt(url: str) -> Prompt:
        return Prompt(model=ModelDefinition(use="gemini/gemini-3-pro", base_url=url), system="", tools=(TOOL,))

    yield Trial(wire=wire, prompt=prompt, recordings=RECORDINGS, ends=(b'"finishReason": "',))
    await wire.aclose()


async def test_mutated_answers(trial: Trial) -> None:
    tally = await survive(trial, range(300))
    assert min(tally["answers"], tally["failures"], tally["calls"]) > 30


@pytest.mark.slow
async def test_ten_thousand_mutated_answers(trial: Trial) -> None:
    tally = await survive(trial, range(1_000, 11_000))
    assert min(tally["answers"], tally["failures"], tally["calls"]) > 1_000
