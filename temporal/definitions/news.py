"""What became of agents when their files were read again: which are new, changed, gone or refused. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import structlog

from perdure.temporal.definitions.differences import Difference, differences
from perdure.temporal.definitions.folders import OF_TENANT
from perdure.temporal.definitions.shelves import Known, Shelves
from perdure.temporal.definitions.stored import Stored
from perdure.temporal.schemas.yaml_source import DefinitionProblem

#: `accepted`: what was wrong in a file is mended. `odd`: it serves, with a warning.
Kind = Literal["added", "changed", "removed", "refused", "accepted", "odd"]

#: Characters of a digest that people are shown.
SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class News:
    kind: Kind
    #: As `support`, or `@acme/support` where a tenant alone has it; of a file that serves nothing, the file's name.
    agent: str
    #: Digests, before and now; None: nothing served, or serves.
    old: str | None
    new: str | None
    changes: tuple[Difference, ...] = ()
    problem: DefinitionProblem | None = None

    def __str__(self) -> str:
        old, new = (digest and digest[:SHORT] for digest in (self.old, self.new))
        match self.kind:
            case "changed":
                changes = "; ".join(one.text for one in self.changes)
                return f"agent {self.agent} changed  {old} -> {new}  {changes}".rstrip()
            case "refused":
                serves = f"{new} goes on serving" if new is not None else "nothing serves in its place"
                return f"agent {self.agent} refused, {serves}: {self.problem}"
            case "odd":
                return f"agent {self.agent} has a warning: {self.problem}"
            case "accepted":
                return f"agent {self.agent} is accepted again  {new or ''}".rstrip()
            case _:
                return f"agent {self.agent} {self.kind}  {new or old}"


Tell = Callable[[Sequence[News]], None]


@dataclass(frozen=True, slots=True)
class State:
    """What one reading of all files came to."""

    shelves: Shelves
    problems: tuple[DefinitionProblem, ...]
    warnings: tuple[DefinitionProblem, ...]


def news(before: State, after: State) -> list[News]:
    """In the order of the agents' names; what is refused comes last."""
    old, new = _by_label(before.shelves), _by_label(after.shelves)
    found = [one for label in sorted({*old, *new}) for one in _of_agent(label, old.get(label), new.get(label))]
    labels = {one.file: label for label, one in new.items()}
    broken = {problem.file for problem in after.problems}
    mended = {problem.file for problem in before.problems} - broken
    told = {one.agent for one in found}
    for file in sorted(mended):
        if (label := labels.get(file)) is not None and label not in told:
            found.append(News("accepted", label, new[label].digest, new[label].digest))
    odd = (_of_problem("odd", one, labels, new) for one in after.warnings if one not in before.warnings)
    refused = (_of_problem("refused", one, labels, new) for one in after.problems if one not in before.problems)
    return [*found, *odd, *refused]


def log_news(told: Sequence[News]) -> None:
    log = structlog.get_logger()
    for one in told:
        match one.kind:
            case "refused":
                log.warning("definition.refused", agent=one.agent, serving=one.new, problem=str(one.problem))
            case "odd":
                log.warning("definition.warning", agent=one.agent, problem=str(one.problem))
            case kind:
                changes = [change.text for change in one.changes]
                log.info(f"definition.{kind}", agent=one.agent, old=one.old, new=one.new, changes=changes)


def _of_agent(label: str, old: Known | None, new: Known | None) -> Iterator[News]:
    if old is None and new is not None:
        yield News("added", label, None, new.digest)
    elif old is not None and new is None:
        yield News("removed", label, old.digest, None)
    elif old is not None and new is not None and old.digest != new.digest:
        yield News("changed", label, old.digest, new.digest, differences(_stored(old), _stored(new)))


def _of_problem(
    kind: Kind, problem: DefinitionProblem, labels: Mapping[Path, str], serving: Mapping[str, Known]
) -> News:
    label = labels.get(problem.file)
    digest = None if label is None else serving[label].digest
    return News(kind, label or problem.file.stem, digest, digest, problem=problem)


def _stored(known: Known) -> Stored:
    return Stored(known.definition, known.salt, known.tenant)


def _by_label(shelves: Shelves) -> dict[str, Known]:
    def label(one: Known) -> str:
        name = one.definition.name
        return name if one.tenant is None else f"{OF_TENANT}{one.tenant}/{name}"

    return {label(one): one for one in shelves.every()}
