"""Python callables behind the guard: ``@guard.tool`` and the approval gate."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from hitl_opa.audit import canonical
from hitl_opa.errors import ConfigError, Denied
from hitl_opa.guard.ruling import ActionResult, Outcome
from hitl_opa.model import Reviewer, ToolCall

if TYPE_CHECKING:
    from hitl_opa.guard.guard import Guard

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

RISKS = ("low", "medium", "high", "critical")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def guarded(guard: Guard, function: F) -> F:
    """See `Guard.tool`."""
    signature = inspect.signature(function)

    def call_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return ToolCall(tool=function.__name__, input=_plain(bound.arguments))

    def action_of(call: ToolCall, outcome: Outcome, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Any]:
        """The function on its own arguments, or on those that the reviewer or policy put in their place."""
        if not outcome.allowed:
            guard.close_call(outcome.ruling, "blocked")
            raise Denied(outcome.message, outcome.ruling.decision)
        if outcome.input == call.input:
            return functools.partial(function, *args, **kwargs)
        try:
            signature.bind(**outcome.input)
        except TypeError as error:
            guard.close_call(outcome.ruling, "blocked")
            raise Denied(f"The edited arguments do not fit: {error}", outcome.ruling.decision) from None
        return functools.partial(function, **outcome.input)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def asynchronous(*args: Any, **kwargs: Any) -> Any:
            call = call_of(args, kwargs)
            outcome = await guard.resolve(await guard.rule(call))
            action = action_of(call, outcome, args, kwargs)
            with _Closing(guard, outcome):
                return await action()

        return cast("F", asynchronous)

    @functools.wraps(function)
    def synchronous(*args: Any, **kwargs: Any) -> Any:
        call = call_of(args, kwargs)
        outcome = _blocking(guard.resolve(guard.rule_sync(call)))
        action = action_of(call, outcome, args, kwargs)
        with _Closing(guard, outcome):
            return action()

    return cast("F", synchronous)


async def execute_with_approval(
    guard: Guard,
    action: Callable[[], Any],
    risk: str,
    timeout: str | float,
    name: str,
    input: dict[str, Any] | None,
    reviewer: Reviewer | None,
) -> ActionResult:
    """See `Guard.execute_with_approval`."""
    if risk not in RISKS:
        raise ConfigError(f"risk is {risk!r}: it is one of {', '.join(RISKS)}")
    seconds = duration(timeout)
    call = ToolCall(
        tool=name or _name(action),
        input=input if input is not None else _arguments(action),
        claimed_risk=cast("Any", risk),
    )
    ruling = await guard.rule(call)
    try:
        async with asyncio.timeout(seconds):
            outcome = await guard.resolve(ruling, reviewer)
    except TimeoutError:
        guard.close_call(ruling, "blocked")
        return ActionResult(status="rejected", reason=f"Nobody approved it within {timeout}.")
    if not outcome.allowed or outcome.input != call.input:
        # an edit has nowhere to go: the action is already bound to its arguments
        guard.close_call(outcome.ruling, "blocked")
        return ActionResult(
            status="rejected", reason=outcome.message or "The reviewer changed what this action runs on."
        )
    with _Closing(guard, outcome):
        value = action()
        if inspect.isawaitable(value):
            value = await value
    return ActionResult(status="executed", reason=outcome.message or ruling.decision.reason, value=value)


def duration(value: str | float) -> float:
    """Seconds of ``90``, ``"90s"``, ``"30m"``, ``"24h"`` or ``"2d"``. Raises ConfigError."""
    if isinstance(value, (int, float)) and value > 0:
        return float(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) <= 0:
        raise ConfigError(f"{value!r} is no duration: write 90, '90s', '30m', '24h' or '2d'")
    return float(match[1]) * _SECONDS[match[2]]


class _Closing:
    """Records how a call that was let through ended."""

    def __init__(self, guard: Guard, outcome: Outcome) -> None:
        self._guard = guard
        self._outcome = outcome
        self._started = time.perf_counter()

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._guard.close_call(
            self._outcome.ruling,
            "failed" if error else "ran",
            error=f"{type(error).__name__}: {error}" if error else "",
            ms=round((time.perf_counter() - self._started) * 1000, 3),
        )


def _blocking(task: Coroutine[Any, Any, T]) -> T:
    """Run ``task`` to its end for a caller without ``await``; a thread of its own, as a loop may be running here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(task)
    result: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            result.append(asyncio.run(task))
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=work, name="hitl-opa-review")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return result[0]


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments as JSON, whatever they are: policy and record see what can be written down of them."""
    plain: dict[str, Any] = msgspec.json.decode(canonical(dict(arguments)))
    return plain


def _name(action: Callable[[], Any]) -> str:
    inner = action.func if isinstance(action, functools.partial) else action
    name: str = getattr(inner, "__name__", type(inner).__name__)
    return name


def _arguments(action: Callable[[], Any]) -> dict[str, Any]:
    if not isinstance(action, functools.partial):
        return {}
    try:
        return _plain(inspect.signature(action.func).bind_partial(*action.args, **action.keywords).arguments)
    except (TypeError, ValueError):
        return _plain({"args": list(action.args), **action.keywords})
