"""An agent that reads its references and skills, in the test kit."""

import pytest

from perdure.temporal.app.testing.kit import Perdure
from perdure.workflows.vocabulary.events import ToolFinished

pytestmark = pytest.mark.server


async def test_an_agent_searches_reads_and_loads_a_skill(perdure: Perdure) -> None:
    perdure.model.says(calls=[("search_references", {"query": "late"}), ("list_references", {})])
    perdure.model.says(
        calls=[("read_reference", {"reference": "orders/refunds.md"}), ("read_skill", {"skill": "refund-letter"})]
    )
    perdure.model.says(
        calls=[
            ("read_skill", {"skill": "refund-letter", "file": "scripts/letter.sh"}),
            ("read_reference", {"reference": "orders/refund.md"}),
            ("search_references", {"words": "late"}),
        ]
    )
    perdure.model.says("You get the shipping costs back.")
    session = await perdure.session("librarian")
    perdure.kill_worker(at="tool.started", tool="read_documents")
    turn = await session.turn(await session.send("My order is late"))
    assert (turn.reason, turn.text) == ("done", "You get the shipping costs back.")

    results = [event.result for event in await session.events() if isinstance(event, ToolFinished)]
    in_order = sorted(results, key=lambda result: result.call_id)
    found, listed, read, skill, script, unknown, misfit = (result.model_dump_json() for result in in_order)
    assert '"place":"Refunds > Late orders"' in found
    assert '"total":2' in listed
    assert "paid back in full" in read
    assert '"text":"Name the order and the amount. Thank the customer.\\n"' in skill
    assert '"files":["scripts/letter.sh"]' in skill
    assert "a letter" in script
    assert '"type":"unknown_document"' in unknown
    assert "did you mean 'orders/refunds.md'?" in unknown
    assert '"type":"invalid_arguments"' in misfit
    assert "query" in misfit

    told = perdure.model.asked[0]
    assert "- refund-letter: Writes the letter that goes with a refund." in told.system
    assert "Name the order" not in told.system
    assert {"list_references", "search_references", "read_reference", "read_skill"} < set(told.tools)
