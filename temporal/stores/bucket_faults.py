"""What goes wrong with an object store, in words for an operator.

Rule: nothing of a client's message is passed on but what is picked here. It holds whole requests, and answers of strangers.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from perdure.temporal.blob_address import KEYS, Bucket
from perdure.temporal.stores.blobs import StoreAway, StoreFull, StoreUnavailable

_STATUS: Final = re.compile(r"status code: (\d{3})")
#: The code of an error: in S3's, GCS's and Azure's XML.
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_AT: Final = re.compile(r"Error performing [A-Z]+ (https?://[^\s/?]+)")

_NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound", "InvalidBucketName"})
_NO_ROOM: Final = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XAmzStorageFull"})
_UNKNOWN_KEYS: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthenticationFailed", "InvalidToken", "ExpiredToken"}
)
#: Where machines of a cloud get their keys from, asked when none are set.
_MACHINE_KEYS: Final = ("169.254.169.254", "metadata.google.internal", "169.254.170.2")
#: What the client says of a connection, and what to say of it.
_CONNECTION: Final = (
    ("ConnectionRefused", "nothing listens at {at}"),
    ("dns error", "the host of {at} is not known"),
    ("BadScheme", "{at} is http://, without TLS: add ?allow_http=true if that is meant"),
    ("TimedOut", "{at} does not answer in time"),
    ("timed out", "{at} does not answer in time"),
    ("ertificate", "the TLS certificate of {at} is not trusted"),
    ("InvalidContentType", "{at} does not speak TLS"),
    ("error sending request", "the connection to {at} broke"),
)
#: Of these, what may pass. A host that is not known may be a container that does not run.
_AWAY: Final = ("ConnectionRefused", "dns error", "TimedOut", "timed out", "error sending request")
#: Some of them come with the words of a failed connection, too.
_NEVER: Final = ("BadScheme", "ertificate", "InvalidContentType")


def no_bucket(error: Exception) -> bool:
    """A store says of an object, too, that it is not found where its bucket is missing."""
    return _code(str(error)) in _NO_BUCKET


def not_offered(error: Exception) -> bool:
    """The store does not know this kind of request."""
    text = str(error)
    return type(error).__name__ == "NotSupportedError" or _status(text) == "501" or _code(text) == "NotImplemented"


def unavailable(bucket: Bucket, what: str, error: Exception) -> StoreUnavailable:
    """`what` is what could not be done with it, as in `written`."""
    text = str(error)
    full = _code(text) in _NO_ROOM or _status(text) == "507"
    kind = StoreFull if full else StoreAway if _is_away(text) else StoreUnavailable
    return kind(f"the blob store {bucket} cannot be {what}: {reason(bucket, error)}")


def reason(bucket: Bucket, error: Exception) -> str:
    text = str(error)
    code, status = _code(text), _status(text)
    keys = KEYS[bucket.scheme]
    if "MissingAccount" in text:
        return "no account is set; add ?account=NAME, or set AZURE_STORAGE_ACCOUNT_NAME"
    if any(place in text for place in _MACHINE_KEYS) or "source: Missing" in text:
        return f"no keys are set, and this machine has none of its own; set {keys}"
    if code in _NO_BUCKET:
        return f"there is no bucket {bucket.name}; make it first"
    if code in _NO_ROOM or status == "507":
        return f"it has no room left ({code or status})"
    if code in _UNKNOWN_KEYS or status == "401":
        return f"the keys are refused ({code or status}); check {keys}"
    if status == "403":
        return f"the keys may not do that ({code or status}); let them read, write, list and delete in {bucket}"
    if status in ("301", "307") or code == "PermanentRedirect":
        return f"the bucket is in another region ({code or status}); add ?region=NAME"
    if status is not None:
        return f"it answers {' '.join(filter(None, (status, code)))}"
    at = _at(text) or bucket.endpoint or "the store"
    told = next((said for word, said in _CONNECTION if word in text), None)
    return told.format(at=at) if told is not None else type(error).__name__


def _is_away(text: str) -> bool:
    """Whether it is the store that fails, and not what it was told of keys, buckets and addresses."""
    status = _status(text)
    if status is not None:
        return status == "429" or (status.startswith("5") and status != "501")
    return any(word in text for word in _AWAY) and not any(word in text for word in (*_NEVER, *_MACHINE_KEYS))


def _code(text: str) -> str | None:
    found = _CODE.search(text)
    return found[1] if found else None


def _status(text: str) -> str | None:
    found = _STATUS.search(text)
    return found[1] if found else None


def _at(text: str) -> str | None:
    found = _AT.search(text)
    if found is None:
        return None
    parts = urlsplit(found[1])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
