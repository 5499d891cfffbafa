"""Tools that read the documents of a definition. An agent has them because it has documents, not by name in `tools:`."""

from typing import Final

from perdure.workflows.definition.documents import References, Skills
from perdure.workflows.definition.tools.activity import ToolUse
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.vocabulary.parts import Frozen, ToolSpec

#: Type of the activity that carries these tools out.
ACTIVITY: Final = "read_documents"
#: Characters of a text that one call returns.
PAGE: Final = 12_000
#: Documents that one page of a list has.
LISTED: Final = 100
MAX_RESULTS: Final = 20
MAX_QUERY: Final = 500

_OFFSET: Final = {
    "type": "integer",
    "minimum": 0,
    "default": 0,
    "description": "Where to begin: 0, or `next_offset` of the page before",
}

LIST_REFERENCES: Final = ToolSpec(
    name="list_references",
    description="List your reference documents with their titles and descriptions.",
    input={"type": "object", "properties": {"offset": _OFFSET}, "additionalProperties": False},
)
SEARCH_REFERENCES: Final = ToolSpec(
    name="search_references",
    description="Search your reference documents for words. The best passages come first, each with its document and the "
    "`offset` from which read_reference shows it.",
    input={
        "type": "object",
        "properties": {
            "query": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_QUERY,
                "description": "Words that the passage should contain",
            },
            "limit": {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_RESULTS,
                "default": 5,
                "description": "Passages at most",
            },
        },
        "required": ["query"],
        "additionalProperties": False,
    },
)
READ_REFERENCE: Final = ToolSpec(
    name="read_reference",
    description=f"Read a reference document, {PAGE} characters at a time.",
    input={
        "type": "object",
        "properties": {
            "reference": {
                "type": "string",
                "description": "The document, as list_references and search_references name it",
            },
            "offset": _OFFSET,
        },
        "required": ["reference"],
        "additionalProperties": False,
    },
)
READ_SKILL: Final = ToolSpec(
    name="read_skill",
    description=f"Read a skill's instructions, or another file of the skill, {PAGE} characters at a time.",
    input={
        "type": "object",
        "properties": {
            "skill": {"type": "string", "description": "The skill's name"},
            "file": {
                "type": "string",
                "default": "SKILL.md",
                "description": "A file of the skill, such as references/forms.md. Without it, the instructions",
            },
            "offset": _OFFSET,
        },
        "required": ["skill"],
        "additionalProperties": False,
    },
)
_OF_REFERENCES: Final = (LIST_REFERENCES, SEARCH_REFERENCES, READ_REFERENCE)
#: By name.
SPECS: Final = {spec.name: spec for spec in (*_OF_REFERENCES, READ_SKILL)}


class DocumentTool(Frozen):
    """A tool that reads documents of the definition."""

    spec: ToolSpec
    #: Of the documents.
    sha256: str

    @property
    def name(self) -> str:
        return self.spec.name

    def policy(self) -> Policy:
        use = ToolUse(name=ACTIVITY, side_effects="none")
        return Policy(
            name=self.name,
            runner="worker",
            checked_by="schema",
            effects=False,
            activity=use,
            documents=self.sha256,
        )


def document_tools(references: References | None, skills: Skills | None) -> tuple[DocumentTool, ...]:
    """The tools that an agent has because of its documents."""
    tools = [] if references is None else [DocumentTool(spec=one, sha256=references.sha256) for one in _OF_REFERENCES]
    if skills is not None:
        tools.append(DocumentTool(spec=READ_SKILL, sha256=skills.sha256))
    return tuple(tools)
