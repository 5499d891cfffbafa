"""The test kit, for `from perdure.testing import …`: see `perdure.temporal.app.testing.kit`."""

from perdure.temporal.app.testing.kit import *  # noqa: F403
from perdure.temporal.app.testing.kit import __all__  # noqa: F401
