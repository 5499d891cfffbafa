"""What providers' words for a failure mean, where no code says it. Pure.

Vendors and the servers that speak their protocols word the same failure in their own ways, and report it with a status that
another vendor uses for something else. The patterns are of the words that such sentences have in common, not of sentences.

Rule: a pattern holds for a few statuses only, and is narrow: a request that is wrong is told to people as it is, and one that
is taken for too long, for a lack of credit or for a policy is treated otherwise.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from perdure.workflows.vocabulary import errors

#: Longer texts are no messages for people.
_LONGEST: Final = 4_000
#: What a request is made of, and what it is too much for.
_INPUT: Final = r"(?:prompt|inputs?|messages?|conversation|context|history|(?:your|the|this) request|requested)\b"
_BOUND: Final = r"(?:tokens?|context|length|limit|maximum|max|window)\b"
_OVER: Final = r"(?:exceed\w*|overflow\w*|surpass\w*|(?:long|larg|great|bigg)er than|too (?:long|large|big)|more than)"
#: Sizes that are not the conversation's length.
_OTHER_SIZE: Final = re.compile(
    r"\b(?:images?|pictures?|pixels?|dimensions?|pages?|files?|audio|video|documents?|bytes|[km]i?b|megabytes|tools?"
    r"|stop sequences?|schema|string|array|enum|max_(?:completion_|output_|new_)?tokens|maxoutputtokens)\b"
)
#: A limit of many requests together.
_RATE: Final = re.compile(
    r"\b(?:rate[ _-]limit|per[ -](?:minute|min|hour|day|second)|quota|[rt]pm|[rt]pd|throttl\w+)\b"
)
_TOO_LONG: Final = (
    r"\b(?:prompt|input|context|conversation|messages?|history)(?: tokens?)? (?:is |are |was |were )?"
    r"(?:far |much |way )?too (?:long|large|big)\b",
    r"\b(?:maximum|max|model(?:'s)?) (?:context|prompt|input|sequence|model)[ _-]?(?:length|size|window|tokens?)\b",
    rf"\bcontext[ _-](?:length|window|size|limit)\b.{{0,120}}(?:{_OVER}|not enough|overflow|only)",
    rf"(?:{_OVER}|does not fit|doesn't fit|fills?)\b.{{0,80}}\bcontext[ _-](?:length|window|size|limit)\b",
    r"\b(?:reduce|shorten|decrease|trim) (?:the |your )?(?:length|size|input length|prompt|input|conversation|messages?)\b",
    r"\btoo many (?:input |prompt )?tokens\b(?!.{0,40}\bwait\b)",
    r"\brange of input length\b",
    r"\btotal (?:number of )?tokens\b.{0,60}\bexceed",
    r"\bexpected maxlength: ?\d{4,}",
    r"\brequest (?:body )?too large for\b",
    r"`?inputs`?.{0,60}\bmust (?:be (?:<=?|≤|at most|less|below|under|fewer)|have (?:less|fewer|at most))",
    r"\binput token count\b.{0,60}\b(?:only )?supports? (?:only )?up to\b",
    r"(?:输入|上下文|提示词?).{0,20}(?:超出|超过|超限|过长)",
)
#: It may be about another size; `_OTHER_SIZE` says so then.
_PERHAPS_TOO_LONG: Final = (rf"\b{_INPUT}.{{0,80}}\b{_OVER}\b.{{0,80}}\b{_BOUND}",)
_QUOTA: Final = (
    r"\bcredit balance\b.{0,30}\b(?:low|zero|negative|empty|insufficient|exhausted)",
    r"\b(?:insufficient|not enough|no(?: more| remaining)?|low|negative) (?:account )?(?:balance|credits?|funds|quota)\b",
    r"\b(?:balance|credits?|funds)\b.{0,40}\b(?:insufficient|exhausted|depleted|used up|ran out|run out|expired)\b",
    r"\b(?:out of|used all|run out of|ran out of)\b.{0,30}\b(?:credits?|funds|balance|quota)\b",
    r"\bexhausted\b.{0,30}\b(?:credits?|funds|balance)\b",
    r"\b(?:requires|needs|purchase|buy|add) (?:more |additional )?(?:credits?|funds)\b",
    r"\bexceeded your (?:current |monthly |daily )?quota\b",
    r"\b(?:spend(?:ing)?|billing|budget|usage|credit)[ _-](?:hard )?(?:limit|cap)s?\b",
    r"\breached your\b.{0,40}\busage limits?\b",
    r"\b(?:unpaid|trial (?:has |is )?(?:expired|over|ended))\b",
    r"\baccount\b.{0,40}\b(?:suspended|in arrears|overdue|deactivated for billing)\b",
    r"\b(?:payment required|please (?:top up|recharge)|arrears|arrearage)\b",
    r"(?:余额不足|欠费|额度已用)",
)
_KEY: Final = (
    r"\bapi[ _-]?key\b.{0,40}\b(?:not valid|invalid|incorrect|wrong|missing|required|expired|revoked|not found|disabled)\b",
    r"\b(?:invalid|incorrect|wrong|missing|malformed|expired|revoked|no|unknown) (?:x-)?api[ _-]?key\b",
    r"\b(?:provide|pass|supply) (?:a |an |your )?(?:valid )?api[ _-]?key\b",
    r"\b(?:security|access|auth(?:entication|orization)?|bearer) token\b.{0,60}\b(?:invalid|expired|missing|not valid)\b",
    r"\b(?:invalid|expired) token\b(?! ?(?:at|in|near|count|ids?|limit|type|['\"`:]))",
    r"\b(?:invalid|expired|missing) (?:access |auth(?:entication|orization)? |bearer )(?:token|credentials?|header)\b",
    r"\bauthentication (?:fails?|failed|is required|required)\b",
)
_POLICY: Final = (
    r"\bcontent[ _-](?:management|filter(?:ing)?|moderation|safety|usage)\b.{0,20}\b(?:polic|system|block|trigger)",
    r"\b(?:triggering|blocked by|filtered by|rejected by|flagged by)\b.{0,60}\b(?:polic|filter|guardrail|moderation|safety)",
    r"\b(?:violat\w+|against)\b.{0,40}\b(?:usage (?:guidelines|polic)|content polic|safety polic|acceptable use|terms of)",
    r"\bblocked\b.{0,40}\b(?:safety|guardrails?|moderation|polic\w+|filters?)\b",
    r"\b(?:was|were|been|is) flagged\b",
    r"\b(?:inappropriate|harmful|unsafe|prohibited|sensitive) content\b",
    r"\bcontent exists risk\b",
    r"\bconsidered high risk\b",
    r"\b(?:our|the) safety (?:system|filters?|checks?)\b",
    r"(?:敏感内容|不安全|违规内容)",
)
_MODEL: Final = (
    r"\b(?:unknown|invalid|no such|unrecognized|nonexistent) model\b(?! (?:param|input|output|option|config|type))",
    r"\bnot found the model\b",
    r"\bnot a valid model\b",
    r"\bmodel ['\"`]?[\w./:@-]+['\"`]? is not (?:supported|available|enabled|allowed)\b(?! (?:for|with|in))",
    r"\bmodel identifier\b.{0,20}\binvalid\b",
    r"\bmodel\b[^,;:]{0,100}\b(?:not exist|(?:does not|doesn't) exist|(?:was |is |could )?not (?:be )?found"
    r"|decommissioned|(?:has been|was|is) (?:retired|deprecated|removed|shut ?down|discontinued)"
    r"|no longer (?:available|supported|served))\b",
    r"\b(?:do not|don't|does not|doesn't) have access to (?:the |this )?model\b",
    r"\b(?:deployment|endpoint)\b.{0,60}\b(?:does not exist|not found)\b",
    r"\bon-demand throughput isn.t supported\b",
    r"模型不存在",
)
_OVERLOADED: Final = (
    r"\boverloaded\b",
    r"\b(?:over|at|insufficient|exceeded|no available) capacity\b",
    r"\b(?:server|service|engine|model) is (?:currently |temporarily )?(?:too )?(?:busy|loading|warming up)\b",
    r"\b(?:heavy|high) (?:load|demand|traffic)\b",
    r"\bno healthy upstream\b",
    r"(?:访问量过大|系统繁忙|负载)",
)
#: Words of a limit that passes by itself, and the time that it takes.
_SOON: Final = re.compile(
    r"\b(?:retry|try again|available again|resets?)\b.{0,20}?\b(?:in|after)\b[ :]*(?P<wait>(?:\d+(?:\.\d+)?\s*"
    r"(?:milliseconds|seconds?|minutes?|hours?|days?|ms|secs?|mins?|s|m|h|d)(?![a-z])\s*)+)",
    re.IGNORECASE,
)
_PIECE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)
_UNITS: Final = {"ms": 0.001, "mi": 60.0, "m": 60.0, "s": 1.0, "h": 3600.0, "d": 86400.0}
#: One request is larger than what a whole minute takes, so waiting is no use.
_NEVER_FITS: Final = re.compile(r"\brequest too large\b.{0,200}\btokens per (?:minute|min|day)\b", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Row:
    kind: str
    pattern: re.Pattern[str]
    #: HTTP statuses for which it holds.
    statuses: frozenset[int]
    #: What keeps it from holding.
    unless: re.Pattern[str] | None = None


def _row(kind: str, patterns: tuple[str, ...], *statuses: int, unless: re.Pattern[str] | None = None) -> _Row:
    return _Row(kind, re.compile("|".join(f"(?:{one})" for one in patterns), re.DOTALL), frozenset(statuses), unless)


_SERVER_SIDE: Final = tuple(range(500, 600))
_NEITHER: Final = re.compile(f"{_OTHER_SIZE.pattern}|{_RATE.pattern}")
#: The first that matches counts.
_ROWS: Final = (
    _row(errors.MODEL_QUOTA, _QUOTA, 400, 401, 403, 422, 429, unless=_SOON),
    _row(errors.MODEL_CONTENT_POLICY, _POLICY, 400, 403, 422, 451),
    _row(errors.MODEL_AUTH, _KEY, 400, 422),
    _row(errors.MODEL_CONTEXT_LENGTH, _TOO_LONG, 400, 413, 422, *_SERVER_SIDE, unless=_RATE),
    _row(errors.MODEL_CONTEXT_LENGTH, _PERHAPS_TOO_LONG, 400, 413, 422, *_SERVER_SIDE, unless=_NEITHER),
    _row(errors.MODEL_NOT_FOUND, _MODEL, 400, 403, 404, 422),
    _row(errors.MODEL_OVERLOADED, _OVERLOADED, 400, 429, *_SERVER_SIDE),
)


def kind_in(text: str, status: int | None) -> str | None:
    """The type of error (`MODEL_…`) that a provider's message of this HTTP status means; None: it says nothing known. An
    error inside a stream may have no status."""
    words = " ".join(text[:_LONGEST].lower().replace("’", "'").split())
    if status == 429 and _NEVER_FITS.search(words) is not None:
        return errors.MODEL_CONTEXT_LENGTH
    for row in _ROWS:
        holds = status is None or status in row.statuses
        if holds and row.pattern.search(words) and not (row.unless and row.unless.search(words)):
            return row.kind
    return None


def wait_in(text: str) -> timedelta | None:
    """How long a provider's message asks to wait: `Please try again in 6m0s.`, `retry in 36.6s`."""
    found = _SOON.search(text[:_LONGEST])
    if found is None:
        return None
    pieces = _PIECE.findall(found["wait"].lower())
    return timedelta(seconds=sum(float(number) * _unit(unit) for number, unit in pieces))


def _unit(unit: str) -> float:
    return next(seconds for name, seconds in _UNITS.items() if unit.startswith(name))
