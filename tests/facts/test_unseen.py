"""Commands and calls that were written before anybody looked what is said of them, at level 3.

``unseen/*.txt`` hold one a line, under a heading for the family: a shell command (``⏎`` for a line break), or a tool's
name and its input. ``ask*``: must not run without a person; ``allow*``: simply runs. How many were decided wrongly at
first is in docs/policy-quality.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hitl_opa.config import Config
from hitl_opa.guard import Guard
from hitl_opa.model import ToolCall

FILES = sorted(Path(__file__).with_name("unseen").glob("*.txt"))
PLACE = {"cwd": "/home/dev/project", "workspace": "/home/dev/project", "home": "/home/dev"}


def lines(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("# ")]


@pytest.mark.parametrize("file", FILES, ids=[f.stem for f in FILES])
def test_file(file: Path) -> None:
    runs = "allow" in file.stem
    wrong = []
    guard = Guard.open(Config(level=3, audit=":memory:"))
    for line in lines(file):
        if file.stem.startswith("calls"):
            tool, _, text = line.partition(" ")
            call = ToolCall(tool=tool, input=json.loads(text), **PLACE)
        else:
            call = ToolCall(tool="Bash", input={"command": line.replace("⏎", "\n")}, **PLACE)
        verdict = guard.decide_sync(call).verdict.value
        if (verdict == "allow") != runs:
            wrong.append(f"{verdict}: {line}")
    assert not wrong, "\n".join(wrong)


def test_there_are_enough_of_each_sort() -> None:
    counts = {f.stem: len(lines(f)) for f in FILES}
    assert counts["ask"] >= 400
    assert counts["allow"] >= 400
    assert counts["calls-ask"] + counts["calls-allow"] >= 200
    assert counts["ask3"] >= 500
    assert counts["allow3"] >= 500
    assert counts["calls-ask3"] + counts["calls-allow3"] >= 250
