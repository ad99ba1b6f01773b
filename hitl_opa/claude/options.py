"""Options of the Claude Agent SDK whose every tool call passes a guard."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hitl_opa.claude.calls import Place
from hitl_opa.claude.confidence import SERVER, Confidences, ConfidenceSource, report_server
from hitl_opa.claude.desk import Desk
from hitl_opa.claude.gate import Gate
from hitl_opa.claude.own_hooks import OwnHooks
from hitl_opa.claude.problems import NEUTRALISED, find_problems
from hitl_opa.claude.servers import Servers, gated
from hitl_opa.claude.settings import always_ask, read_settings
from hitl_opa.claude.settled import Open
from hitl_opa.claude.transcripts import DatabaseSessionStore
from hitl_opa.errors import ConfigError, UnsafeOptions
from hitl_opa.guard.review import MAX_ROUNDS

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, HookMatcher, SessionStore

    from hitl_opa.guard import Guard
    from hitl_opa.model import Reviewer

MINIMUM_SDK = (0, 2, 187)
"""The first SDK whose hooks can block when they fail, and whose CLI this adapter was tried on."""

MARGIN = 5.0
"""Seconds that the CLI waits longer than the guard, which then denies with a reason of its own."""

LONGEST = 2_000_000.0
"""Seconds; the CLI counts in milliseconds of 31 bits."""

BUFFER = 64 * 1024 * 1024
"""Bytes. By default the SDK ends a session whose CLI sends more than 1 MiB at once; a large call is to be decided."""

NEVER = "hitl-opa: policy decides"
"""Content of an allow rule that matches no call: it makes a tool available and grants nothing."""


def protect(
    guard: Guard,
    options: ClaudeAgentOptions,
    *,
    reviewer: Reviewer | None = None,
    confidence: ConfidenceSource | None = None,
    self_report: bool = False,
    principal: str | None = None,
    trust_settings: bool = False,
    trust_prompts: bool = False,
    wait: float = 0.0,
    pause: bool = True,
) -> ClaudeAgentOptions:
    """New options, all of whose tool calls ``guard`` decides; ``options`` stay as they are.

    ``reviewer`` is the human who can be asked now (default: the guard's; none: the agent is
    unattended). ``confidence`` says how sure the agent is of a call; with ``self_report`` the model
    gets a tool to say so itself, which counts as unverified. ``principal`` is whom the agent works
    for (default: the login). ``trust_settings`` loads what ``setting_sources``, ``settings`` and
    ``plugins`` name: nobody but you may be able to change these files. ``trust_prompts`` lets the
    CLI expand ``@path`` and slash commands in prompts, which reads files that no policy sees.

    With durable approvals, a call that nobody has decided on waits in its hook for ``wait`` seconds.
    After that it is denied as pending and, with ``pause``, the agent's turn ends: `Guard.waiting` tells
    what the session waits for, and `hitl_opa.claude.resume` goes on with it. Where machines share the
    approvals (``database``), transcripts are kept beside them, unless ``session_store`` says where.

    The user's own hooks are kept: PreToolUse hooks run before policy, which decides on what they
    leave; what they deny is denied, what they allow is decided all the same. ``allowed_tools`` make
    tools available and grant nothing. In bypassPermissions the SDK warns that ``can_use_tool`` is
    shadowed: true, and the guard does not rest on it.

    Raises UnsafeOptions, naming each option that would let calls past the guard, or ConfigError.
    """
    _check_sdk()
    cwd = str(Path(options.cwd or ".").absolute())
    problems = find_problems(options, cwd, trust_settings=trust_settings, self_report=self_report)
    if problems:
        raise UnsafeOptions("these options cannot be guarded:\n" + "\n".join(f"  {line}" for line in problems))
    human = reviewer or guard.reviewer
    own = OwnHooks(_matchers(options, "PreToolUse"))
    limit = _limit(guard, own, attended=human is not None) + wait
    open = Open()
    servers = gated(_servers(options, self_report), open)
    place = Place(
        workspace=cwd,
        home=options.env.get("HOME") or str(Path.home()),
        principal=login() if principal is None else principal,
        unattended=human is None,
    )
    strict = options.strict_mcp_config or not trust_settings
    desk = Desk(
        guard,
        human,
        place,
        own,
        Confidences(confidence),
        Servers(servers),
        reports=self_report,
        strict=strict,
        wait=wait,
        pause=pause,
    )
    requests = _matchers(options, "PermissionRequest")
    gate = Gate(guard, desk, place, limit, _start(options, cwd), requests, open=open)
    return dataclasses.replace(
        options,
        hooks=_hooks(options, gate, limit),
        can_use_tool=gate.can_use_tool,
        allowed_tools=_available(options.allowed_tools),
        setting_sources=options.setting_sources if trust_settings and options.setting_sources else [],
        settings=_settings(options, cwd),
        mcp_servers=servers,
        session_store=_store(guard, options),
        session_store_flush="eager" if guard.approvals is not None else options.session_store_flush,
        strict_mcp_config=strict,
        max_buffer_size=options.max_buffer_size or BUFFER,
        verbatim_prompts=options.verbatim_prompts or not trust_prompts,
        env={**options.env, **dict.fromkeys(NEUTRALISED, "")},
    )


def _check_sdk() -> None:
    import claude_agent_sdk

    version = claude_agent_sdk.__version__
    if tuple(int(n) for n in re.findall(r"\d+", version)[:3]) < MINIMUM_SDK:
        wanted = ".".join(map(str, MINIMUM_SDK))
        raise ConfigError(f"claude-agent-sdk {version} cannot block a call when a hook fails; it takes {wanted}")


def _matchers(options: ClaudeAgentOptions, event: str) -> list[HookMatcher]:
    return list((options.hooks or {}).get(event, []))  # type: ignore[call-overload]


def _limit(guard: Guard, own: OwnHooks, *, attended: bool) -> float:
    """The longest that one call may take, in seconds: every round of decision and review, and a question's answers."""
    config = guard.config
    human = config.attended if attended else 0.0
    return min(own.seconds + MAX_ROUNDS * (config.deadline + human) + human + 1.0, LONGEST)


