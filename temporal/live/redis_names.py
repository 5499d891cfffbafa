"""The names of keys and channels in Redis. All begin with `perdure:`, which an ACL can allow and nothing more.

They hold the number of the database, for channels are of the whole server, and Temporal's namespace: sessions of two
installations may have the same id, and one's viewers must not be shown the other's.
"""


class RedisNames:
    def __init__(self, db: int, namespace: str) -> None:
        place = f"{db}:{namespace}"
        #: The channel of all stops.
        self.stops = f"perdure:stops:{place}"
        self._channel = f"perdure:live:{place}:"
        self._poke = f"perdure:poke:{place}:"
        self._step = f"perdure:step:{place}:"
        self._tools = f"perdure:tools:{place}:"

    def channel(self, session: str) -> str:
        return self._channel + session

    def session(self, channel: str) -> str:
        """The session of a channel."""
        return channel.removeprefix(self._channel)

    def poke(self, session: str) -> str:
        """The last poke of a session, as it was told."""
        return self._poke + session

    def step(self, session: str) -> str:
        """The stream of what the step of a session streams."""
        return self._step + session

    def tools(self, session: str) -> str:
        """The hash of the last word of each tool of a session that runs."""
        return self._tools + session
