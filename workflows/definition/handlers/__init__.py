"""Handlers as a definition gives them: one file for each family of blocks, and the program that they compile to."""

from perdure.workflows.definition.handlers.agents import RunAgent, agent_fault
from perdure.workflows.definition.handlers.asking import Choose, Generate, Respond
from perdure.workflows.definition.handlers.blocks import FORMS, BlockDefinition, Case, Catch, ForEach, Switch, Try
from perdure.workflows.definition.handlers.compensation import Compensate, Compensation
from perdure.workflows.definition.handlers.events import EventDefinition, Events, event_faults
from perdure.workflows.definition.handlers.handler import (
    MESSAGE,
    NO_ANSWER,
    Handler,
    Handlers,
    cap_costs,
    handler_blocks,
    handler_faults,
    tool_fault,
)
from perdure.workflows.definition.handlers.limits import BlockLimits, HandlerLimits, RespondLimits
from perdure.workflows.definition.handlers.person import AskPerson
from perdure.workflows.definition.handlers.plain import CallTool, Finish, Say, Set, WaitFor
from perdure.workflows.definition.handlers.program import Do, Enter, Guard, Jump, Next, Program, Unguard, Unless
from perdure.workflows.definition.handlers.together import BRANCHES, NO_HANDOFF, Parallel

__all__ = [
    "BRANCHES",
    "FORMS",
    "MESSAGE",
    "NO_ANSWER",
    "NO_HANDOFF",
    "AskPerson",
    "BlockDefinition",
    "BlockLimits",
    "CallTool",
    "Case",
    "Catch",
    "Choose",
    "Compensate",
    "Compensation",
    "Do",
    "Enter",
    "EventDefinition",
    "Events",
    "Finish",
    "ForEach",
    "Generate",
    "Guard",
    "Handler",
    "HandlerLimits",
    "Handlers",
    "Jump",
    "Next",
    "Parallel",
    "Program",
    "Respond",
    "RespondLimits",
    "RunAgent",
    "Say",
    "Set",
    "Switch",
    "Try",
    "Unguard",
    "Unless",
    "WaitFor",
    "agent_fault",
    "cap_costs",
    "event_faults",
    "handler_blocks",
    "handler_faults",
    "tool_fault",
]
