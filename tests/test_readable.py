"""HTML as text, and pages built to be slow."""

import pytest

from perdure.activities.shipped.html_text import html_text


def test_a_page_reads_well() -> None:
    page = """<!doctype html><html><head><title>Lamps &amp; more</title><style>p {color: red}</style>
    <script>document.write("<p>no</p>")</script></head>
    <body><h1>Lamps</h1><p>Made of
    <b>br</b>ass.<br/>Or not.</p><!-- hidden -->
    <ul><li>one</li><li>two</ul>
    <table><tr><td>1</td><td>2</td></tr></table>
    <pre>def f():\n    return 1</pre><svg><title>icon</title></svg><noscript>old</noscript>&copy; us"""
    assert html_text(page) == (
        "Lamps & more\n\nLamps\n\nMade of brass.\nOr not.\n\n- one\n\n- two\n\n1 2\n\ndef f():\n    return 1\n© us"
    )


def test_text_alone_and_nothing_are_fine() -> None:
    assert html_text("a < b & c") == "a < b & c"
    assert html_text("") == ""


def test_what_is_cut_off_inside_a_tag_is_dropped() -> None:
    assert html_text("<p>whole</p><a href='http://exa") == "whole"
    assert html_text("whole<!-- cut") == "whole"


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<",
        "</",
        "<a ",
        "<a b='",
        "<![CDATA[",
        "<?",
        "&",
        "&#",
        "<script>",
        "<div>",
        "<svg>",
        "]]>",
        "<a a=' ",
        "<p/",
    ],
)
def test_repeated_openings_do_not_take_for_ever(piece: str) -> None:
    # A quadratic algorithm takes minutes at this size, and would hang here.
    for end in ("", ">", "<", "-->"):
        html_text(piece * (100_000 // len(piece)) + end)


@pytest.mark.parametrize("digits", ["1" * 5000, "0" * 5000 + "65", "x" + "f" * 5000, "X" + "1" * 5000])
@pytest.mark.parametrize("end", [";", " ", ""])
def test_a_character_of_thousands_of_digits_is_one_that_does_not_exist(digits: str, end: str) -> None:
    assert html_text(f"<p title='&#{digits}{end}'>a&#{digits}{end}z &#65;</p>") == f"a\ufffd{end.strip(';')}z A"


def test_a_character_of_too_many_digits_across_two_texts() -> None:
    assert html_text("<title>&#" + "1" * 4301 + ";</title>x") == "\ufffd\nx"
