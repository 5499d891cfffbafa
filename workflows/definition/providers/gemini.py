"""Gemini, by Google's own API.

Sources: Google's pages "Gemini thinking", "Thought signatures" and "Function calling", as of November 2026.
"""

from dataclasses import replace
from typing import Final

from perdure.workflows.definition.providers.dialect import Dialect, FilesDialect
from perdure.workflows.definition.providers.info import Endpoint, ProviderInfo
from perdure.workflows.definition.providers.known import NO_THINKING, Models, always_thinks, thinks

_FILES: Final = FilesDialect(
    images=frozenset(("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")),
    documents=frozenset(("application/pdf",)),
    audio=frozenset(
        ("audio/wav", "audio/x-wav", "audio/mp3", "audio/mpeg", "audio/aiff", "audio/aac", "audio/ogg", "audio/flac")
    ),
    image_bytes=7_000_000,
    image_edge=3072,
    fetches_urls=True,
    in_results=True,
    charge="crops",
)
_BUDGETS: Final = {"low": 2048, "medium": 8192}
#: Of the newest generation.
_DIALECT: Final = Dialect(
    # No model of this generation stops to think altogether.
    thinking=always_thinks("level", "minimal", max="high"),
    signed_calls=True,
    structured_output=True,
    files=_FILES,
)
_MODELS: Final = (
    Models(r"gemini-3[.\d]*-pro", {"thinking": always_thinks("level", "low", max="high")}),
    Models(r"gemini-3-pro", {"thinking": always_thinks("level", "low", medium="high", max="high")}),
    # Before the third generation, neither signatures nor media in results, and either tools or a schema for the answer.
    Models(
        r"gemini-[12]|gemma",
        {"signed_calls": False, "files": replace(_FILES, in_results=False), "structured_with_tools": False},
    ),
    Models(r"gemini-1|gemini-2\.0|gemma", {"thinking": NO_THINKING}),
    Models(r"gemini-2\.5-flash", {"thinking": thinks("budget", 0, **_BUDGETS, high=16384, max=24576)}),
    Models(r"gemini-2\.5-pro", {"thinking": always_thinks("budget", 128, **_BUDGETS, high=24576, max=32768)}),
)
GEMINI: Final = ProviderInfo(
    name="gemini",
    display_name="Gemini",
    wire="wires.gemini",
    sdk="google_genai",
    endpoint=Endpoint(
        base_url="https://generativelanguage.googleapis.com",
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        address="GOOGLE_GEMINI_BASE_URL",
        elsewhere="provider",
    ),
    price_list="google",
    trace_name="gcp.gemini",
    dialect=_DIALECT,
    elsewhere=_DIALECT,
    models=_MODELS,
    elsewhere_models=_MODELS,
    parameters={
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
        "seed": "generationConfig.seed",
        "stop": "generationConfig.stopSequences",
        # The API decides by itself.
        "parallel_tool_calls": "",
        "service_tier": "serviceTier",
    },
)
