"""What the route of session variables answers."""

from pydantic import JsonValue

from perdure.workflows.vocabulary.parts import Frozen


class VariableValues(Frozen):
    #: What each holds by name, in the order of the definition: what was set last, or the default.
    variables: dict[str, JsonValue]
