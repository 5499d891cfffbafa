"""The client of an object store, made from an address.

Keys, and what else the address leaves open, are read by the client from the clouds' own variables.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from perdure.temporal.blob_address import Bucket
from perdure.temporal.stores.bucket_faults import reason
from perdure.temporal.user_error import UserError

if TYPE_CHECKING:
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

    ObjectStore = S3Store | GCSStore | AzureStore

#: A request that fails is sent again for some seconds. What waits longer is tried again by whoever needed it.
_RETRIES: Final["RetryConfig"] = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=6),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}


class BucketUnusable(UserError):
    """No client can be made for the address; the message says what is missing."""


def open_bucket(bucket: Bucket) -> "ObjectStore":
    """Asks nothing of the store. Raises `BucketUnusable`."""
    # Imported here, because a process whose blobs lie in a folder needs none of it.
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=3),
        # A store that hangs is told from one that is slow by this.
        "read_timeout": timedelta(seconds=15),
        "timeout": timedelta(seconds=60),
        "user_agent": "perdure",
    }
    if bucket.allow_http:
        client["allow_http"] = True
    common: dict[str, Any] = {
        "prefix": bucket.prefix or None,
        "client_options": client,
        "retry_config": _RETRIES,
    }
    try:
        match bucket.scheme:
            case "s3":
                return S3Store(bucket.name, **common, **_s3(bucket))
            case "gs":
                return GCSStore(bucket.name, **common, **_given(base_url=bucket.endpoint))
            case "az":
                named = _given(account_name=bucket.account, endpoint=bucket.endpoint)
                return AzureStore(bucket.name, **common, **named)
    except (BaseError, ValueError, OSError) as error:
        raise BucketUnusable(f"the blob store {bucket} cannot be used: {reason(bucket, error)}") from None


def _s3(bucket: Bucket) -> dict[str, Any]:
    # The variable for S3 alone would go before `endpoint`.
    given = _given(endpoint=bucket.endpoint, aws_endpoint_url_s3=bucket.endpoint, region=bucket.region)
    return {**given, "virtual_hosted_style_request": True} if bucket.virtual_hosted else given


def _given(**options: str | None) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
