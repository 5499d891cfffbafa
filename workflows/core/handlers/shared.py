"""The session's variables while a handler is carried on: its blocks read them by name, and `set` writes them. Pure."""

from collections.abc import Mapping

from pydantic import JsonValue

from perdure.workflows.core.handlers.templates import TemplateFault
from perdure.workflows.core.session_variables import taken
from perdure.workflows.definition.variables import SessionVariable


class Shared:
    """`variables` are those that the definition declares, and `values` what all of them hold."""

    def __init__(self, variables: Mapping[str, SessionVariable], values: Mapping[str, JsonValue]) -> None:
        self._variables = variables
        self.values = dict(values)
        #: What was written.
        self.written: dict[str, JsonValue] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._variables

    def write(self, name: str, value: JsonValue) -> JsonValue:
        """What the variable holds then. Raises TemplateFault where it does not take the value."""
        try:
            made = taken(self._variables, self.values, name, value)
        except ValueError as error:
            raise TemplateFault(str(error)) from error
        self.values[name] = self.written[name] = made
        return made


#: Of a definition that declares none.
NOTHING_SHARED = Shared({}, {})
