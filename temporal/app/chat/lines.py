"""What a line typed at the prompt of `perdure chat` asks for. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

HELP: Final = """\
What you type is sent with Enter, also while an answer streams: the agent says whether it waits, joins or interrupts.
/steer TEXT joins the turn that runs; /interrupt TEXT stops it and is next; /wait TEXT waits for its turn.
/queue shows what waits; /edit N TEXT gives one of them another text, /withdraw N takes it back.
While an answer streams, Ctrl-C stops it, and so does Esc. At the prompt, Ctrl-C or Ctrl-D leaves; the session stays.
At a question, answer by a number or in words, or decline it with /decline; /steer TEXT says something else instead.
/retry runs a turn on that failed or was stopped; /regenerate has your last message answered anew.
/file PATH sends a file with your next message.
/help shows this."""
_POLICIES: Final[dict[str, Literal["steer", "interrupt", "queue"]]] = {
    "/steer": "steer",
    "/interrupt": "interrupt",
    "/wait": "queue",
}


@dataclass(frozen=True)
class Say:
    text: str
    #: None: as the agent says.
    busy: Literal["steer", "interrupt", "queue"] | None = None


@dataclass(frozen=True)
class ShowQueue:
    pass


@dataclass(frozen=True)
class Edit:
    #: Of the message, as the queue was shown last; from 1.
    number: int
    text: str


@dataclass(frozen=True)
class Withdraw:
    number: int


@dataclass(frozen=True)
class Again:
    #: The last message is answered anew; else the last turn is run on.
    anew: bool


@dataclass(frozen=True)
class Attach:
    path: str


@dataclass(frozen=True)
class Help:
    #: What is wrong with the line; None: help was asked for.
    wrong: str | None = None


Line = Say | ShowQueue | Edit | Withdraw | Again | Attach | Help


def read_line(line: str) -> Line | None:
    """None of an empty line. What begins with a slash and is no command is said as it is."""
    word, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    match word:
        case "":
            return None
        case "/help":
            return Help()
        case "/file":
            return Attach(rest.strip("\"'"))
        case "/queue" if not rest:
            return ShowQueue()
        case "/retry" if not rest:
            return Again(anew=False)
        case "/regenerate" if not rest:
            return Again(anew=True)
        case "/steer" | "/interrupt" | "/wait":
            return Say(rest, _POLICIES[word]) if rest else Help(f"{word} needs a text")
        case "/withdraw":
            return Withdraw(int(rest)) if rest.isdecimal() else Help("/withdraw needs a number, as /queue shows it")
        case "/edit":
            number, _, text = rest.partition(" ")
            if number.isdecimal() and text.strip():
                return Edit(int(number), text.strip())
            return Help("/edit needs a number, as /queue shows it, and a text")
        case _:
            return Say(line)
