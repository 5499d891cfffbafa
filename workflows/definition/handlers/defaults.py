"""What a handler says for all of its blocks that do not say it themselves. Pure."""

from perdure.workflows.definition.handlers.asking import Choose, Generate, Respond
from perdure.workflows.definition.handlers.program import Do, Instruction
from perdure.workflows.definition.providers.dialect import Thinking


def with_defaults(instruction: Instruction, model: str | None, thinking: Thinking | None) -> Instruction:
    """The instruction with the handler's role and level of thinking, where its block asks a model and names none."""
    if not isinstance(instruction, Do) or not isinstance(instruction.block, Respond | Generate | Choose):
        return instruction
    block = instruction.block
    made = {"model": block.model or model, "thinking": block.thinking if block.thinking is not None else thinking}
    return Do(block.model_copy(update=made), instruction.at)
