"""The line of a user's code that a thread is in, for people who look for what blocks it."""

from types import FrameType

from perdure.temporal.telemetry.user_code import is_users


def user_line(innermost: FrameType | None, source: str, *, was: bool = False) -> str:
    """`file:line` where a thread is, whose innermost frame this is: in the user's own code if it is in any, or else in
    the file of the tool, or else where the tool is defined, which is `source`.

    `was`: what is looked for is just over, and the thread may have gone on to other code, so the tool's file comes first.
    """
    own = source.rpartition(":")[0]
    in_own = in_theirs = ""
    frame = innermost
    while frame is not None:
        path = frame.f_code.co_filename
        place = f"{path}:{frame.f_lineno}"
        if is_users(path):
            in_theirs = in_theirs or place
        if path == own:
            in_own = in_own or place
        frame = frame.f_back
    return (in_own or in_theirs if was else in_theirs or in_own) or source
