"""What a Temporal Schedule starts each time: a workflow that delivers one message or trigger to a session, and ends.

It is a workflow of its own so that what could not be delivered is seen: it fails, in the Temporal Web UI, with the reason.
"""

from typing import Final

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from perdure.workflows.protocol.activities import DeliverMessageInput, Delivery, deliver_message
from perdure.workflows.running.activity_options import delivery_config

#: Temporal's own; the time that the schedule says, however late the workflow starts.
_SCHEDULED_FOR: Final = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow.defn(name="DeliverMessage")
class DeliverMessage:
    @workflow.run
    async def run(self, delivery: Delivery) -> str:
        """Returns the id of the session that has the message, or the trigger."""
        info = workflow.info()
        due = info.typed_search_attributes.get(_SCHEDULED_FOR) or info.start_time
        request = DeliverMessageInput(delivery=delivery, due=due)
        config = delivery_config(f"{delivery.agent}: {delivery.schedule.session}")
        session: str = await workflow.execute_activity(deliver_message, request, **config)
        return session
