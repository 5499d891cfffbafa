"""The tools that every worker has: the time, a calculator, a web page reader.

They are ordinary tools: functions with type hints and a docstring.
"""

from datetime import UTC, datetime, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field
from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.activities.shipped.calculator import MAX_LENGTH, Calculation, CalculationError, calculate
from perdure.activities.shipped.safe_fetch import Fetcher, FetchFailed, FetchRefused, Hosts, Page
from perdure.temporal.settings import environment
from perdure.workflows.vocabulary.errors import INVALID_ARGUMENTS
from perdure.workflows.vocabulary.parts import Frozen

CALCULATION_FAILED = "calculation_failed"
FETCH_REFUSED = "fetch_refused"
FETCH_FAILED = "fetch_failed"


class Clock(Frozen):
    #: ISO 8601 with the offset from UTC, to the second.
    time: str
    weekday: str
    timezone: str


@activity.defn
async def current_time(
    timezone: Annotated[str, Field(max_length=64, examples=["UTC", "Europe/Berlin"])] = "UTC",
) -> Clock:
    """Get the current date, time and day of the week.

    Args:
        timezone: An IANA timezone, such as Europe/Berlin or America/New_York.
    """
    now = datetime.now(_zone(timezone))
    # Not `strftime`: its day names depend on the machine's locale.
    weekday = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[now.weekday()]
    return Clock(time=now.isoformat(timespec="seconds"), weekday=weekday, timezone=timezone)


@activity.defn
async def calculator(expression: Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]) -> Calculation:
    """Calculate exactly, with decimal numbers of any length.

    Args:
        expression: Numbers, + - * / // % **, parentheses, and sqrt, abs, round, min, max: (19.90 * 3 + 4.95) / 2.
    """
    try:
        return calculate(expression)
    except CalculationError as error:
        raise ApplicationError(str(error), type=CALCULATION_FAILED, non_retryable=True) from None


@activity.defn
async def fetch_url(url: Annotated[str, Field(min_length=1, max_length=2048)]) -> Page:
    """Read a public web page or text file and return its text. Addresses inside private networks are refused.

    Args:
        url: The address, beginning with http:// or https://.
    """
    try:
        # A tool has no settings, so it reads the worker's environment.
        variables = environment()
        hosts = Hosts.of(variables.get("PERDURE_FETCH_ALLOW", ""), variables.get("PERDURE_FETCH_DENY", ""))
        return await Fetcher(hosts=hosts).fetch(url)
    except FetchRefused as error:
        raise ApplicationError(f"not fetched: {error}", type=FETCH_REFUSED, non_retryable=True) from None
    except FetchFailed as error:
        raise ApplicationError(f"not fetched: {error}", type=FETCH_FAILED) from None


#: Tools that a worker offers in addition to the user's.
BUILTIN_TOOLS = (current_time, calculator, fetch_url)


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        # UTC works without the timezone database, which small systems lack.
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        message = f"timezone: {name[:64]!r} is not an IANA timezone; use e.g. Europe/Berlin"
        raise ApplicationError(message, type=INVALID_ARGUMENTS, non_retryable=True) from None
