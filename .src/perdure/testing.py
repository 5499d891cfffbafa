"""The test kit, for `from perdure.testing import …`: see `perdure.temporal.app.testing`."""

from perdure.temporal.app.testing import *  # noqa: F403
from perdure.temporal.app.testing import __all__  # noqa: F401
