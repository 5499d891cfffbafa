import pytest

from perdure.temporal.app.console.terminal import arguments, dollars, duration, one_line, plain, result, tokens


@pytest.mark.parametrize("hostile", ["\x1b]0;title\x07", "\x9b2J", "a\rb", "\u202eabc", "\x00", "\u2066x\u2069"])
def test_nothing_that_a_terminal_obeys_is_left(hostile: str) -> None:
    left = plain(hostile)
    assert left == "".join(character for character in hostile if character.isprintable())
    assert plain("lines\n\tstay") == "lines\n\tstay"


def test_a_line_is_short_however_long_the_text() -> None:
    assert one_line("a  b\nc") == "a b c"
    assert one_line("x" * 10_000_000, 5) == "xxxx…"
    assert arguments({"a": 1, "b": "ü"}) == 'a=1, b="ü"'
    assert result({"output": {"type": "timeout", "message": "30 s"}, "is_error": True}) == "timeout: 30 s"
    assert result({"output": "done", "is_error": False}) == "done"


def test_figures() -> None:
    assert [duration(ms) for ms in (None, 0, 840.4, 1240, 185_000)] == ["?", "0 ms", "840 ms", "1.24 s", "3 min 5 s"]
    assert [dollars(cost) for cost in (None, 0, 1.5)] == ["cost unknown", "$0.0000", "$1.5000"]
    assert (
        tokens({"input_tokens": 1234, "cached_tokens": 1000, "output_tokens": 5})
        == "1,234 in (1,000 = 81 % cached), 5 out"
    )
    every = {"input_tokens": 9000, "cached_tokens": 4000, "cache_write_tokens": 2000, "output_tokens": 7}
    assert (
        tokens(every | {"reasoning_tokens": 3, "estimated": True})
        == "9,000 in (4,000 = 44 % cached, 2,000 written to the cache), 7 out (3 reasoning), estimated"
    )
