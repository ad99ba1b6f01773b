"""What policy says of calls made to slip past it, and of everyday ones: each group of redteam.yaml holds."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from hitl_opa.config import Config
from hitl_opa.guard import Guard
from hitl_opa.model import ToolCall

GROUPS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("redteam.yaml").read_text("utf-8"))
FULFILS = {"allow": {"allow"}, "ask": {"ask", "deny"}, "deny": {"deny"}}
HOME = "/home/dev"


@cache
def guard(level: int) -> Guard:
    return Guard.open(Config(level=level, audit=":memory:"))


@pytest.mark.parametrize("group", GROUPS, ids=[f"{g['what']}-{g['expect']}-{g['level']}" for g in GROUPS])
def test_group(group: dict[str, Any]) -> None:
    wrong = []
    for listed in group["calls"]:
        given: dict[str, Any] = (
            {"tool": "Bash", "input": {"command": listed}} if isinstance(listed, str) else dict(listed)
        )
        call = ToolCall(**given, cwd=f"{HOME}/project", workspace=f"{HOME}/project", home=HOME)
        decision = guard(group["level"]).decide_sync(call)
        if decision.verdict.value not in FULFILS[group["expect"]]:
            wrong.append(f"{decision.verdict.value}: {listed!r}")
    assert not wrong, "\n".join(wrong)


def test_there_are_enough_of_each_sort() -> None:
    counts = {"deny": 0, "ask": 0, "allow": 0}
    for group in GROUPS:
        counts[group["expect"]] += len(group["calls"])
    assert counts["deny"] >= 400
    assert counts["ask"] >= 600
    assert counts["allow"] >= 150
