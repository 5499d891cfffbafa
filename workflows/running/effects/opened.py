"""An effect while it is open, as far as it can be told to end."""

from collections.abc import Callable


class Opened:
    def __init__(self) -> None:
        #: It was told to end.
        self.ending = False
        #: It is to tell its sub-agent that nobody will answer what that asks.
        self.telling = False
        self._how: Callable[[], object] | None = None

    def ends_by(self, how: Callable[[], object]) -> None:
        """Once told to end, the effect does so by `how`."""
        self._how = how
        if self.ending:
            how()

    def tell(self) -> None:
        self.telling = True

    def end(self) -> None:
        self.ending = True
        if self._how is not None:
            self._how()
