"""Blobs that were read or written last, kept in memory within a number of bytes."""

from collections import OrderedDict

from perdure.temporal.stores.blob_files import sha256_in


class Remembered:
    """Rule: only bytes whose hash is their key can never change, so only these are kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        data = self._kept.get(key)
        if data is not None:
            self._kept.move_to_end(key)
        return data

    def add(self, key: str, data: bytes) -> None:
        if key in self._kept or len(data) > self._limit or sha256_in(key) is None:
            return
        self._kept[key] = data
        self._size += len(data)
        while self._size > self._limit:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped)

    def forget(self, folder: str) -> None:
        """Drops what lies below `folder`."""
        for key in [key for key in self._kept if key.startswith(f"{folder}/")]:
            self._size -= len(self._kept.pop(key))
