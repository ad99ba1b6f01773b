"""Running a real agent against a scripted model, and what came of it."""

from __future__ import annotations

import asyncio
import dataclasses
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from hitl_opa.testing.model import ScriptedModel
from hitl_opa.testing.sandbox import Sandbox
from hitl_opa.testing.turns import Turn

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, Message, ResultMessage

    from hitl_opa.guard import Guard
    from hitl_opa.model import Reviewer


@dataclasses.dataclass(frozen=True, kw_only=True)
class AgentCall:
    """One call of the model: ``ran`` as the CLI reports it (PostToolUse), ``told`` what the model heard of it.

    ``input`` is what the model wrote, ``ran_with`` what the tool got (empty where it did not run).
    ``failed``: it ran, and failed.
    """

    id: str
    tool: str
    input: dict[str, Any]
    ran: bool
    failed: bool
    ran_with: dict[str, Any]
    told: str
    is_error: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class AgentRun:
    """What came of a run. ``error`` is what the SDK raised, None where it raised nothing."""

    calls: list[AgentCall]
    messages: list[Message]
    error: Exception | None
    model: ScriptedModel
    sandbox: Sandbox

    @property
    def executed(self) -> list[AgentCall]:
        """The calls that ran."""
        return [call for call in self.calls if call.ran]

    @property
    def denied(self) -> list[AgentCall]:
        """The calls that did not."""
        return [call for call in self.calls if not call.ran]

    @property
    def result(self) -> ResultMessage | None:
        """The SDK's last result message."""
        from claude_agent_sdk import ResultMessage

        return next((m for m in reversed(self.messages) if isinstance(m, ResultMessage)), None)

    @property
    def tools(self) -> list[str]:
        """The tools that the CLI offers, from its init message."""
        return next((list(d.get("tools", [])) for d in self._system("init")), [])

    def _system(self, subtype: str) -> list[dict[str, Any]]:
        from claude_agent_sdk import SystemMessage

        return [m.data for m in self.messages if isinstance(m, SystemMessage) and m.subtype == subtype]


async def run_agent(
    turns: Iterable[Turn],
    options: ClaudeAgentOptions | None = None,
    *,
    guard: Guard | None = None,
    reviewer: Reviewer | None = None,
    sandbox: Sandbox | None = None,
    agents: Mapping[str, Iterable[Turn]] | None = None,
    prompt: str = "go",
    timeout: float = 60.0,
    during: Callable[[ClaudeSDKClient], Awaitable[None]] | None = None,
    **settings: Any,
) -> AgentRun:
    """Run the real CLI in ``sandbox`` (default: a new one, removed afterwards) with a model that says ``turns``.

    ``options`` get the sandbox's directories and environment (their own ``cwd`` and ``env`` win); with
    a ``guard`` they are protected by it, with ``reviewer`` and ``settings`` as `Guard.protect` takes
    them. ``agents`` are scripts for subagents by a part of their prompt. ``during`` runs beside the
    session. Raises TimeoutError after ``timeout`` seconds; what the SDK raises is in the run's ``error``.
    """
    from claude_agent_sdk import CanUseToolShadowedWarning, ClaudeAgentOptions

    box = sandbox or Sandbox()
    try:
        with ScriptedModel(turns, agents=agents) as model, warnings.catch_warnings():
            warnings.simplefilter("ignore", CanUseToolShadowedWarning)  # true, and of no matter to a guard's hook
            given = options or ClaudeAgentOptions()
            ready = dataclasses.replace(given, cwd=given.cwd or box.cwd, env={**box.env(model.url), **given.env})
            if guard is not None:
                ready = guard.protect(ready, reviewer=reviewer, **settings)
            seen = _Seen()
            messages, error = await _drive(seen.watch(ready), prompt, timeout, during)
            return AgentRun(calls=seen.calls(model), messages=messages, error=error, model=model, sandbox=box)
    finally:
        if sandbox is None:
            box.__exit__()


