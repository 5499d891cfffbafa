"""Whether this gateway is about to stop: it still serves, and lets balancers and clients go elsewhere meanwhile.

Rule: nothing is refused while it drains but the questions whether it is ready and whether it wants requests. Each answer
that is no stream closes its connection, so that a proxy takes a new one, to another gateway, for its next request.
"""


class Draining:
    def __init__(self) -> None:
        self._begun = False

    def begin(self) -> None:
        self._begun = True

    def __bool__(self) -> bool:
        return self._begun
