"""The demo model, which ships with Perdure and runs in the worker."""

from typing import Final

from perdure.workflows.definition.providers.info import ProviderInfo

DEMO: Final = ProviderInfo(name="demo", display_name="The demo model", wire="demo.wire", free=True, trace_name="demo")
