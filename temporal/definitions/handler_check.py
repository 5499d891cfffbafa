"""What is wrong with the handlers of a definition: what their templates read, and what their blocks name.

Rule: a variable counts as there where every way to the block has set it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from perdure.temporal.definitions.answer_check import form_faults
from perdure.temporal.definitions.event_check import EVENT, wait_findings
from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.inputs import faults_of
from perdure.temporal.definitions.template_check import BUILT_IN, template_faults
from perdure.temporal.definitions.variable_check import into_fault, set_fault
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.core.conditions import expression_of
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.handlers import (
    MESSAGE,
    NO_ANSWER,
    NO_HANDOFF,
    AskPerson,
    BlockDefinition,
    CallTool,
    Choose,
    Compensate,
    Finish,
    ForEach,
    Generate,
    Parallel,
    Respond,
    RunAgent,
    Say,
    Set,
    Switch,
    Try,
    WaitFor,
    agent_fault,
    tool_fault,
)
from perdure.workflows.definition.tools import McpServer
from perdure.workflows.vocabulary.near_names import did_you_mean

#: Names that are there, or None: nothing comes behind this.
Known = frozenset[str] | None

#: What is said of a name that instructions cannot use, and of one that a block cannot.
_NEITHER: Final = "is neither an input nor a built-in name"
_UNSET: Final = "is no input, and no variable that is set on every way to here"
_CONDITION: Final = "is exactly one {{ }} that gives true or false"


def handler_findings(definition: AgentDefinition, written: Any) -> Iterator[Finding]:
    """`written` are the handlers as the file has them."""
    for name, handler in definition.handlers.items():
        place: Loc = ("handlers", name)
        for loc, message in faults_of(handler.inputs):
            yield Finding((*place, "inputs", *loc), message)
        if handler.model is not None and handler.model not in definition.models:
            near = did_you_mean(handler.model, definition.models)
            known = f"{', '.join(definition.models)}{near}"
            yield Finding((*place, "model"), f"{handler.model!r} is not one of models: {known}")
        if name == MESSAGE and handler.inputs:
            yield Finding((*place, "inputs"), "a message gives no inputs but its text, which is the variable `message`")
        for wrong in handler.inputs.keys() & BUILT_IN:
            yield Finding((*place, "inputs", wrong), "is a built-in name")
        given = frozenset(definition.inputs) | BUILT_IN | frozenset(handler.inputs) | frozenset(definition.variables)
        walk = _Walk(definition, written)
        is_list = isinstance(written, Mapping) and isinstance(written.get(name), list)
        walk.handler(
            place if is_list else (*place, "do"), handler.do, given | {"message"} if name == MESSAGE else given
        )
        yield from walk.findings


class _Walk:
    def __init__(self, definition: AgentDefinition, written: Any) -> None:
        self.findings: list[Finding] = []
        self._written = {"handlers": written}
        #: Places of blocks that take calls back, and whether there are such calls.
        self._takes_back: list[Loc] = []
        self._compensates = False
        self._models = definition.models
        self._events = definition.events
        self._agents = definition.agent_tools
        self._variables = definition.variables
        self._form = None if definition.answer is None else definition.answer.form
        required: Any = (self._form or {}).get("required")
        self._required: list[str] = required if isinstance(required, list) else []
        listed = any(isinstance(tool, McpServer) for tool in definition.tools)
        named = [tool.name for tool in definition.tools if not isinstance(tool, McpServer)]
        self._named = named
        #: None: MCP servers may have others.
        self._tools = None if listed else [*named, *(tool.name for tool in definition.document_tools)]

    def handler(self, at: Loc, blocks: tuple[BlockDefinition, ...], known: frozenset[str]) -> None:
        self.blocks(at, blocks, known)
        for place in () if self._compensates else self._takes_back:
            self._find(place, "has nothing to take back: no call of this handler says `compensate`")

    def blocks(self, at: Loc, blocks: tuple[BlockDefinition, ...], known: Known) -> Known:
        """The names that are there behind these blocks."""
        for index, block in enumerate(blocks):
            place = (*at, index)
            if known is None:
                self._find(place, "is never reached, for the handler ends before it")
                return None
            known = self._block((*place, block.kind), block, known)
        return known

    def _block(self, at: Loc, block: BlockDefinition, known: frozenset[str]) -> Known:
        match block:
            case Switch():
                return self._switch(at, block, known)
            case ForEach():
                self._items((*at, "in"), block.items, known)
                self.blocks((*at, "do"), block.do, known | {block.name})
                return known
            case Try():
                ends = [self.blocks((*at, "do"), block.do, known)]
                for number, one in enumerate(block.catch):
                    ends.append(self.blocks((*at, "catch", number, "do"), one.do, known | {"error"}))
                return _all(ends)
            case Parallel():
                return self._parallel(at, block, known)
            case Compensate():
                self._takes_back.append(at)
                return known
            case Finish():
                self._result((*at, "result"), block.result, known)
                return None
            case Set():
                for name, value in block.values.items():
                    self._value((*at, name), value, known)
                    if name in self._variables and (why := set_fault(self._variables[name], name, value)) is not None:
                        self._find((*at, name), why, (("variables", name),))
                    known |= {name}
                return known
            case _:
                return self._simple(at, block, known)

    def _switch(self, at: Loc, block: Switch, known: frozenset[str]) -> Known:
        ends: list[Known] = []
        for number, case in enumerate(block.cases):
            if case.when is not None:
                self._condition((*at, number, "when"), case.when, known)
            ends.append(self.blocks((*at, number, "do"), case.do, known))
        return _all(ends if block.cases[-1].when is None else [*ends, known])

    def _parallel(self, at: Loc, block: Parallel, known: frozenset[str]) -> frozenset[str]:
        """None of the calls reads what another one gives."""
        if any(one.handoff and one.name in block.names for one in self._agents):
            self._find(at, NO_HANDOFF)
        for number, one in enumerate(block.branches or ()):
            self._simple((*at, number, one.kind), one, known)
        if block.for_each is not None:
            self._items((*at, "for_each", "in"), block.for_each.items, known)
            for one in block.do:
                self._simple((*at, *self._entry(at, "do", 0), one.kind), one, known | {block.for_each.name})
        self._gives(at, block, block.into)
        gives = {block.into, *(one.into for one in block.branches or ())}
        return known | {name for name in gives if name is not None}

    def _compensation(self, at: Loc, block: CallTool | RunAgent, known: frozenset[str]) -> None:
        given = block.compensate
        if given is None:
            return
        self._compensates = True
        why = tool_fault(given.tool, self._tools, self._agents)
        if why is not None:
            self._find((*at, "tool"), why)
        # It may read what its own call gives, and nothing that comes later.
        self._value((*at, "with"), given.arguments, known if block.into is None else known | {block.into})

    def _entry(self, at: Loc, field: str, index: int) -> Loc:
        """The place of an entry of a list below `at`, which may stand without the list in the file."""
        found: Any = self._written
        for step in (*at, field):
            is_entry = isinstance(found, list) and isinstance(step, int)
            found = found[step] if is_entry or isinstance(found, Mapping) else None
        return (field, index) if isinstance(found, list) else (field,)

    def _items(self, at: Loc, given: str | tuple[Any, ...], known: frozenset[str]) -> None:
        self._value(at, list(given) if isinstance(given, tuple) else given, known)
        if isinstance(given, str) and expression_of(given) is None:
            self._find(at, "is exactly one {{ }} that gives a list, or a list")

    def _simple(
        self,
        at: Loc,
        block: Respond | Generate | Choose | CallTool | RunAgent | Say | WaitFor | AskPerson,
        known: frozenset[str],
    ) -> Known:
        match block:
            case Say():
                self._text(at, block.text, known)
            case WaitFor():
                self._text((*at, "for"), block.length or "", known)
                self._text((*at, "until"), block.until or "", known)
                if block.when is not None:
                    # It is asked about an event outside of any turn.
                    self._condition((*at, "when"), block.when, known - {"turn"} | {EVENT})
                self.findings += wait_findings(at, block, self._events)
            case AskPerson():
                self._text((*at, "prompt"), block.prompt, known)
                for place, message in form_faults(block.form):
                    self._find((*at, "form", *place), message)
            case CallTool():
                if self._tools is not None and block.tool not in self._tools:
                    near = did_you_mean(block.tool, self._tools)
                    there = near or f"; there are: {', '.join(self._tools) or 'none'}"
                    self._find((*at, "tool"), f"{block.tool!r} is not one of tools{there}")
                self._value((*at, "with"), block.arguments, known)
                self._compensation((*at, "compensate"), block, known)
            case RunAgent():
                why = agent_fault(block.agent, self._agents, self._named)
                if why is not None:
                    self._find((*at, "agent"), why)
                self._text((*at, "message"), block.message, known)
                self._value((*at, "inputs"), block.inputs, known)
                self._compensation((*at, "compensate"), block, known)
            case Respond() | Generate() | Choose():
                if block.model is not None and block.model not in self._models:
                    near = did_you_mean(block.model, self._models)
                    self._find((*at, "model"), f"{block.model!r} is not one of models: {', '.join(self._models)}{near}")
                self._asks(at, block, known)
        into = None if isinstance(block, Respond | Say) else block.into
        self._gives(at, block, into)
        return known if into is None else known | {into}

    def _gives(self, at: Loc, block: BlockDefinition, into: str | None) -> None:
        """The block's value goes to the variable `into`."""
        if into in self._variables and (fault := into_fault(self._variables[into], block)) is not None:
            self._find((*at, *fault[0]), fault[1], (("variables", str(into)),))

    def _asks(self, at: Loc, block: Respond | Generate | Choose, known: frozenset[str]) -> None:
        match block:
            case Respond():
                self._text((*at, "instructions"), block.instructions or "", known)
            case Generate():
                self._text((*at, "prompt"), block.prompt, known)
                for place, message in form_faults(block.output) if block.output is not None else ():
                    self._find((*at, "output", *place), message)
            case Choose():
                self._text((*at, "prompt"), block.prompt, known)
                if len({option.casefold() for option in block.options}) < len(block.options):
                    self._find((*at, "options"), "two of them are the same")

    def _result(self, at: Loc, result: Any, known: frozenset[str]) -> None:
        self._value(at, result, known)
        if result is not None and self._form is None:
            self._find(at, NO_ANSWER)
        elif isinstance(result, str) and expression_of(result) is None:
            self._find(at, "is a mapping, or exactly one {{ }} that gives one")
        elif isinstance(result, dict):
            for name in self._required:
                if name not in result:
                    self._find((*at, name), "is required by answer.schema")

    def _value(self, at: Loc, value: Any, known: frozenset[str]) -> None:
        match value:
            case str():
                self._text(at, value, known)
            case dict():
                for name, one in value.items():
                    self._value((*at, name), one, known)
            case list():
                for index, one in enumerate(value):
                    self._value((*at, index), one, known)
            case _:
                pass

    def _condition(self, at: Loc, when: str, known: frozenset[str]) -> None:
        if expression_of(when) is None:
            self._find(at, _CONDITION)
        else:
            self._text(at, when, known)

    def _text(self, at: Loc, text: str, known: frozenset[str]) -> None:
        for fault in template_faults(text, known):
            self._find(at, fault.message.replace(_NEITHER, _UNSET))

    def _find(self, at: Loc, message: str, rests_on: tuple[Loc, ...] = ()) -> None:
        self.findings.append(Finding(at, message, rests_on))


def _all(ends: list[Known]) -> Known:
    """What is there whichever way was taken."""
    reached = [end for end in ends if end is not None]
    return frozenset.intersection(*reached) if reached else None