async def resume_agent(
    session: str,
    turns: Iterable[Turn],
    options: ClaudeAgentOptions | None = None,
    *,
    guard: Guard,
    sandbox: Sandbox,
    agents: Mapping[str, Iterable[Turn]] | None = None,
    timeout: float = 60.0,
    **settings: Any,
) -> AgentRun:
    """As `run_agent`, going on with a session that stopped at an approval: see `hitl_opa.claude.resume`."""
    from claude_agent_sdk import CanUseToolShadowedWarning, ClaudeAgentOptions

    from hitl_opa.claude import resume

    with ScriptedModel(turns, agents=agents) as model, warnings.catch_warnings():
        warnings.simplefilter("ignore", CanUseToolShadowedWarning)
        given = options or ClaudeAgentOptions()
        ready = dataclasses.replace(given, cwd=given.cwd or sandbox.cwd, env={**sandbox.env(model.url), **given.env})
        seen = _Seen()
        messages: list[Message] = []
        error: Exception | None = None
        try:
            async with asyncio.timeout(timeout):
                async for message in resume(guard, session, seen.watch(ready), **settings):
                    messages.append(message)
        except TimeoutError:
            raise TimeoutError(f"the agent had not ended after {timeout:g} s; it said {messages[-3:]!r}") from None
        except Exception as raised:  # noqa: BLE001 - as above
            error = raised
        return AgentRun(calls=seen.calls(model), messages=messages, error=error, model=model, sandbox=sandbox)


async def _drive(
    options: ClaudeAgentOptions,
    prompt: str,
    timeout: float,
    during: Callable[[ClaudeSDKClient], Awaitable[None]] | None,
) -> tuple[list[Message], Exception | None]:
    from claude_agent_sdk import ClaudeSDKClient

    messages: list[Message] = []
    beside: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(timeout), ClaudeSDKClient(options) as client:
            await client.query(prompt)
            if during is not None:
                beside = asyncio.ensure_future(cast("asyncio.Future[None]", during(client)))  # type: ignore[assignment]
            async for message in client.receive_response():
                messages.append(message)
            if beside is not None:
                await beside
    except TimeoutError:
        raise TimeoutError(f"the agent had not ended after {timeout:g} s; it said {messages[-3:]!r}") from None
    except Exception as error:  # noqa: BLE001 - what the SDK raises is a result of the run
        return messages, error
    finally:
        if beside is not None:
            beside.cancel()
    return messages, None


class _Seen:
    """What ran, as the CLI's own hooks report it."""

    def __init__(self) -> None:
        self._ran: dict[str, tuple[dict[str, Any], bool]] = {}

    def watch(self, options: ClaudeAgentOptions) -> ClaudeAgentOptions:
        """Options that report here what ran; such hooks only look."""
        from claude_agent_sdk import HookMatcher

        async def after(hook: Any, tool_use_id: str | None, _: Any) -> Any:
            self._ran[hook.get("tool_use_id") or tool_use_id or ""] = (
                hook["tool_input"],
                hook["hook_event_name"] == "PostToolUseFailure",
            )
            return {}

        hooks = {event: list(matchers) for event, matchers in (options.hooks or {}).items()}
        for event in ("PostToolUse", "PostToolUseFailure"):
            hooks.setdefault(event, []).append(HookMatcher(hooks=[after]))
        return dataclasses.replace(options, hooks=hooks)

    def calls(self, model: ScriptedModel) -> list[AgentCall]:
        told = model.results()
        calls = []
        for block in model.calls:
            ran_with, failed = self._ran.get(block["id"], ({}, False))
            result = told.get(block["id"])
            calls.append(
                AgentCall(
                    id=block["id"],
                    tool=block["name"],
                    input=block["input"],
                    ran=block["id"] in self._ran,
                    failed=failed,
                    ran_with=ran_with,
                    told=result.text if result else "",
                    is_error=bool(result and result.is_error),
                )
            )
        return calls
