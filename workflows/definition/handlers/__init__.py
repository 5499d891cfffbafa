"""Handlers as a definition gives them: one file for each family of blocks, and the program that they compile to."""

from perdure.workflows.definition.handlers.agents import RunAgent, agent_fault
from perdure.workflows.definition.handlers.asking import Choose, Generate, Respond
from perdure.workflows.definition.handlers.blocks import FORMS, BlockDefinition, Case, Catch, ForEach, Switch, Try
from perdure.workflows.definition.handlers.events import EventDefinition, Events, event_faults
from perdure.workflows.definition.handlers.handler import MESSAGE, NO_ANSWER, Handler, Handlers, handler_faults
from perdure.workflows.definition.handlers.person import AskPerson
from perdure.workflows.definition.handlers.plain import CallTool, Finish, Say, Set, WaitFor
from perdure.workflows.definition.handlers.program import Do, Enter, Guard, Jump, Next, Program, Unguard, Unless

__all__ = [
    "FORMS",
    "MESSAGE",
    "NO_ANSWER",
    "AskPerson",
    "BlockDefinition",
    "CallTool",
    "Case",
    "Catch",
    "Choose",
    "Do",
    "Enter",
    "EventDefinition",
    "Events",
    "Finish",
    "ForEach",
    "Generate",
    "Guard",
    "Handler",
    "Handlers",
    "Jump",
    "Next",
    "Program",
    "Respond",
    "RunAgent",
    "Say",
    "Set",
    "Switch",
    "Try",
    "Unguard",
    "Unless",
    "WaitFor",
    "agent_fault",
    "event_faults",
    "handler_faults",
]
