"""Documents that come with a definition, references and skills, as the definition keeps them.

Rule: the texts are in the blob store, under the sha256 that stands here. So the definition's digest covers them, and a
session that runs an older definition reads the texts of that one.
"""

from typing import Annotated, Final

from pydantic import Field

from perdure.workflows.vocabulary.parts import Frozen

#: As the open format of skills has it: lower-case letters, digits and single hyphens.
SKILL_NAME: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$"
SHA256: Final = r"^[0-9a-f]{64}$"
Sha256 = Annotated[str, Field(pattern=SHA256)]


class References(Frozen):
    """Documents that the model lists, searches and reads."""

    #: Of the stored documents.
    sha256: Sha256
    count: int


class Skill(Frozen):
    """What the model is told of a skill before it loads the instructions."""

    name: str = Field(pattern=SKILL_NAME, max_length=64)
    description: str = Field(min_length=1, max_length=1024)


class Skills(Frozen):
    """Skills, whose instructions and files the model reads."""

    #: Of the stored files.
    sha256: Sha256
    skills: tuple[Skill, ...]

    @property
    def told(self) -> str:
        """What instructions say of them."""
        lines = [f"- {skill.name}: {' '.join(skill.description.split())}" for skill in self.skills]
        return "\n".join(
            [
                "You have skills: instructions for particular tasks. Before you begin a task that a skill is for, read the "
                "skill with read_skill and follow it. You can read a skill's scripts, but not run them.",
                *lines,
            ]
        )
