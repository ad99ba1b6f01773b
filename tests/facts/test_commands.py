"""Each command of commands.yaml does what it says there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hitl_opa.model import Effect, Facts

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("commands.yaml").read_text("utf-8"))


def matches(effect: Effect, expected: str) -> bool:
    verb, kind, place, *traits = expected.split()
    wanted = {t[1:] for t in traits}
    found = (effect.verb.value, effect.target.type, effect.target.place)
    return found == (verb, kind, place) and wanted <= set(effect.traits)


@pytest.mark.parametrize("case", CASES, ids=[c["run"][:60] for c in CASES])
def test_command(case: dict[str, Any], facts_of: Callable[..., Facts]) -> None:
    facts = facts_of(case["run"])
    shown = [f"{e.verb} {e.target.type} {e.target.place} {e.target.value!r} {e.traits}" for e in facts.effects]
    for expected in case.get("does", []):
        assert any(matches(e, expected) for e in facts.effects), f"{expected} is not in {shown}"
    if case.get("exact"):
        for effect in facts.effects:
            assert any(matches(effect, e) for e in case["does"]), f"{shown} has more than {case['does']}"
    kinds = {o.kind for o in facts.opaque}
    opaque = case.get("opaque", [])
    if opaque == "any":
        assert kinds
    else:
        assert set(opaque) <= kinds
        assert opaque or not kinds, f"opaque: {kinds}"
