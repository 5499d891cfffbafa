"""The outputs of `perdure bench`: the file for later comparisons, the comparison, and the report page."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from perdure.temporal.app.bench.report.compare import changes, newly_missed
from perdure.temporal.app.bench.report.figures import curve, slope, thinned
from perdure.temporal.app.bench.report.page import page
from perdure.temporal.app.bench.report.report import Report, Row, Target, Unreadable, machine
from perdure.temporal.app.cli import app
from perdure.temporal.app.console.refused import Refused

AT_MOST_2 = Target(bound="at most", value=2)
VOID = {"meta", "line", "circle", "polyline"}


def report(*rows: Row, quick: bool = False) -> Report:
    return Report(
        rows=rows,
        quick=quick,
        machine=machine(),
        started_at="2026-11-22T17:00:00+00:00",
        took_s=61,
        load_before=(0.5, 0.5, 0.5),
        load_after=(1.0, 0.5, 0.5),
    )


def delay(value: float | None) -> Row:
    details = {"who": "Perdure, 1 at 50/s", "curve": curve([0.5, 1.0, 40.0])}
    return Row(group="tokens", name="added by Perdure, 1 at 50/s, p50", value=value, unit="ms", details=details)


def ratio(value: float, target: Target | None = AT_MOST_2) -> Row:
    return Row(group="first", name="signal to request ÷ bare, p50", value=value, unit="times", target=target)


def rate(value: float) -> Row:
    return Row(group="turns", name="Perdure, 8 at once", value=value, unit="turns/s", better="more")


def saved(found: Report, path: Path) -> Path:
    path.write_text(found.model_dump_json(), encoding="utf-8")
    return path


def verdicts(old: Report, new: Report) -> list[tuple[str, str]]:
    return [(change.name, change.verdict) for change in changes(old, new)]


def test_a_line_is_put_through_noisy_points() -> None:
    assert slope([(0, 10.0), (1, 13.0), (2, 14.0), (3, 17.0)]) == pytest.approx(2.2)


def test_details_for_plots_stay_small() -> None:
    values = [float(value) for value in range(1, 1001)]
    assert curve(values)[0] == [0, 1.0]
    assert curve(values)[-1] == [100, 1000.0]
    assert thinned(values, 250)[:2] == [[1, 1.0], [5, 5.0]]
    assert len(thinned(values, 250)) == 250
    assert (curve([]), thinned([])) == ([], [])


def test_a_report_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    found = report(delay(1.0), ratio(1.5), delay(None))
    assert Report.load(saved(found, tmp_path / "one.json")) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no JSON", "Expecting value"),
        ("[]", "no attribute"),
        ('{"rows": []}', "a report of version None; this program reads version 1"),
        ('{"schema_version": 2, "rows": []}', "a report of version 2; this program reads version 1"),
        ('{"schema_version": 1}', "rows"),
    ],
)
def test_a_file_that_is_no_report_is_refused_by_name(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "one.json"
    path.write_text(text)
    with pytest.raises(Unreadable, match=why) as refused:
        Report.load(path)
    assert str(path) in str(refused.value)


def test_what_changed_by_more_than_noise_is_told() -> None:
    old, new = report(delay(1.0), ratio(1.5), rate(40)), report(delay(1.4), ratio(1.9), rate(80))
    assert verdicts(old, new) == [
        ("added by Perdure, 1 at 50/s, p50", ""),  # 40 % of a millisecond
        ("signal to request ÷ bare, p50", "worse"),
        ("Perdure, 8 at once", "better"),
    ]
    assert [change.percent for change in changes(old, new)] == pytest.approx([40, 26.67, 100], abs=0.01)


def test_a_target_that_was_met_and_is_missed_now_is_told_from_one_that_was_never_met() -> None:
    met, missed = report(ratio(1.9)), report(ratio(2.1))
    assert [change.verdict for change in newly_missed(changes(met, missed))] == ["newly missed"]
    assert newly_missed(changes(missed, missed)) == ()
    assert verdicts(missed, met) == [("signal to request ÷ bare, p50", "newly met")]


def test_runs_of_different_kinds_compare_by_ratios_alone() -> None:
    old, new = report(delay(1.0), ratio(1.0)), report(delay(100.0), ratio(1.5), quick=True)
    assert [verdict for _, verdict in verdicts(old, new)] == ["not comparable", "worse"]


def test_rows_and_groups_of_one_run_only() -> None:
    other = delay(1.0).model_copy(update={"name": "directly"})
    assert verdicts(report(delay(1.0), ratio(1.0)), report(other)) == [
        ("directly", "new"),
        ("added by Perdure, 1 at 50/s, p50", "gone"),
    ]


def test_the_command_compares_two_files_and_fails_a_run_that_got_worse(tmp_path: Path) -> None:
    good, bad = saved(report(ratio(1.5)), tmp_path / "good.json"), saved(report(ratio(2.5)), tmp_path / "bad.json")
    worse = CliRunner().invoke(app, ["bench", str(bad), "--compare", str(good)])
    assert (worse.exit_code, "newly missed" in worse.output) == (1, True)
    assert CliRunner().invoke(app, ["bench", str(good), "--compare", str(bad)]).exit_code == 0
    (tmp_path / "old.json").write_text("{}")
    refused = CliRunner().invoke(app, ["bench", str(good), "--compare", str(tmp_path / "old.json")])
    assert isinstance(refused.exception, Refused)


class Tags(HTMLParser):
    """Checks that every opened tag is closed, and collects names and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_tells_what_was_missed(tmp_path: Path) -> None:
    path = saved(report(delay(1.2), ratio(2.5), rate(40)), tmp_path / "one.json")
    done = CliRunner().invoke(app, ["bench", str(path), "--html", str(tmp_path / "page.html")])
    assert done.exit_code == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.links == ["#tokens", "#first"]
    assert not {"script", "link", "img", "iframe"} & set(tags.names)
    assert not re.search(r"https?://|@import|url\(", text)
    assert "0 of 1 targets met." in text
    assert "signal to request ÷ bare, p50: 2.50 ×, target at most 2" in text


def test_a_page_is_made_of_whatever_there_is() -> None:
    hostile = Row(group="stop", name="<b>&", value=None, unit="ms", details={"who": "<i>", "curve": curve([1.0])})
    text = page(report(hostile))
    assert "<b>&" not in text
    assert "<i>" not in text
    assert "not measured" in text
    assert page(report())


def test_the_json_says_its_version() -> None:
    assert json.loads(report().model_dump_json())["schema_version"] == 1
