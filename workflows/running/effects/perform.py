"""Carries an effect out: what is to be done for each of them, from its start to its outcome."""

from typing import assert_never

from perdure.workflows.core.effects import (
    AdoptAgent,
    AskModel,
    AskPurses,
    CallServer,
    CheckAnswer,
    CompareTools,
    Effect,
    FindDefinition,
    LoadDefinition,
    OpenAgent,
    Rehearse,
    RunActivity,
    RunRemote,
    RunSession,
    SealPart,
    StoreAnswer,
)
from perdure.workflows.core.outcomes import Outcome
from perdure.workflows.running.effects.agents import adopt_agent, open_agent, run_session, store_answer
from perdure.workflows.running.effects.lookups import compare_tools, find_definition, load_definition
from perdure.workflows.running.effects.model import ask_model
from perdure.workflows.running.effects.opened import Opened
from perdure.workflows.running.effects.purses import ask_purses
from perdure.workflows.running.effects.results import weigh_answer
from perdure.workflows.running.effects.sealing import seal_part
from perdure.workflows.running.effects.tools import call_server, run_activity, run_remote


async def perform(effect: Effect, opened: Opened) -> Outcome:
    """What came of `effect`; `opened` lets it be told to end. A failure is data, and is never raised."""
    match effect:
        case AskModel():
            return await ask_model(effect, opened)
        case RunActivity():
            return await run_activity(effect, opened)
        case RunRemote():
            return await run_remote(effect, opened)
        case CallServer():
            return await call_server(effect, opened)
        case OpenAgent():
            return await open_agent(effect)
        case RunSession():
            return await run_session(effect, opened)
        case StoreAnswer():
            return await store_answer(effect)
        case AdoptAgent():
            return await adopt_agent(effect)
        case LoadDefinition():
            return await load_definition(effect)
        case FindDefinition():
            return await find_definition(effect)
        case CompareTools():
            return await compare_tools(effect)
        case CheckAnswer():
            return await weigh_answer(effect)
        case AskPurses():
            return await ask_purses(effect)
        case SealPart():
            return await seal_part(effect)
        case Rehearse():
            raise ValueError("a session that runs on Temporal is never a rehearsal")
        case _:
            assert_never(effect)