def _hooks(options: ClaudeAgentOptions, gate: Gate, limit: float) -> Any:
    """The guard's hooks, with the user's in them or beside them."""
    from claude_agent_sdk import HookMatcher

    kept = {
        event: list(matchers)
        for event, matchers in (options.hooks or {}).items()
        if event not in ("PreToolUse", "PermissionRequest")
    }
    ours = {
        "PreToolUse": HookMatcher(hooks=[gate.pre_tool_use], timeout=limit + MARGIN, on_failure="block"),
        "PermissionRequest": HookMatcher(hooks=[gate.permission_request]),
        "PostToolUse": HookMatcher(hooks=[gate.post_tool_use]),
        "PostToolUseFailure": HookMatcher(hooks=[gate.post_tool_use]),
        "Stop": HookMatcher(hooks=[gate.stop]),
        "SubagentStop": HookMatcher(hooks=[gate.stop]),
    }
    hooks = cast("dict[str, list[HookMatcher]]", kept)
    for event, matcher in ours.items():
        hooks[event] = [matcher, *hooks.get(event, [])]
    return hooks


def _available(allowed: list[str]) -> list[str]:
    """The entries as rules that match nothing: a tool that is named is offered, and nothing is granted.

    MCP tools are offered anyway.
    """
    tools = dict.fromkeys(entry.partition("(")[0].strip() for entry in allowed)
    return [f"{tool}({NEVER})" for tool in tools if tool and not tool.startswith("mcp__")]


def _settings(options: ClaudeAgentOptions, cwd: str) -> str | None:
    """The settings as they were when they were looked at, so that the file cannot change in between."""
    settings = read_settings(options.settings, cwd)
    if options.resume or options.continue_conversation:
        settings = always_ask(settings)
    return json.dumps(settings) if settings else None


def _start(options: ClaudeAgentOptions, cwd: str) -> dict[str, Any]:
    """What is known of the session before its first hook: a resumed one may ask before that."""
    return {
        "session_id": options.resume or options.session_id or "",
        "cwd": cwd,
        "permission_mode": options.permission_mode or "default",
    }


def _store(guard: Guard, options: ClaudeAgentOptions) -> SessionStore | None:
    """Where transcripts are kept besides: with the approvals, where machines share those."""
    shared = guard.approvals is not None and guard.config.database
    if options.session_store is not None or not shared or options.enable_file_checkpointing:  # not both, says the SDK
        return options.session_store
    return cast("SessionStore", DatabaseSessionStore(guard))


def _servers(options: ClaudeAgentOptions, self_report: bool) -> Any:
    if not self_report:
        return options.mcp_servers
    return {**cast("dict[str, Any]", options.mcp_servers), SERVER: report_server()}


def login() -> str:
    """Whose process this is."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid()) if hasattr(os, "getuid") else ""
