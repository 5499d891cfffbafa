from datetime import timedelta

import pytest
from pydantic import ValidationError

from perdure.workflows.definition.tools import ToolUse

pytestmark = pytest.mark.pure


def test_options_of_a_tool_survive_json() -> None:
    use = ToolUse.model_validate({"add": {"timeout": "1.5s", "retry": {"attempts": 1}}})
    assert (use.name, use.timeout) == ("add", timedelta(seconds=1.5))
    assert ToolUse.model_validate_json(use.model_dump_json()) == use


@pytest.mark.parametrize("timeout", ["0s", "0.4ms", "366d", "9999999999d", "5", 5, "1 h", "-1s"])
def test_a_time_out_that_temporal_cannot_keep_is_refused(timeout: object) -> None:
    """A time-out of zero would fail the workflow task of every session that calls the tool."""
    with pytest.raises(ValidationError):
        ToolUse.model_validate({"add": {"timeout": timeout}})
