"""Failures become problem+json with a stable code, by one table."""

import json
from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError
from temporalio.service import RPCError, RPCStatusCode

from perdure.gateway.http.bodies import MakeToken
from perdure.gateway.http.problems import KINDS, Code, Problem, from_http, from_rpc, from_validation, invalid
from perdure.temporal.sessions.requests import CreateSession, MessageBody


def problem_of(model: type[BaseModel], value: object) -> Problem:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    # The framework puts the part of the request in front.
    return from_validation([{**error, "loc": ("body", *error["loc"])} for error in caught.value.errors()])


def test_every_code_has_its_place_in_the_table() -> None:
    assert set(KINDS) == set(get_args(Code))
    assert all(400 <= kind.status < 600 for kind in KINDS.values())


def test_a_problem_is_problem_json() -> None:
    response = Problem("session_not_found").response()

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert json.loads(bytes(response.body)) == {
        "type": "/docs#session_not_found",
        "title": "There is no such session",
        "status": 404,
        "code": "session_not_found",
        "detail": "There is no such session.",
    }


def test_what_may_be_tried_again_says_when() -> None:
    waits = {code for code in KINDS if "retry-after" in Problem(code).response().headers}

    assert waits == {
        "too_many",
        "rate_limited",
        "too_many_streams",
        "too_many_turns",
        "no_worker",
        "overloaded",
        "issuer_unavailable",
        "store_unavailable",
        "temporal_unavailable",
    }


def test_an_invalid_field_is_named() -> None:
    assert invalid("agent", "is not known").body() == {
        "type": "/docs#validation",
        "title": "The request is not valid",
        "status": 422,
        "code": "validation",
        "detail": "agent: is not known",
        "errors": [{"field": "agent", "message": "is not known"}],
    }


@pytest.mark.parametrize(
    ("model", "value", "errors"),
    [
        (CreateSession, {}, {"agent": "is required"}),
        (CreateSession, {"agent": "a", "color": 1}, {"color": "is not a field that this request takes"}),
        (CreateSession, {"agent": "a", "session_id": ".."}, {"session_id": "cannot be '.' or '..'"}),
        (CreateSession, [], {"body": "must be a JSON object"}),
        (MessageBody, {}, {"body": "give either text or parts"}),
        (
            MessageBody,
            {"text": "a", "busy": "later"},
            {"busy": "Input should be 'queue', 'steer', 'interrupt' or 'reject'"},
        ),
        (MessageBody, {"parts": [{"type": "text", "text": 1}]}, {"parts[0].text": "must be text"}),
        (MessageBody, {"parts": [{"type": "file"}]}, {"parts[0].uri": "is required"}),
        (CreateSession, {"agent": "a", "message": {"parts": []}}, {"message.parts": "is empty"}),
        (MakeToken, {"scopes": []}, {"scopes": "is empty"}),
        (MakeToken, {"scopes": ["read"] * 4}, {"scopes": "takes at most 3"}),
        (MakeToken, {"ttl": "1h"}, {"ttl": "must be from 1 to 900 seconds"}),
        (MakeToken, {"ttl": 0}, {"ttl": "must be from 1 to 900 seconds"}),
    ],
)
def test_pydantic_errors_are_told_in_words(model: type[BaseModel], value: object, errors: dict[str, str]) -> None:
    problem = problem_of(model, value)

    assert problem.code == "validation"
    assert errors.items() <= {error.field: error.message for error in problem.errors}.items()


def test_long_names_and_many_errors_are_cut() -> None:
    problem = problem_of(CreateSession, {"agent": "a", **{f"{n}{'x' * 100_000}": 1 for n in range(50)}})

    assert len(problem.errors) == 20
    assert len(json.dumps(problem.body())) < 20_000


@pytest.mark.parametrize(
    ("status", "code"), [(404, "not_found"), (405, "method_not_allowed"), (418, "bad_request"), (502, "internal")]
)
def test_refusals_of_the_framework(status: int, code: Code) -> None:
    assert from_http(status).code == code


def test_temporal_s_own_words_are_not_shown() -> None:
    problem = from_rpc(RPCError("secret host 10.0.0.1", RPCStatusCode.UNAVAILABLE, b""))

    assert problem.code == "temporal_unavailable"
    assert "secret" not in json.dumps(problem.body())
    assert from_rpc(RPCError("slow down", RPCStatusCode.RESOURCE_EXHAUSTED, b"")).code == "too_many"
