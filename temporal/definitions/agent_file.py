"""One YAML file to one `AgentDefinition`, or to the list of what is wrong with it.

Rule 1: a field or policy that this version does not carry out is refused, never ignored.
Rule 2: everything that can be known before a session runs is checked here: the template, the inputs' schemas, tools,
prices under a cost cap. What passes can be started.
Rule 3: one reading finds every fault. What a fault makes of the fields after it is no fault of theirs.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pydantic import TypeAdapter, model_validator

from perdure.temporal.definitions.advice import advice_findings
from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.definitions.answer_check import answer_findings
from perdure.temporal.definitions.documents import read_documents
from perdure.temporal.definitions.event_check import event_findings
from perdure.temporal.definitions.field_problems import problem_of
from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.handler_check import handler_findings
from perdure.temporal.definitions.inputs import input_faults
from perdure.temporal.definitions.instructions import Instructions, own_files, read_instructions
from perdure.temporal.definitions.limit_check import limit_findings
from perdure.temporal.definitions.mcp_check import mcp_findings
from perdure.temporal.definitions.model_check import model_findings
from perdure.temporal.definitions.models_file import Models
from perdure.temporal.definitions.recovery import Recovered, recover
from perdure.temporal.definitions.route_check import route_findings
from perdure.temporal.definitions.schedule_check import schedule_findings
from perdure.temporal.definitions.secret_check import secret_findings
from perdure.temporal.definitions.template_check import BUILT_IN, VALUES, says_nothing, template_faults
from perdure.temporal.definitions.template_names import misread_names
from perdure.temporal.definitions.tool_check import KnownTools, tool_findings
from perdure.temporal.definitions.variable_check import variable_findings, variable_schemas
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Refused, Source, read_yaml
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import AgentTool
from perdure.workflows.vocabulary.parts import ToolSpec


class _Draft(AgentDefinition):
    """A definition whose fields are right one by one. Whether they fit together is asked of it."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return self


_DRAFT: Final = TypeAdapter(_Draft)


@dataclass(frozen=True, slots=True)
class AgentFile:
    """What one file gave. `definition` is None where there are problems."""

    file: Path
    #: As the file gives it, or the file's own name where it does not get that far.
    name: str
    definition: AgentDefinition | None
    problems: tuple[DefinitionProblem, ...] = ()
    #: Other files that it was made from, there or not.
    included: tuple[Path, ...] = ()
    #: What is odd, and does not refuse the definition.
    warnings: tuple[DefinitionProblem, ...] = ()
    #: What is allowed, and unwise.
    advice: tuple[DefinitionProblem, ...] = ()
    #: What cannot be known where the file is read.
    unchecked: tuple[DefinitionProblem, ...] = ()
    #: The agents that its tools name, and the places of these tools, as far as they could be read.
    agent_tools: tuple[tuple[int, AgentTool], ...] = ()
    #: The documents that come with it, by sha256, as the blob store has to hold them.
    documents: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


def load_agent_file(
    file: Path,
    shared: Models,
    tool_names: frozenset[str] | None,
    allowed: Allowed | None = None,
    tool_spec: Callable[[str], ToolSpec | None] | None = None,
) -> AgentFile:
    """Reads and checks one definition. `shared` models lie below its own.

    `tool_names` are the tools of our own workers; None: not known, and not checked. `tool_spec` gives what one of them takes,
    where that is known. `allowed` None: what the settings allow.
    """
    problems: list[DefinitionProblem] = []
    try:
        source = read_yaml(file)
    except Refused as refused:
        if refused.source is None:
            return AgentFile(file, file.stem, None, refused.problems)
        source = refused.source
        problems += refused.problems
    known = KnownTools(tool_names, tool_spec) if tool_spec is not None else KnownTools(tool_names)
    reading = _Reading(source, shared, known, allowed or Allowed.load(), problems)
    return reading.result()


