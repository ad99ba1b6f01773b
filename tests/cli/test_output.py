from __future__ import annotations

import io

import pytest

from hitl_opa.cli import output
from hitl_opa.terminal.text import Span


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("env", "terminal", "wanted"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "xterm", "FORCE_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_when_to_colour(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], terminal: bool, wanted: bool) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert output.colour(Terminal() if terminal else io.StringIO()) is wanted


def test_a_table_shrinks_one_column_to_fit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output.table(["what", "n"], [("x" * 100, "1"), ("漢字" * 30, "2"), ([Span("short", "bold")], "3")], shrink=0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == ["n", "1", "2", "3"]
    assert "…" in lines[1]
    assert "…" in lines[2]
    assert max(map(len, lines)) <= 40


def test_progress_is_for_people_only(capsys: pytest.CaptureFixture[str]) -> None:
    with output.working("Busy"):
        pass
    progress = output.Progress("calls")
    progress.at(10)
    progress.done()
    assert capsys.readouterr().err == ""


def test_work_is_shown_and_wiped_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with output.working("Busy"):
        assert screen.getvalue() == "Busy …"
    assert screen.getvalue().endswith(f"\r{' ' * 6}\r")
