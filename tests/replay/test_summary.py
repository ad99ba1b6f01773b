from __future__ import annotations

from collections.abc import Callable

import pytest

from hitl_opa.replay import Direction, Recorded, Replayed, Said, summarise
from hitl_opa.replay.summary import direction

Make = Callable[..., Replayed]


@pytest.mark.parametrize(
    ("before", "after", "way"),
    [
        ("allow:0:a", "allow:0:a", Direction.SAME),
        ("allow:0:a", "allow:0:b", Direction.OTHERWISE),
        ("allow:0:a", "ask:0:a", Direction.TIGHTENED),
        ("allow:0:a", "deny:0:a", Direction.TIGHTENED),
        ("ask:0:a", "deny:0:a", Direction.TIGHTENED),
        ("deny:0:a", "ask:0:a", Direction.WIDENED),
        ("deny:0:a", "allow:0:a", Direction.WIDENED),
        ("ask:2:a", "ask:1:a", Direction.WIDENED),
        ("ask:1:a", "ask:2:a", Direction.TIGHTENED),
        ("deny:2:a", "deny:1:a", Direction.SAME),
        ("allow:0:a", "nonsense:0:a", Direction.TIGHTENED),
    ],
)
def test_direction(changed: Make, before: str, after: str, way: Direction) -> None:
    one = changed(before, after)
    assert one.call.said is not None
    assert one.said is not None
    assert direction(one.call.said, one.said) is way


def test_another_risk_is_another_decision() -> None:
    one = Said(verdict="allow", risk="low")
    assert direction(one, Said(verdict="allow", risk="medium")) is Direction.OTHERWISE


def test_everything_is_counted_once(changed: Make, call: Callable[..., Recorded]) -> None:
    summary = summarise(
        [
            changed("allow:0:a", "allow:0:a"),
            changed("ask:0:old", "allow:0:a"),
            changed("ask:0:old", "allow:0:a", agent="bot"),
            changed("deny:0:old", "allow:0:a"),
            changed("allow:0:a", "deny:0:new"),
            changed("allow:0:a", "allow:0:b"),
            Replayed(call(said=None), Said(verdict="deny")),
            Replayed(call(why_not="erased"), None, "erased"),
            Replayed(call(why_not="erased"), None, "erased"),
        ]
    )
    assert (summary.calls, summary.replayed, summary.undecided) == (9, 7, 1)
    assert (summary.same, summary.widened, summary.tightened, summary.otherwise) == (1, 3, 1, 1)
    assert summary.skipped == {"erased": 2}
    assert summary.verdicts == {"before": {"allow": 3, "ask": 2, "deny": 1}, "after": {"allow": 5, "deny": 2}}
    assert [(g.direction, g.rule, g.agent, g.count, g.moves) for g in summary.groups] == [
        (Direction.WIDENED, "old", "", 2, {"ask -> allow": 1, "deny -> allow": 1}),
        (Direction.WIDENED, "old", "bot", 1, {"ask -> allow": 1}),
        (Direction.TIGHTENED, "new", "", 1, {"allow -> deny": 1}),
        (Direction.OTHERWISE, "b", "", 1, {"allow": 1}),
    ]


def test_examples_say_what_was_called_and_are_few(changed: Make) -> None:
    summary = summarise([changed("ask:2:a", "ask:1:a", number=n) for n in range(9)], examples=2)
    (group,) = summary.groups
    assert group.count == 9
    assert group.moves == {"ask (2 people) -> ask": 9}
    assert [(e.id, e.tool, e.what) for e in group.examples] == [("d0", "Bash", "ls"), ("d1", "Bash", "ls")]


@pytest.mark.parametrize(
    ("given", "what"),
    [('{"file_path":"a","content":"b"}', "a"), ('{"x":1}', '{"x":1}'), ('{"command":"' + "l" * 999 + '"}', "l" * 300)],
)
def test_what_an_example_shows(changed: Make, given: str, what: str) -> None:
    document = f'{{"version":"1","call":{{"tool":"T","input":{given}}}}}'.encode()
    (group,) = summarise([changed("ask:0:a", "allow:0:a", document=document)]).groups
    assert group.examples[0].what == what
