"""What another policy would have said of recorded calls, for people who are logged in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hitl_opa import ToolCall

RULE = """package hitl.custom

# METADATA
# title: Nothing is listed
# custom: {id: custom.listing, risk: high, remedy: none}
reasons contains r if {
	some c in input.facts.commands
	c.program == "ls"
	r := {"rule": "custom.listing", "verdict": "deny", "risk": "high", "message": "Not listed."}
}
"""
SETTINGS = "level: 3\ndurable: true\ninbox:\n  what_if: {stricter: next, broken: nowhere}\n"
EVIL = "ls <script>alert(1)</script> \x1b[31m\u202e"


@pytest.fixture
async def other(office: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """An office with a stricter policy to try, and three recorded calls."""
    folder = tmp_path / "other"
    (folder / "next").mkdir(parents=True)
    (folder / "next" / "listing.rego").write_text(RULE)
    other = type(office)(folder, SETTINGS)
    other.add("rita", "reviewer")
    other.add("vera", "viewer")
    for command in ("ls", EVIL, "git status"):
        await other.guard.decide(ToolCall(tool="Bash", input={"command": command}, cwd=str(folder)))
    yield other
    await other.guard.close()


@pytest.fixture
async def reviewer(other: Any, browser: Callable[..., Any]) -> Any:
    one = browser(app=other.app)
    await one.log_in("rita")
    return one


async def test_the_form_alone_replays_nothing(reviewer: Any) -> None:
    page = (await reviewer.get("/inbox/whatif")).text
    assert "<option>stricter</option>" in page
    assert "replayed" not in page


async def test_a_stricter_policy(reviewer: Any) -> None:
    page = (await reviewer.get("/inbox/whatif?policy=stricter&days=7")).text
    assert "0 widened, 2 tightened" in page
    assert "3 calls replayed, 1 the same" in page
    assert "tightened: custom.listing" in page
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


async def test_another_level(reviewer: Any) -> None:
    page = (await reviewer.get("/inbox/whatif?policy=&level=1&days=1")).text
    assert "0 widened, 2 tightened" in page  # the third was asked about already


async def test_a_policy_that_cannot_be_loaded_says_so(reviewer: Any) -> None:
    page = (await reviewer.get("/inbox/whatif?policy=broken")).text
    assert 'role="alert"' in page
    assert "nowhere" in page


async def test_no_path_comes_from_a_form(reviewer: Any, tmp_path: Path) -> None:
    """A name that is no setting is the policy in use."""
    page = (await reviewer.get(f"/inbox/whatif?policy={tmp_path}/other/next&level=9&days=x")).text
    assert "0 widened, 0 tightened" in page


async def test_it_takes_a_reviewer(other: Any, browser: Callable[..., Any]) -> None:
    one = browser(app=other.app)
    assert (await one.get("/inbox/whatif?policy=stricter")).status_code == 303
    await one.log_in("vera")
    assert (await one.get("/inbox/whatif?policy=stricter")).status_code == 403
