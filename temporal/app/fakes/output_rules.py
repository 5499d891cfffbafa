"""What the real providers reject in the form of a whole answer, so that the fake one rejects it too. Pure."""

from collections.abc import Iterator
from typing import Any

from perdure.temporal.app.fakes.tools import anthropic_tools, openai_tools


def anthropic_output(body: dict[str, Any]) -> Iterator[str]:
    form = (body.get("output_config") or {}).get("format")
    if form is None:
        return
    if form.get("type") != "json_schema" or set(form) != {"type", "schema"}:
        yield "output_config.format: Input should be a valid json_schema format"
        return
    yield from anthropic_tools([{"name": "output", "input_schema": form["schema"], "strict": True}])


def chat_output(body: dict[str, Any]) -> Iterator[str]:
    form = body.get("response_format")
    if form is not None and form.get("type") != "json_schema":
        yield f"Invalid value: '{form.get('type')}'. Supported values are: 'json_schema'."
    elif form is not None:
        yield from _openai(form.get("json_schema") or {}, "response_format.json_schema")


def responses_output(body: dict[str, Any]) -> Iterator[str]:
    form = (body.get("text") or {}).get("format")
    if form is not None:
        yield from _openai({name: value for name, value in form.items() if name != "type"}, "text.format")


def _openai(form: dict[str, Any], where: str) -> Iterator[str]:
    if missing := {"name", "schema"} - set(form):
        yield f"Missing required parameter: '{where}.{min(missing)}'."
        return
    if unknown := set(form) - {"name", "schema", "strict", "description"}:
        yield f"Unknown parameter: '{where}.{min(unknown)}'."
    yield from openai_tools([{"name": form["name"], "parameters": form["schema"], "strict": form.get("strict")}])


def gemini_output(body: dict[str, Any]) -> Iterator[str]:
    config = body.get("generationConfig") or {}
    if "responseJsonSchema" in config and config.get("responseMimeType") != "application/json":
        place = "* GenerateContentRequest.generation_config.response_json_schema"
        yield f"{place}: only allowed where response_mime_type is application/json"
