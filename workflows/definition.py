"""An agent definition as the YAML file gives it. A field that this version does not carry out is refused.

`AgentDefinition` is what people write; `LoadedAgent` is what a session runs: the same, with everything that had to be
looked up (tool schemas, prices) beside it, so that workflow code never looks anything up itself.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, PlainSerializer, model_validator

from workflows.types import Frozen, ToolSpec

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d)$")
_UNIT = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: Any) -> Any:
    """`30s`, `5m`, `2h`, `3d`, `250ms` → timedelta. Anything else is an error that says so."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a number and a unit: 30s, 5m, 2h, 3d")
    try:
        return timedelta(**{_UNIT[match[2]]: float(match[1])})
    except OverflowError:
        raise ValueError(f"{value} is longer than any clock can tell") from None


def format_duration(value: timedelta) -> str:
    """The inverse of `parse_duration`, in milliseconds where seconds do not do."""
    seconds = value.total_seconds()
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]

PROVIDERS = ("anthropic", "openai", "openai-chat", "demo")


class Rates(Frozen):
    """Dollars a million tokens. `cached_input` defaults to `input`."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)


class LongInput(Rates):
    """What a whole request costs whose input is longer than `above` tokens."""

    above: int = Field(ge=1)


class Price(Rates):
    long_input: tuple[LongInput, ...] = ()


class ModelDefinition(Frozen):
    #: `provider/model`, where provider is one of `PROVIDERS`.
    use: str
    max_output_tokens: int = Field(default=4096, ge=1, le=200_000)
    thinking: Literal["off", "low", "medium", "high"] = "off"
    base_url: str | None = None
    price: Price | None = None

    @model_validator(mode="after")
    def _known_provider(self) -> Self:
        provider, _, model = self.use.partition("/")
        if provider not in PROVIDERS or not model:
            known = ", ".join(f"{name}/…" for name in PROVIDERS)
            raise ValueError(f"use: {self.use!r} names no provider of this version; write one of {known}")
        return self

    @property
    def provider(self) -> str:
        return self.use.partition("/")[0]

    @property
    def model_name(self) -> str:
        return self.use.partition("/")[2]


class Retry(Frozen):
    #: How often a call is tried in all, the first time included.
    attempts: int = Field(default=3, ge=1, le=100)


class ToolUse(Frozen):
    """One entry of `tools:`. In YAML it is a name, or a name with options: `- find_order: {timeout: 30s}`."""

    name: Name
    #: Of one attempt. Temporal takes none of zero, and a session carries it over in whole milliseconds.
    timeout: Duration = Field(default=timedelta(seconds=60), ge=timedelta(milliseconds=1), le=timedelta(days=365))
    retry: Retry = Retry()

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "name" not in value:
            if len(value) != 1:
                raise ValueError("a tool is a name, or one name with its options")
            ((name, options),) = value.items()
            if name in ("agent", "mcp", "client"):
                raise ValueError(f"{name}: tools of this kind are not carried out by this version")
            if options is not None and (not isinstance(options, dict) or "name" in options):
                raise ValueError(f"the options of {name} are a mapping of timeout, retry: {{timeout: 30s}}")
            return {"name": name, **(options or {})}
        return value


class Example(Frozen):
    user: str
    assistant: str


class TurnLimits(Frozen):
    steps: int = Field(default=25, ge=1, le=1000, strict=True)
    cost_usd: float | None = Field(default=None, ge=0, strict=True)


class SessionLimits(Frozen):
    cost_usd: float | None = Field(default=None, ge=0, strict=True)


class Limits(Frozen):
    turn: TurnLimits = TurnLimits()
    session: SessionLimits = SessionLimits()

    @property
    def cap_costs(self) -> bool:
        return self.turn.cost_usd is not None or self.session.cost_usd is not None


class AgentDefinition(Frozen):
    name: Name
    description: str = ""
    #: JSON Schema properties by name; required unless they have a default.
    inputs: dict[Name, dict[str, JsonValue]] = {}
    models: dict[Name, ModelDefinition] = Field(min_length=1)
    #: The role, one of `models`, that answers.
    model: str
    instructions: str
    examples: tuple[Example, ...] = ()
    tools: tuple[ToolUse, ...] = ()
    limits: Limits = Limits()
    busy: Literal["queue"] = "queue"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.model not in self.models:
            raise ValueError(f"model: {self.model!r} is not one of models: {', '.join(self.models)}")
        names = [tool.name for tool in self.tools]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tools: {name!r} is named twice")
        for name in self.inputs:
            if name in ("session", "user", "turn", "args"):
                raise ValueError(f"inputs: {name!r} is a built-in name")
        return self


class LoadedAgent(Frozen):
    """A definition made ready to run; everything in it is recorded in the session's history."""

    digest: str
    definition: AgentDefinition
    tools: tuple[ToolSpec, ...] = ()
    #: By role; a role that is missing has no known price.
    prices: dict[str, Price] = {}
    #: Of the worker's tool specs, to notice that a newer worker describes its tools otherwise.
    tools_digest: str = ""

    def spec(self, name: str) -> ToolSpec | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    def use(self, name: str) -> ToolUse | None:
        return next((tool for tool in self.definition.tools if tool.name == name), None)
