"""Requirements of tests that a machine may lack."""

import os

import pytest


def missing(what: str) -> None:
    """Skips a test for lack of `what`; fails it in CI, where `what` is installed."""
    message = f"{what} is not installed"
    if os.environ.get("PERDURE_CI"):
        pytest.fail(message)
    pytest.skip(message)
