"""The wire of Anthropic Messages, to be tried with answers of a server, and pieces of such answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from anthropic import AsyncAnthropic

from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import ToolSpec
from tests.support.anthropic_events import end, start, text, thinking, tool
from tests.support.decoders import TOOL, Trial
from tests.support.mutations import Recording

A1 = '{"order_id":"A-1"}'
#: A tool without parameters.
BARE = ToolSpec(name="now", description="", input={"type": "object", "properties": {}})
HELLO = [*thinking(0, "Hm", "m."), *text(1, "Hel", "lo")]
CALL = tool(0, "", '{"order_id":', '"A-1"}')
START, END = start(), end("end_turn")
STOP_REASON, MESSAGE_STOP = END


@asynccontextmanager
async def anthropic_trial(
    *tools: ToolSpec, recordings: tuple[Recording, ...] = (), ends: tuple[bytes, ...] = ()
) -> AsyncIterator[Trial]:
    """`tools` are on offer beside `TOOL`."""
    wire = AnthropicMessages({}, partial(AsyncAnthropic, api_key="k"))

    def prompt(url: str) -> Prompt:
        model = ModelDefinition(use="anthropic/claude-sonnet-5-5", base_url=url)
        return Prompt(model=model, system="", tools=(TOOL, *tools))

    yield Trial(wire=wire, prompt=prompt, recordings=recordings, ends=ends)
    await wire.aclose()
