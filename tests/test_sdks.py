"""SDKs are loaded on demand: by the process that calls a provider, and by no other."""

import subprocess
import sys

import pytest

SDKS = ("anthropic", "openai")
_CLASSIFY = """
from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import Source
classify(ValueError('x'), Source('p', 'P')); classify(TimeoutError(), Source('p', 'P'))
"""


def loaded_after(code: str) -> set[str]:
    """The SDKs that a fresh interpreter has loaded after `code`."""
    told = f"{code}\nimport sys\nprint(*[name for name in {SDKS!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import perdure.workflows.session",
        "import perdure.temporal.app.cli",
        "import perdure.temporal.app.processes.assembly, perdure.temporal.app.testing.kit",
        "from perdure.activities.models import providers; providers.load(['demo', 'nobody'])",
        _CLASSIFY,
    ],
)
def test_none_without_need(code: str) -> None:
    assert loaded_after(code) == set()


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "expected"), [("anthropic", {"anthropic"}), ("openai-chat", {"openai"})])
def test_one_for_its_provider(provider: str, expected: set[str]) -> None:
    assert loaded_after(f"from perdure.activities.models import providers; providers.load([{provider!r}])") == expected
