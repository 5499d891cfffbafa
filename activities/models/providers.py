"""Which wire speaks to which provider of a definition's `use`. Made when first asked for, and kept."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from perdure.activities.models.demo.wire import Demo
from perdure.activities.models.wire import Wire
from perdure.workflows.definition.agent import ModelDefinition

if TYPE_CHECKING:
    from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
    from perdure.activities.models.wires.openai_chat import OpenAIChat
    from perdure.activities.models.wires.openai_responses import OpenAIResponses

    _Wire = AnthropicMessages | OpenAIResponses | OpenAIChat | Demo


class Providers:
    def __init__(self, environment: Mapping[str, str], demo: Demo | None = None) -> None:
        """`environment` holds keys and base URLs; `demo` is given by those who want it faster or slower."""
        self._environment = environment
        self._demo = demo
        self._wires: dict[str, _Wire] = {}

    def wire(self, model: ModelDefinition) -> Wire:
        """The wire for `model`; the same one for the same provider."""
        if model.provider not in self._wires:
            self._wires[model.provider] = self._connect(model.provider)
        return self._wires[model.provider]

    def _connect(self, provider: str) -> "_Wire":
        # Here, for each of them loads an SDK; `perdure.activities.models.sdks.load` does it beforehand.
        match provider:
            case "anthropic":
                from perdure.activities.models.wires.anthropic_messages import AnthropicMessages

                return AnthropicMessages(self._environment)
            case "openai":
                from perdure.activities.models.wires.openai_responses import OpenAIResponses

                return OpenAIResponses(self._environment)
            case "openai-chat":
                from perdure.activities.models.wires.openai_chat import OpenAIChat

                return OpenAIChat(self._environment)
            case "demo":
                return self._demo or Demo()
            case _:
                # Definitions are validated against the same list.
                raise ValueError(f"no wire for provider {provider!r}")

    async def aclose(self) -> None:
        """Closes every connection. A wire that is asked for afterwards is made anew."""
        while self._wires:
            _, wire = self._wires.popitem()
            await wire.aclose()