class _Reading:
    def __init__(
        self, source: Source, shared: Models, known: KnownTools, allowed: Allowed, problems: list[DefinitionProblem]
    ) -> None:
        self._source = source
        self._known = known
        self._allowed = allowed
        self._problems = problems
        self._warnings: list[DefinitionProblem] = []
        self._advice: list[DefinitionProblem] = []
        self._unchecked: list[DefinitionProblem] = []
        values = self._values = dict(source.values)
        self._instructions = self._read_instructions()
        documents = self._documents = read_documents(source)
        self._problems += documents.problems
        self._warnings += documents.warnings
        for name in ("references", "skills"):
            values.pop(name, None)
        values |= documents.values
        self._own: Any = values.get("models", {})
        if isinstance(self._own, dict) and (shared or "models" in values):
            values["models"] = {**shared, **self._own}
        self._found: Recovered[_Draft] = recover(_DRAFT, values)

    def result(self) -> AgentFile:
        source, draft = self._source, self._found.value
        self._problems += [problem_of(source, fault) for fault in self._found.faults]
        if draft is not None:
            self._check(draft)
        name = self._values.get("name")
        return AgentFile(
            source.file,
            name if isinstance(name, str) else source.file.stem,
            None if self._problems else AgentDefinition.model_validate(self._values),
            tuple(sorted(self._problems)),
            (
                *own_files(source),
                *(self._instructions.files if self._instructions is not None else ()),
                *self._documents.seen,
            ),
            warnings=tuple(sorted(self._warnings)),
            advice=tuple(sorted(self._advice)),
            unchecked=tuple(sorted(self._unchecked)),
            agent_tools=tuple(self._agent_tools(draft)) if draft is not None else (),
            documents=self._documents.stored,
        )

    def _agent_tools(self, draft: AgentDefinition) -> Iterator[tuple[int, AgentTool]]:
        for index, tool in enumerate(draft.tools):
            if isinstance(tool, AgentTool) and not self._found.is_doubtful(("tools", index, "name")):
                yield index, tool

    def _read_instructions(self) -> Instructions | None:
        try:
            read = read_instructions(self._source)
        except Refused as refused:
            self._problems += refused.problems
            self._values["instructions"] = ""
            return None
        if read is not None:
            self._values["instructions"] = read.text
            self._problems += read.problems
        return read

    def _check(self, draft: AgentDefinition) -> None:
        lists = {
            "fault": self._problems,
            "warning": self._warnings,
            "advice": self._advice,
            "unchecked": self._unchecked,
        }
        names_known = ("inputs",) not in self._found.mended and ("variables",) not in self._found.mended
        for finding in self._findings(draft):
            if not names_known and finding.loc[-1] == "when":
                continue
            if not self._found.is_doubtful(finding.loc, finding.rests_on):
                problem = self._source.problem(self._found.as_written(finding.loc), finding.message)
                lists[finding.kind].append(problem)
        # Without a part that is missing, what is left may be no template at all.
        if self._instructions is not None and names_known and not self._instructions.problems:
            self._check_template(self._instructions, {**draft.inputs, **variable_schemas(draft)})

    def _findings(self, draft: AgentDefinition) -> Iterator[Finding]:
        own: dict[str, Any] = self._own if isinstance(self._own, dict) else {}
        for field, message in draft.inconsistencies():
            # These are given with their places below.
            placed = field in ("models", "context", "handlers", "events", "schedules", "title", "variables") or (
                field == "model" and draft.model in own
            )
            if not placed and not self._is_guessed(field):
                yield Finding((field,), message)
        if not self._is_guessed("models"):
            yield from route_findings(draft, own)
            for field, message in draft.context.faults(draft.models):
                yield Finding(("context", field), message)
            for field, message in draft.title.faults(draft.models) if draft.title is not None else ():
                yield Finding(("title", field), message)
        for loc, message in input_faults(draft):
            yield Finding(("inputs", *loc), message)
        named = not any(place[:1] == ("handlers",) for place in self._found.mended)
        if named and ("variables",) not in self._found.mended:
            # What a block would set that is not there now, those behind it would miss.
            yield from handler_findings(draft, self._values.get("handlers"))
        yield from variable_findings(draft)
        yield from event_findings(draft)
        yield from answer_findings(draft)
        yield from tool_findings(draft, self._known)
        yield from mcp_findings(draft)
        yield from schedule_findings(draft)
        yield from model_findings(draft, own)
        yield from limit_findings(draft)
        yield from secret_findings(draft, own, self._allowed)
        # Of a definition that is not whole, it would be about what the reading put in place of what is wrong.
        if not self._found.faults and not self._problems:
            yield from advice_findings(draft, own)

    def _is_guessed(self, field: str) -> bool:
        """Whether other names may stand in the file than in the draft, where `field` is about names."""
        named = "models" if field == "model" else field
        return any(
            place[:1] == (named,) and len(place) <= (2 if named == "tools" else 1) for place in self._found.mended
        )

    def _check_template(self, instructions: Instructions, schemas: Mapping[str, Any]) -> None:
        """`schemas` are those of inputs and session variables, by name."""
        known = frozenset(schemas) | BUILT_IN
        for fault in template_faults(instructions.text, known):
            self._problems.append(instructions.problem(fault.line, fault.message, fault.word))
        if says_nothing(instructions.text):
            self._problems.append(
                instructions.problem(1, "are empty; write what the model is told, in a sentence or more")
            )
        for line, message in misread_names(instructions.text, {**VALUES, **schemas}):
            self._warnings.append(instructions.problem(line, message))
