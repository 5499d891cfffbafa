"""What kinds of values settings take, and how they are read from an environment variable."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from perdure.temporal.blob_address import blob_address
from perdure.temporal.network_names import host_names, ip_and_port, origins
from perdure.temporal.redis_address import redis_address


def _patterns(given: object) -> object:
    """Accepts `A, B_*`, as in an environment variable; an empty value means not set."""
    if not isinstance(given, str):
        return given
    return tuple(word for part in given.split(",") if (word := part.strip())) or None


def _blobs(given: str) -> str:
    blob_address(given)
    return given


def _live(given: SecretStr) -> SecretStr:
    redis_address(given.get_secret_value())
    return given


#: Temporal joins deployment name and build id into one id, with `.` or `:` between them.
Name = Annotated[str, Field(pattern=r"^[^.:\s]{1,200}$")]
Build = Annotated[str, Field(pattern=r"^[^:\s]{1,200}$")]
#: An empty variable, such as `KEY=` in a compose file, counts as not set.
NotEmpty = BeforeValidator(lambda given: given or None)
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(origins)]
HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(host_names)]
Address = Annotated[str, AfterValidator(ip_and_port)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, le=1_000_000)]
#: Off by default, and where the variable is empty.
Switch = Annotated[bool, BeforeValidator(lambda given: given or False)]
#: On by default, and where the variable is empty.
OnSwitch = Annotated[bool, BeforeValidator(lambda given: True if given == "" else given)]
Blobs = Annotated[str, AfterValidator(_blobs)]
#: Secret, for it may hold a password.
Live = Annotated[SecretStr, AfterValidator(_live)]
Patterns = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_patterns)]
