"""The tiers cover what facts can say: nothing asks only because somebody forgot a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from hitl_opa.facts.data import load
from hitl_opa.facts.vocabulary import PLACES
from hitl_opa.policy.bundle import load_bundle

ROOT = Path(__file__).resolve().parents[2]
TIERS = json.loads(load_bundle(base=ROOT / "rego").data)["hitl"]["tiers"]
PERMISSIONS = {"auto", "confirm", "approve"}
RISKS = {"low", "medium", "high", "critical"}


def cells() -> Iterator[tuple[str, Any]]:
    for table in ("tools", "names", "patterns", "kinds"):
        yield from ((f"{table}.{name}", cell) for name, cell in TIERS[table].items())
    yield "unknown", TIERS["unknown"]
    for type, verbs in TIERS["effects"].items():
        for verb, places in verbs.items():
            yield from ((f"effects.{type}.{verb}.{place}", cell) for place, cell in places.items())


def test_every_tier_can_be_used() -> None:
    broken = [name for name, c in cells() if c["permission"] not in PERMISSIONS or c["risk"] not in RISKS]
    assert broken == []


def test_a_tier_that_runs_alone_at_level_3_is_no_higher_than_medium() -> None:
    lax = [name for name, c in cells() if c["permission"] == "auto" and c["risk"] in ("high", "critical")]
    assert lax == []


def test_every_tool_that_facts_know_has_a_tier() -> None:
    assert set(load().tools) - set(TIERS["tools"]) == set()


def acts(node: Any) -> Iterator[tuple[str, str, str]]:
    """(verb, type, place) of every effect act below ``node``."""
    if isinstance(node, dict):
        for value in node.values():
            yield from acts(value)
    elif isinstance(node, list):
        if node and node[0] == "effect":
            yield (*node[1:4], "", "")[:3]  # type: ignore[misc]
        for value in node:
            yield from acts(value)


def test_every_effect_of_the_shipped_programs_has_a_tier() -> None:
    programs = json.loads(files("hitl_opa.facts").joinpath("programs.json").read_bytes())
    found = set(acts(programs))
    assert len(found) > 50
    unlisted = {(v, t, p) for v, t, p in found if p not in TIERS["effects"].get(t, {}).get(v, {})}
    assert unlisted == set()


def test_every_place_is_known_to_some_tier() -> None:
    """``metadata`` hosts are denied by a rule of their own."""
    known = {(t, p) for t, verbs in TIERS["effects"].items() for places in verbs.values() for p in places}
    assert {(t, p) for t, places in PLACES.items() for p in places} - known == {("host", "metadata")}


def test_reading_verbs_never_change_anything() -> None:
    assert set(TIERS["read_only"]) == {"read", "query", "receive", "ask"}
