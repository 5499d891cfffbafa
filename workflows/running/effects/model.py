"""A step's model call: one activity, told to end when the turn is stopped."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from perdure.workflows.core.effects import AskModel
from perdure.workflows.core.outcomes import ModelEnded
from perdure.workflows.protocol.activities import call_model, call_of
from perdure.workflows.running.activity_options import model_config
from perdure.workflows.running.effects.opened import Opened
from perdure.workflows.running.failures import step_failure
from perdure.workflows.vocabulary.ids import model_activity, step_number


async def ask_model(effect: AskModel, opened: Opened) -> ModelEnded:
    record = effect.record
    name = record.model.partition("/")[2]
    config = model_config(model_activity(record.step_id, record.hop), f"{name}, step {step_number(record.step_id)}")
    handle = workflow.start_activity(call_model, call_of(record), **config)
    opened.ends_by(handle.cancel)
    try:
        return ModelEnded(record.step_id, await handle)
    except ActivityError as failure:
        return ModelEnded(record.step_id, step_failure(failure))
