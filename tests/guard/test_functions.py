"""Python callables behind the guard run only when policy, or the human it asks, lets them."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
from doubles import APPROVES, REJECTS, Says, ask, decision

from hitl_opa.audit import AuditLog
from hitl_opa.errors import ConfigError, Denied
from hitl_opa.guard import Guard
from hitl_opa.guard.functions import duration
from hitl_opa.model import Answer, Choice


def kinds(audit: AuditLog) -> list[str]:
    return [r.get("outcome") or r.kind for r in audit.records()]


async def test_tool_runs_when_allowed(make_guard: Callable[..., Guard], audit: AuditLog) -> None:
    guard = make_guard(decision())

    @guard.tool
    def add(a: int, b: int = 2) -> int:
        "Adds."
        return a + b

    @guard.tool
    async def add_async(a: int, b: int = 2) -> int:
        return a + b

    assert add(1) == 3
    assert await add_async(1, b=4) == 5
    assert add.__doc__ == "Adds."
    assert kinds(audit) == ["decision", "ran"] * 2


async def test_tool_does_not_run_when_denied(make_guard: Callable[..., Guard], audit: AuditLog) -> None:
    guard = make_guard(decision("deny"))
    ran: list[str] = []

    @guard.tool
    def deploy(env: str) -> None:
        ran.append(env)

    @guard.tool
    async def deploy_async(env: str) -> None:
        ran.append(env)

    with pytest.raises(Denied, match="It is deny") as caught:
        deploy("prod")
    with pytest.raises(Denied):
        await deploy_async("prod")
    assert caught.value.decision.verdict == "deny"
    assert ran == []
    assert kinds(audit) == ["decision", "blocked"] * 2


@pytest.mark.parametrize("inside_a_loop", [True, False])
def test_sync_tool_asks(make_guard: Callable[..., Guard], inside_a_loop: bool) -> None:
    guard = make_guard(ask())
    guard.reviewer = Says(APPROVES, REJECTS)

    @guard.tool
    def deploy(env: str) -> str:
        return env

    def both() -> None:
        assert deploy("prod") == "prod"
        with pytest.raises(Denied, match="Friday"):
            deploy("prod")

    if inside_a_loop:
        import asyncio

        async def main() -> None:
            both()

        asyncio.run(main())
    else:
        both()


def test_edited_arguments_are_the_ones_used(make_guard: Callable[..., Guard]) -> None:
    guard = make_guard(ask(), decision())

    @guard.tool
    def deploy(env: str) -> str:
        return env

    guard.reviewer = Says(Answer(choice=Choice.EDIT, input={"env": "staging"}))
    assert deploy("prod") == "staging"
    guard.reviewer = Says(Answer(choice=Choice.EDIT, input={"nonsense": 1}))


def test_edited_arguments_that_do_not_fit_deny(make_guard: Callable[..., Guard]) -> None:
    guard = make_guard(ask(), decision())

    @guard.tool
    def deploy(env: str) -> str:
        return env

    guard.reviewer = Says(Answer(choice=Choice.EDIT, input={"nonsense": 1}))
    with pytest.raises(Denied, match="do not fit"):
        deploy("prod")


def test_a_failing_tool_is_recorded_and_raises(make_guard: Callable[..., Guard], audit: AuditLog) -> None:
    guard = make_guard(decision())

    @guard.tool
    def broken(x: object) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        broken(object())
    assert kinds(audit) == ["decision", "failed"]


def test_arguments_that_are_not_json_still_reach_policy(make_guard: Callable[..., Guard]) -> None:
    guard = make_guard(decision())

    @guard.tool
    def odd(x: object, *more: object, **others: object) -> str:
        return "ran"

    assert odd(object(), b"\xff", {1, 2}, key=float("nan")) == "ran"


async def test_execute_with_approval(make_guard: Callable[..., Guard]) -> None:
    guard = make_guard(ask())
    ran: list[str] = []

    async def migrate() -> str:
        ran.append("x")
        return "done"

    rejected = await guard.execute_with_approval(migrate, risk="high", timeout="24h", reviewer=Says(REJECTS))
    assert (rejected.status, ran) == ("rejected", [])
    assert "Friday" in rejected.reason
    done = await guard.execute_with_approval(migrate, risk="high", reviewer=Says(APPROVES))
    assert (done.status, done.value, ran) == ("executed", "done", ["x"])
    assert (await guard.execute_with_approval(migrate)).status == "rejected"
    assert ran == ["x"]


async def test_execute_with_approval_shows_arguments_and_claim(make_guard: Callable[..., Guard]) -> None:
    guard = make_guard(ask())
    reviewer = Says(APPROVES)

    def transfer(amount: int, to: str) -> int:
        return amount

    result = await guard.execute_with_approval(
        functools.partial(transfer, 5, to="bob"), risk="critical", reviewer=reviewer
    )
    assert result.value == 5
    (shown,) = reviewer.shown
    assert (shown.call.tool, shown.call.input) == ("transfer", {"amount": 5, "to": "bob"})
    assert shown.document.call.claimed_risk == "critical"


async def test_execute_with_approval_gives_up_in_time(make_guard: Callable[..., Guard]) -> None:
    from doubles import never

    result = await make_guard(ask()).execute_with_approval(lambda: 1, timeout=0.1, reviewer=Says(never()))
    assert result.status == "rejected"


@pytest.mark.parametrize(("text", "seconds"), [(5, 5), ("90", 90), ("30m", 1800), ("24h", 86400), ("1.5d", 129600)])
def test_durations(text: str | float, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1h", "0", 0, -1, "1w", "24 h"])
def test_what_is_no_duration(text: str | float) -> None:
    with pytest.raises(ConfigError):
        duration(text)


async def test_unknown_risk_is_refused(make_guard: Callable[..., Guard]) -> None:
    with pytest.raises(ConfigError):
        await make_guard(decision()).execute_with_approval(lambda: 1, risk="enormous")
