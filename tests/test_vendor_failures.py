"""How vendors say that a key is wrong, a prompt too long, an account empty or their servers overloaded: over the wires, in
each one's words and form."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perdure.activities.models.failures import ModelFailed
from perdure.temporal.app.fakes.dialects import DIALECTS
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.vocabulary import errors
from tests.support.moving import MOVABLE, Conversation, Servers, serving

KINDS = {
    "bad_key": {errors.MODEL_AUTH},
    "too_long": {errors.MODEL_CONTEXT_LENGTH},
    "no_credit": {errors.MODEL_QUOTA},
    "overloaded": {errors.MODEL_OVERLOADED, errors.MODEL_SERVER_ERROR, errors.MODEL_RATE_LIMITED},
    "filtered": {errors.MODEL_CONTENT_POLICY},
}
ALL = [(name, failure) for name in MOVABLE for failure in DIALECTS[name].failures]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with serving({"KEY": "sk-test-not-a-key"}) as made:
        yield made


@pytest.mark.parametrize(("name", "failure"), ALL)
async def test_a_failure_is_known_by_its_vendors_words(servers: Servers, name: str, failure: str) -> None:
    talk = Conversation(servers)
    talk.say("Where is my order?")
    with pytest.raises(ModelFailed) as failed:
        await talk.step(name, Reply(failure=failure), thinking="off")
    assert failed.value.failure.kind in KINDS[failure], failed.value.failure
    assert failed.value.failure.retryable is (failure == "overloaded")
