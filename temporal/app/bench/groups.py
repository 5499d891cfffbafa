"""The groups of measurements of `perdure bench`."""

from enum import StrEnum


class Rows(StrEnum):
    """The groups, in the order in which they are measured."""

    tokens = "tokens"
    first = "first"
    stop = "stop"
    history = "history"
    idle = "idle"
    kill = "kill"
    resume = "resume"
    turns = "turns"
    memory = "memory"
    replay = "replay"
    tools = "tools"
    interrupted = "interrupted"
    burst = "burst"
    growth = "growth"
    purses = "purses"
    apart = "apart"
    neighbours = "neighbours"
    fleet = "fleet"
