"""What a test needs and a machine may lack."""

import os

import pytest


def missing(what: str) -> None:
    """Skips a test for lack of `what`; in CI, where it is installed, that is a failure."""
    message = f"{what} is not installed"
    if os.environ.get("PERDURE_CI"):
        pytest.fail(message)
    pytest.skip(message)
