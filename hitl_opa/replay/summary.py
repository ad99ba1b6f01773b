"""What a replay changed, counted and grouped by rule and agent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from hitl_opa.replay.recorded import Recorded, Said
from hitl_opa.replay.replay import Replayed

_ORDER = {"allow": 0, "ask": 1, "deny": 2}
_WIDTH = 300
_MAIN = ("command", "file_path", "notebook_path", "pattern", "url", "query", "path", "prompt")


class Direction(StrEnum):
    """Which way a verdict went."""

    WIDENED = "widened"  # more may run, or with fewer people asked
    TIGHTENED = "tightened"
    OTHERWISE = "otherwise"  # the same verdict, for other rules or with another risk
    SAME = "same"


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A call whose verdict changed. ``what`` is its input in a few words."""

    id: str
    at: str
    session: str
    tool: str
    what: str
    before: Said
    after: Said


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of one kind: the rule that made them (of tightened calls: one that says more now; of widened
    ones: one that said it and no longer does) and the agent. ``moves``: ``ask -> allow`` and how often."""

    direction: Direction
    rule: str
    agent: str
    count: int
    moves: dict[str, int]
    examples: list[Example]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All of a replay. ``skipped``: why calls could not be replayed, and how many; ``undecided``: those of which
    nothing was recorded to compare with; ``verdicts``: of the calls replayed, before and after."""

    calls: int
    replayed: int
    same: int
    widened: int
    tightened: int
    otherwise: int
    undecided: int
    verdicts: dict[str, dict[str, int]]
    skipped: dict[str, int]
    groups: list[Group]
    notes: list[str] = []


def direction(before: Said, after: Said) -> Direction:
    """Which way from one decision to another."""
    old, new = _rank(before), _rank(after)
    if old != new:
        return Direction.WIDENED if new < old else Direction.TIGHTENED
    same = (before.risk, set(before.rules)) == (after.risk, set(after.rules))
    return Direction.SAME if same else Direction.OTHERWISE


def summarise(replayed: Iterable[Replayed], *, examples: int = 5, notes: Iterable[str] = ()) -> Summary:
    """Count and group; at most so many examples a group."""
    counts: Counter[Direction] = Counter()
    skipped: Counter[str] = Counter()
    verdicts: dict[str, Counter[str]] = {"before": Counter(), "after": Counter()}
    groups: dict[tuple[Direction, str, str], tuple[Counter[str], list[Example]]] = {}
    calls = undecided = done = 0
    for one in replayed:
        calls += 1
        if one.said is None:
            skipped[one.why_not] += 1
            continue
        done += 1
        verdicts["after"][one.said.verdict] += 1
        before = one.call.said
        if before is None:
            undecided += 1
            continue
        verdicts["before"][before.verdict] += 1
        way = direction(before, one.said)
        counts[way] += 1
        if way is Direction.SAME:
            continue
        moves, found = groups.setdefault((way, _cause(way, before, one.said), one.call.agent), (Counter(), []))
        moves[_move(before, one.said)] += 1
        if len(found) < examples:
            found.append(_example(one.call, before, one.said))
    return Summary(
        calls=calls,
        replayed=done,
        same=counts[Direction.SAME],
        widened=counts[Direction.WIDENED],
        tightened=counts[Direction.TIGHTENED],
        otherwise=counts[Direction.OTHERWISE],
        undecided=undecided,
        verdicts={when: {v: n for v in _ORDER if (n := found[v])} for when, found in verdicts.items()},
        skipped=dict(skipped.most_common()),
        groups=sorted(
            (
                Group(
                    direction=way,
                    rule=rule,
                    agent=agent,
                    count=moves.total(),
                    moves=dict(moves.most_common()),
                    examples=found,
                )
                for (way, rule, agent), (moves, found) in groups.items()
            ),
            key=lambda g: (list(Direction).index(g.direction), -g.count, g.rule, g.agent),
        ),
        notes=list(notes),
    )


def _rank(said: Said) -> tuple[int, int]:
    """How strict: an unknown verdict is a deny, and more people asked are stricter."""
    return _ORDER.get(said.verdict, 2), said.quorum if said.verdict == "ask" else 0


def _cause(way: Direction, before: Said, after: Said) -> str:
    mine, others = (before, after) if way is Direction.WIDENED else (after, before)
    found = next((rule for rule in mine.rules if rule not in others.rules), None)
    return found or (mine.rules[0] if mine.rules else "")


def _move(before: Said, after: Said) -> str:
    def shown(said: Said) -> str:
        return f"{said.verdict} ({said.quorum} people)" if said.verdict == "ask" and said.quorum > 1 else said.verdict

    old, new = shown(before), shown(after)
    return f"{old} -> {new}" if old != new else old


def _example(call: Recorded, before: Said, after: Said) -> Example:
    return Example(
        id=call.id,
        at=call.at,
        session=call.session,
        tool=call.tool,
        what=_what(call.document),
        before=before,
        after=after,
    )


def _what(document: bytes) -> str:
    """The field of the call's input that tells most of it."""
    given: dict[str, Any] = msgspec.json.decode(document)["call"].get("input", {})
    for name in _MAIN:
        if isinstance(given.get(name), str):
            return str(given[name])[:_WIDTH]
    return msgspec.json.encode(given).decode()[:_WIDTH]
