"""``tests/examples/<pack>.yaml``: calls that a rule is about and calls that it leaves alone, decided for real."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from hitl_opa import Guard, ToolCall
from hitl_opa.config import Config
from hitl_opa.model import PermissionMode, Session
from hitl_opa.policy.bundle import load_bundle
from hitl_opa.policy.metadata import read_annotations
from hitl_opa.policy.yaml import load_yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "tests" / "examples"
BUNDLE = load_bundle(base=ROOT / "rego")
# A machine that does not exist, so that no outcome depends on this one.
INBOX = "https://hitl.corp.example"
PLACE = {"cwd": "/home/dev/project", "workspace": "/home/dev/project", "home": "/home/dev"}
DEFAULT_LEVEL = 3


DATA = {"settings": {"domains": ["corp.example"], "limits": {"repeats": 3, "calls": 8, "asked": 6}}}
# Rules that no single call reaches: the shipped facts and tiers leave nothing for the first two (they are for broken
# data and others' facts), the third needs somebody's grant. They have Rego tests.
UNREACHED = {"effects.none", "effects.unlisted", "grants.standing"}


class Example(NamedTuple):
    """One entry: ``rule`` has to fire or ``near`` must not, and ``verdict`` is the outcome. ``before``: calls of the
    same session that come first."""

    pack: str
    number: int
    entry: dict[str, Any]


def examples() -> list[Example]:
    return [
        Example(file.stem, number, entry)
        for file in sorted(EXAMPLES.glob("*.yaml"))
        for number, entry in enumerate(load_yaml(file.read_text(encoding="utf-8"), file.name))
    ]


@pytest.fixture(scope="module")
def guards() -> Iterator[dict[int, Guard]]:
    """A guard for each level."""
    opened = {
        level: Guard.open(
            Config(audit=":memory:", level=level, data=DATA, trusted_servers=["trusted"], protect=[INBOX])
        )
        for level in (1, 2, 3, 4)
    }
    yield opened
    for guard in opened.values():
        asyncio.run(guard.close())


@pytest.mark.parametrize("example", examples(), ids=lambda e: f"{e.pack}-{e.number}")
def test_example(example: Example, guards: dict[int, Guard]) -> None:
    entry = example.entry
    assert set(entry) <= {"rule", "near", "call", "level", "mode", "before", "verdict", "note"}
    guard = guards[entry.get("level", DEFAULT_LEVEL)]
    mode = PermissionMode(entry.get("mode", "default"))
    session = Session(id=f"{example.pack}-{example.number}", permission_mode=mode)
    for call in entry.get("before", []):
        guard.decide_sync(tool_call(call, session))
    decision = guard.decide_sync(tool_call(entry["call"], session))
    fired = {reason.rule for reason in decision.reasons}
    assert str(decision.verdict) == entry["verdict"], fired
    assert ("rule" in entry) != ("near" in entry)
    if "rule" in entry:
        assert entry["rule"] in fired
    else:
        assert entry["near"] not in fired


def tool_call(fields: dict[str, Any], session: Session) -> ToolCall:
    return msgspec.structs.replace(msgspec.convert({**PLACE, **fields}, ToolCall), session=session)


@pytest.mark.parametrize("kind", ["rule", "near"])
def test_every_rule_of_a_pack_has_an_example(kind: str) -> None:
    ids = {
        str(block.custom["id"])
        for file, source in BUNDLE.modules.items()
        if "/packs/" in file or "/effects/" in file
        for block in read_annotations(file, source)
        if block.custom.get("id")
    }
    shown = {example.entry[kind] for example in examples() if kind in example.entry}
    assert ids - UNREACHED == shown
