"""A step's model call: one activity, told to end when the turn is stopped."""

from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from perdure.workflows.core.declined import is_declined
from perdure.workflows.core.effects import AskModel
from perdure.workflows.core.outcomes import ModelEnded
from perdure.workflows.core.step import StepFailure
from perdure.workflows.protocol.activities import StepOutput, call_model, call_of
from perdure.workflows.running.activity_options import model_config
from perdure.workflows.running.effects.opened import Opened
from perdure.workflows.running.failures import step_failure
from perdure.workflows.vocabulary.ids import model_activity, step_number

#: The patch since which later requests leave out what a provider declined.
LEAVES_OUT: Final = "leave-out-declined"


async def ask_model(effect: AskModel, opened: Opened) -> ModelEnded:
    record = effect.record
    name = record.model.partition("/")[2]
    brief = record.block is not None and record.block.block.kind == "title"
    if record.compaction is None:
        config = model_config(
            model_activity(record.step_id, record.hop), f"{name}, step {step_number(record.step_id)}", brief=brief
        )
    else:
        config = model_config(model_activity(record.step_id, len(record.tried)), f"{name}, a summary")
    handle = workflow.start_activity(call_model, call_of(record), **config)
    opened.ends_by(handle.cancel)
    outcome: StepOutput | StepFailure
    try:
        outcome = await handle
    except ActivityError as failure:
        outcome = step_failure(failure)
    # Sessions that went on after a refusal under an older version were sent the whole conversation.
    leaves_out = is_declined(outcome) and workflow.patched(LEAVES_OUT)
    return ModelEnded(record.step_id, outcome, leaves_out)
