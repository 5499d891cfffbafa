"""What takes back the calls of a handler: what is kept of each, and what comes of carrying it out. Pure.

Rule 1: a compensation is filled in once its call has succeeded, and is kept with the run; so it needs nothing later.
Rule 2: it is forgotten once it has been tried. One that a stop cuts short has not been.
"""

from collections.abc import Mapping
from typing import Final

from perdure.workflows.core.handlers.held import MOST_HELD, TOO_MUCH, size
from perdure.workflows.core.handlers.templates import TemplateFault, evaluated
from perdure.workflows.core.state.compensating import Compensating, Kept, Untaken
from perdure.workflows.core.state.handlers import HandlerRun
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.together import Branch, CallingMany
from perdure.workflows.vocabulary.errors import COMPENSATION_FAILED, HANDLER_INVALID, RESULT_TOO_LARGE
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import ToolError, ToolResult

#: Compensations that a run keeps.
MOST_KEPT: Final = 200
#: Failures that an error names, and characters that it says of each.
_MOST_NAMED: Final = 20
_MOST_SAID: Final = 300


def check_room(run: HandlerRun, doing: CallingMany) -> None:
    """Before any of the calls begins. Raises TemplateFault where the run could not keep all that takes them back."""
    kept = len(run.kept) + sum(branch.compensate is not None for branch in doing.branches)
    if kept > MOST_KEPT:
        raise TemplateFault(
            f"there would be {kept} calls to take back; a handler keeps at most {MOST_KEPT} (`compensate`)"
        )


def keeping(run: HandlerRun, names: Mapping[str, object]) -> HandlerRun:
    """`run` with what takes back those of its calls that have succeeded. What cannot be filled in is an error of its call.

    `names` are those that every template may use."""
    if not isinstance(run.doing, CallingMany):
        return run
    doing, kept = run.doing, list(run.kept)
    branches: list[Branch] = []
    held = doing.held
    for branch in doing.branches:
        if branch.compensate is None or branch.settled or not _has_run(branch):
            branches.append(branch)
            continue
        known = {**names, **run.variables, **branch.item_names}
        if branch.error is not None:
            # What the variable holds is of another call.
            known.pop(branch.into or "", None)
        elif branch.into is not None:
            known[branch.into] = branch.value
        try:
            args = evaluated(branch.compensate.arguments, known)
            assert isinstance(args, dict)
            held += size(args)
            if held > MOST_HELD:
                raise TemplateFault(TOO_MUCH)
        except TemplateFault as fault:
            error = ToolError(type=HANDLER_INVALID, message=f"{branch.block.at}.compensate: {branch.told}{fault}")
            branches.append(replace(branch, settled=True, unkept=error))
            continue
        block = branch.block.model_copy(update={"name": branch.compensate.tool, "at": f"{branch.block.at}.compensate"})
        kept.append(Kept(block=block, tool=branch.compensate.tool, args=args))
        branches.append(replace(branch, settled=True))
    return replace(run, doing=replace(doing, branches=tuple(branches), held=held), kept=tuple(kept))


def tried(run: HandlerRun, doing: Compensating, result: ToolResult, *, cut: bool) -> HandlerRun:
    """The call that takes back has its result. `cut`: the turn ends early, so a failure says nothing."""
    if cut and result.is_error:
        return replace(run, doing=replace(doing, call_id=None))
    kept, failed = run.kept[-1], doing.failed
    if result.is_error:
        failed = (*failed, Untaken(kept=kept, error=ToolError.model_validate(result.output)))
    return replace(run, kept=run.kept[:-1], doing=replace(doing, call_id=None, tried=doing.tried + 1, failed=failed))


def again(run: HandlerRun, doing: Compensating) -> HandlerRun:
    """`run` as it goes on in a later turn: those that failed are tried again."""
    kept = (*run.kept, *(one.kept for one in reversed(doing.failed)))
    return replace(run, kept=kept, doing=Compensating(at=doing.at))


def failure(doing: Compensating) -> ToolError | None:
    """What the block fails with, once all have been tried."""
    if not doing.failed:
        return None
    told = [f"{one.kept.tool} ({one.kept.block.at}): {preview(one.error.message, _MOST_SAID)}" for one in doing.failed]
    more = len(told) - _MOST_NAMED
    words = "; ".join(told[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
    message = f"{doing.at}: {len(told)} of {doing.tried} calls could not be taken back. {words}"
    return ToolError(
        type=COMPENSATION_FAILED, message=message, retryable=all(one.error.retryable for one in doing.failed)
    )


def _has_run(branch: Branch) -> bool:
    """Whether the call has succeeded, be its result of use or not."""
    return branch.over and (branch.error is None or branch.error.type == RESULT_TOO_LARGE)
