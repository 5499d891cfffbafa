"""What a block does that needs the world, its templates filled in. Pure."""

from collections.abc import Mapping
from typing import Final, assert_never

from perdure.workflows.core.handlers.templates import TemplateFault, evaluated, text, told
from perdure.workflows.core.handlers.waiting import waiting
from perdure.workflows.core.state.handlers import (
    Asking,
    AskingPerson,
    Calling,
    Doing,
    Finishing,
    Responding,
    Saying,
)
from perdure.workflows.definition.handlers import (
    AskPerson,
    CallTool,
    Choose,
    Finish,
    Generate,
    Respond,
    Say,
    WaitFor,
)
from perdure.workflows.vocabulary.blocks import Block

#: Characters of what a person is asked.
MOST_ASKED: Final = 4_000

#: Blocks that a session carries out.
Worldly = Respond | Generate | Choose | CallTool | Say | WaitFor | AskPerson | Finish


def doing_of(block: Worldly, at: str, handler: str, names: Mapping[str, object]) -> Doing:
    """`at` is the block's place in the definition, `names` are those that its templates may use. Raises TemplateFault."""
    match block:
        case Finish():
            result = evaluated(block.result, names)
            if not isinstance(result, dict):
                raise TemplateFault(f"result: gives {str(result)[:80]!r}, and not a mapping")
            return Finishing(at=at, result=result)
        case WaitFor():
            return waiting(block, at, names)
        case AskPerson():
            return _asking_person(block, at, names)
        case Say():
            said = text(block.text, names).strip()
            if not said:
                raise TemplateFault("says nothing: its text is empty")
            return Saying(text=said)
        case Respond():
            return Responding(
                block=Block(handler=handler, kind="respond", name="respond", at=at, display="stream"),
                role=block.model,
                thinking=block.thinking,
                instructions="" if block.instructions is None else told(block.instructions, names),
            )
        case Generate() | Choose():
            prompt = told(block.prompt, names)
            if not prompt:
                raise TemplateFault("asks nothing: its prompt is empty")
            return Asking(
                block=Block(handler=handler, kind=block.kind, name=block.into, at=at, display=block.display),
                role=block.model,
                thinking=block.thinking,
                prompt=prompt,
                output=block.output if isinstance(block, Generate) else None,
                options=block.options if isinstance(block, Choose) else (),
                into=block.into,
            )
        case CallTool():
            args = evaluated(block.arguments, names)
            assert isinstance(args, dict)
            return Calling(
                block=Block(handler=handler, kind="call", name=block.tool, at=at, display=block.display),
                tool=block.tool,
                args=args,
                into=block.into,
            )
        case _:
            assert_never(block)


def _asking_person(block: AskPerson, at: str, names: Mapping[str, object]) -> AskingPerson:
    prompt = text(block.prompt, names).strip()
    if not prompt:
        raise TemplateFault("asks nothing: its prompt is empty")
    if len(prompt) > MOST_ASKED:
        raise TemplateFault(f"its prompt has {len(prompt)} characters; at most {MOST_ASKED} may be")
    return AskingPerson(
        at=at,
        prompt=prompt,
        form=block.form,
        by=block.by or (),
        not_by=block.not_by,
        expires=block.expires,
        into=block.into,
    )
