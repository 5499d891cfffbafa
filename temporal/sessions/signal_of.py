"""The workflow's signal for each command of a caller's."""

from typing import Any, Final

from perdure.workflows.protocol.signals import (
    Answer,
    CallerCommand,
    CancelTimer,
    Close,
    Configure,
    EditMessage,
    GiveFeedback,
    Retry,
    Rewind,
    SendMessage,
    Spending,
    Stop,
    Trigger,
    WithdrawMessage,
)
from perdure.workflows.session import SessionWorkflow

SIGNALS: Final[dict[type[CallerCommand | Spending], Any]] = {
    SendMessage: SessionWorkflow.send_message,
    EditMessage: SessionWorkflow.edit_message,
    WithdrawMessage: SessionWorkflow.withdraw_message,
    Stop: SessionWorkflow.stop,
    Answer: SessionWorkflow.answer,
    CancelTimer: SessionWorkflow.cancel_timer,
    GiveFeedback: SessionWorkflow.give_feedback,
    Configure: SessionWorkflow.configure,
    Close: SessionWorkflow.close,
    Rewind: SessionWorkflow.rewind,
    Retry: SessionWorkflow.retry,
    Trigger: SessionWorkflow.trigger,
}
