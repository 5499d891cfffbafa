"""Starting the session of a sub-agent below this one, as the gateway starts any other."""

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy

from perdure.workflows.core.last_words import words_of
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.core.titles import LONGEST
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.vocabulary.search_attributes import AGENT, COST, STATUS, TENANT, USER

#: The type that sessions are of; theirs is the file that uses this one.
SESSION_WORKFLOW = "SessionWorkflow"


async def start_child(
    workflow_id: str, new: NewSession, demo: bool, parent: str
) -> "workflow.ChildWorkflowHandle[Any, Any]":
    """Starts a session, with its first message, below the session `parent`; returns once it has begun.

    `demo` says whether its model is the demo model. The handle's result is a `SubAnswer`. Raises
    `WorkflowAlreadyStartedError` where there has been one with this id.
    """
    info = workflow.info()
    attributes: list[SearchAttributePair[Any]] = [
        SearchAttributePair(AGENT, new.agent),
        SearchAttributePair(STATUS, "working"),
        SearchAttributePair(TENANT, new.tenant),
        SearchAttributePair(COST, 0.0),
    ]
    user = info.typed_search_attributes.get(USER)
    if user is not None:
        attributes.append(SearchAttributePair(USER, user))
    assert new.message is not None
    title = words_of(new.message.parts)[:LONGEST]
    return await workflow.start_child_workflow(
        SESSION_WORKFLOW,
        SessionInput(new=new),
        id=workflow_id,
        task_timeout=info.task_timeout,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        # It is told to close, and ends as every session does.
        parent_close_policy=workflow.ParentClosePolicy.ABANDON,
        cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
        memo={
            "body_sha256": "",
            "created_at": workflow.now().isoformat().replace("+00:00", "Z"),
            "title": title,
            "demo": demo,
            "parent": parent,
        },
        search_attributes=TypedSearchAttributes(attributes),
        static_summary=f"{new.agent}: {title}",
    )
