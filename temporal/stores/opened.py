"""The store at an address."""

from pathlib import Path

from perdure.temporal.blob_address import BlobAddress
from perdure.temporal.stores.blobs import CACHE_BYTES, BlobStore, LocalBlobs


def open_blobs(address: BlobAddress, cache_bytes: int = CACHE_BYTES) -> BlobStore:
    """Asks nothing of the store yet. Raises `BucketUnusable`."""
    if isinstance(address, Path):
        return LocalBlobs(address, cache_bytes)
    # Imported here for what it imports: see `perdure.temporal.stores.bucket_client`.
    from perdure.temporal.stores.bucket import BucketBlobs

    return BucketBlobs(address, cache_bytes)
