"""What is said at a question of `perdure chat` in the place of an answer."""

from perdure.temporal.app.chat.lines import Line, Say, read_line


class Left(Exception):
    """Whoever was asked went away; the question stays open."""


class SaidInstead(Exception):
    """Something else was said where an answer was asked for."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line


def read_answer(prompt: str) -> str:
    """Raises `SaidInstead` for a line that says something else."""
    typed = input(prompt)
    if typed.split(maxsplit=1)[:1] in (["/steer"], ["/interrupt"], ["/wait"]):
        line = read_line(typed)
        if isinstance(line, Say):
            raise SaidInstead(line)
    return typed
