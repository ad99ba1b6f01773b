"""What people are told: plain words, the riskiest first, nothing an agent wrote left raw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hitl_opa.approvals import Approval
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.notify.message import MAX_ITEMS, indirect, item, message

BASE = "https://hitl.example.com"
Asks = Callable[..., Approval]


def test_one_says_what_will_happen_who_decides_and_until_when(asks: Asks) -> None:
    said = message("m1", [asks("rm -rf build", approvers=("ops",), quorum=2)], BASE)
    assert said.title == "Bash waits for approval, risk medium"
    (item,) = said.items
    assert ("delete build (in the workspace, without asking back, and everything below it)", True) in [
        (text, bad) for text, bad in item.what
    ]
    assert (item.who, item.waits, item.more) == ("2 of ops", True, 0)
    assert item.until.endswith(" UTC")
    assert item.link == f"{BASE}/inbox/approvals/{item.id}"
    assert said.queue == f"{BASE}/inbox"


def test_many_are_counted_and_the_riskiest_come_first(asks: Asks) -> None:
    risks = ["low", "high", "medium", "critical", "high", "low", "medium"]
    said = message("m1", [asks(f"rm -rf build{n}", risk) for n, risk in enumerate(risks)], BASE)
    assert said.title == "7 approvals wait, 1 critical, 2 high"
    assert [item.risk for item in said.items] == ["critical", "high", "high", "medium", "medium", "low", "low"]


def test_more_than_a_person_reads_is_a_number(asks: Asks) -> None:
    said = message("m1", [asks(f"rm -rf build{n}") for n in range(MAX_ITEMS + 5)], BASE)
    assert (len(said.items), said.more, said.waiting) == (MAX_ITEMS, 5, MAX_ITEMS + 5)


def test_what_is_decided_says_so_and_by_whom(asks: Asks, approvals: Approvals) -> None:
    asked = [asks("rm -rf a"), asks("rm -rf b")]
    before = message("m1", asked, BASE)
    approvals.cancel(asked[0].id, "rita")
    after = message("m1", [approvals.get(a.id) for a in asked], BASE)
    assert after.title == "1 approval waits, 1 decided or over"
    assert [item.status for item in after.items] == ["waits", "cancelled"]
    assert before.fingerprint != after.fingerprint
    approvals.cancel(asked[1].id, "rita")
    assert message("m1", [approvals.get(a.id) for a in asked], BASE).title == "2 approvals, none waits any more"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"risk": "low"}, ""),
        ({"risk": "medium", "permission": "approve", "approvers": ("ops",)}, ""),
        ({"risk": "high"}, "after logging in"),
        ({"risk": "critical"}, "after logging in"),
        ({"permission": "approve"}, "typed phrase"),
        ({"command": f"echo {'x' * 20_000}"}, "the input is long"),
    ],
)
def test_what_takes_a_login(asks: Asks, asked: dict[str, Any], why: str) -> None:
    approval = asks(**asked)
    assert why in indirect(approval)
    assert item(approval, BASE).direct == (not why)


def test_links_do_not_make_a_version(asks: Asks) -> None:
    asked = asks("rm -rf a")
    one, two = (message("m1", [asked], BASE, {asked.id: f"{BASE}/links/{token}"}) for token in "ab")
    assert one.items[0].link != two.items[0].link
    assert one.fingerprint == two.fingerprint


def test_what_cannot_be_seen_is_spelled_out(asks: Asks) -> None:
    said = message("m1", [asks("rm -rf 'build\u202egnp.exe\n<b>'")], BASE)
    text = " ".join(sentence for sentence, _ in said.items[0].what)
    assert "<U+202E>" in text
    assert "\u202e" not in text
    assert "\n" not in text
