"""What a model definition may say of the requests that are made for it: addresses, headers, query and body. Pure.

Rule 1: what could hold a key holds a variable's name instead, for a definition is read by many and recorded.
Rule 2: a header or a member of the body that Perdure sets itself, or that would let one request pass for two, is refused.
Rule 3: no fault repeats a value, which may be the very key that ought not to stand there.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import JsonValue

_REFERENCE: Final = re.compile(r"\$\{\w+\}")
#: Of RFC 9110.
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_NOT_IN_VALUES: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SECRET: Final = re.compile(r"auth|key|token|secret|passw|cookie|credential|signature|^sig$", re.IGNORECASE)
#: Of the connection, and of the body.
_OWN_HEADERS: Final = frozenset(
    (
        *(
            "host",
            "content-length",
            "content-type",
            "content-encoding",
            "transfer-encoding",
            "connection",
            "keep-alive",
        ),
        *("te", "trailer", "upgrade", "expect", "accept-encoding", "proxy-connection", "proxy-authorization"),
    )
)
#: Those in which servers take keys.
KEY_HEADERS: Final = frozenset(("authorization", "x-api-key", "api-key", "x-goog-api-key"))

_TOKENS: Final = "how long an answer may be is max_output_tokens"
_TALK: Final = "the conversation makes it"
#: Members of a body that are not merged in, and what to do instead.
_OWN_MEMBERS: Final = {
    "model": "the model is `use`",
    "stream": "answers are always streamed",
    "messages": _TALK,
    "input": _TALK,
    "contents": _TALK,
    "system": "instructions are the agent's",
    "instructions": "instructions are the agent's",
    "systemInstruction": "instructions are the agent's",
    "tools": "tools are the agent's",
    "functions": "tools are the agent's",
    "max_tokens": _TOKENS,
    "max_completion_tokens": _TOKENS,
    "max_output_tokens": _TOKENS,
    "n": "one answer is read",
    "best_of": "one answer is read",
    "previous_response_id": "the conversation is sent whole",
    "conversation": "the conversation is sent whole",
    "background": "answers are always streamed",
}
_OWN_INNER: Final = {
    ("generationConfig", "maxOutputTokens"): _TOKENS,
    ("generationConfig", "candidateCount"): "one answer is read",
}


def looks_secret(name: str) -> bool:
    """Whether a header or a parameter of this name may well hold a key."""
    return _SECRET.search(name) is not None


def address_faults(base_url: str) -> Iterator[str]:
    """`base_url`, with its variables not yet filled in."""
    if "@" in base_url.partition("://")[2].partition("/")[0]:
        yield "holds a user or a password; a key comes by api_key"
    if "#" in base_url:
        yield "has a #, which no request can have"
    if not base_url.startswith(("http://", "https://", "${")):
        yield "starts with http:// or https://"
    try:
        query = dict(parse_qsl(urlsplit(base_url).query, keep_blank_values=True))
    except ValueError:
        yield "is not an address"
        return
    yield from query_faults(query)


def header_faults(headers: Mapping[str, str], *, key: bool) -> Iterator[str]:
    """`key`: the definition has an `api_key`."""
    lower = [name.lower() for name in headers]
    yield from (f"{name} stands here twice" for name in dict.fromkeys(lower) if lower.count(name) > 1)
    for name, value in headers.items():
        if _TOKEN.fullmatch(name) is None:
            yield f"{name[:100]!r} is not the name of a header"
        elif name.lower() in _OWN_HEADERS or name.lower().startswith("sec-"):
            yield f"{name} is set by Perdure"
        elif key and name.lower() in KEY_HEADERS:
            yield f"{name} and api_key both give the key; leave one out"
        elif _NOT_IN_VALUES.search(value) is not None:
            yield f"the value of {name} has a character that no header can have, such as the end of a line"
        elif value != value.strip():
            yield f"the value of {name} begins or ends with a space"
        elif looks_secret(name) and _REFERENCE.search(value) is None:
            yield f"{name} looks like a key, which is written as the name of its variable, as in ${{OTHER_KEY}}"


def query_faults(query: Mapping[str, str]) -> Iterator[str]:
    for name, value in query.items():
        if not name:
            yield "has a parameter without a name"
        elif looks_secret(name) and _REFERENCE.search(value) is None:
            yield f"{name[:100]} looks like a key, which is written as the name of its variable, as in ${{OTHER_KEY}}"


def extra_faults(extra: Mapping[str, JsonValue]) -> Iterator[str]:
    for name, hint in _OWN_MEMBERS.items():
        if name in extra:
            yield f"{name} cannot be set here: {hint}"
    for (outer, inner), hint in _OWN_INNER.items():
        within = extra.get(outer)
        if isinstance(within, dict) and inner in within:
            yield f"{outer}.{inner} cannot be set here: {hint}"
