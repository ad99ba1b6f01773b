"""What in the options would let calls past the guard, each by name and with what to do instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hitl_opa.claude.confidence import SERVER
from hitl_opa.claude.fields import unknown_fields
from hitl_opa.claude.gate import Gate
from hitl_opa.claude.matching import NAMES
from hitl_opa.claude.settings import harmful, read_settings
from hitl_opa.model import PermissionMode

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions

TRUST = "pass trust_settings=True if nobody but you can change it"

HARMLESS_ARGS = frozenset(
    {
        *("debug", "debug-file", "debug-to-stderr", "verbose", "name", "replay-user-messages"),
        *("no-session-persistence", "no-chrome", "disable-slash-commands", "strict-mcp-config"),
        *("append-system-prompt", "exclude-dynamic-system-prompt-sections", "autocompact"),
    }
)
"""Command-line flags that bring nothing past the guard."""

NEUTRALISED = ("CLAUDE_CODE_SIMPLE", "CLAUDE_CODE_EVEN_MORE_DANGEROUSLY_SKIP_PERMISSIONS")
"""Environment variables that switch off hooks or checks of the CLI; `protect` empties inherited ones.

With CLAUDE_CODE_SIMPLE (or ``--bare``) the CLI takes SDK hooks and never calls them, whatever their
``on_failure``."""


def find_problems(options: ClaudeAgentOptions, cwd: str, *, trust_settings: bool, self_report: bool) -> list[str]:
    """One line for each, empty where the options can be guarded."""
    problems = [
        *_hooks(options),
        *_permissions(options),
        *_sources(options, cwd, trust_settings),
        *_session(options),
        *_process(options),
        *(f"{name}: this version of hitl-opa does not know the option" for name in unknown_fields(options)),
    ]
    servers = options.mcp_servers
    if self_report and not isinstance(servers, dict):
        problems.append("mcp_servers: self_report needs them as a dict, to add its own")
    if isinstance(servers, dict) and SERVER in servers:
        problems.append(f"mcp_servers[{SERVER!r}]: the name belongs to the guard's own server")
    return problems


def _hooks(options: ClaudeAgentOptions) -> list[str]:
    problems = []
    for event in ("PreToolUse", "PermissionRequest"):
        for matcher in (options.hooks or {}).get(event, []):
            if any(isinstance(getattr(h, "__self__", None), Gate) for h in matcher.hooks):
                return ["hooks: these options are protected already"]
            if matcher.matcher and matcher.matcher != "*" and not NAMES.fullmatch(matcher.matcher):
                try:
                    re.compile(matcher.matcher)
                except re.error as error:
                    problems.append(f"hooks[{event!r}]: matcher {matcher.matcher!r} would never match: {error}")
    return problems


def _permissions(options: ClaudeAgentOptions) -> list[str]:
    problems = []
    if options.can_use_tool is not None:
        problems.append(
            "can_use_tool: the CLI does not ask it about calls that the guard decides; if a human answers there, "
            "pass reviewer=CallbackReviewer(can_use_tool, name=...), else drop it"
        )
    if options.permission_prompt_tool_name:
        problems.append("permission_prompt_tool_name: a tool would answer in the reviewer's place; drop it")
    mode = options.permission_mode
    if mode is not None and mode not in list(PermissionMode):
        problems.append(f"permission_mode: {mode!r} is none of {', '.join(PermissionMode)}")
    return problems


def _sources(options: ClaudeAgentOptions, cwd: str, trusted: bool) -> list[str]:
    problems: list[str] = []
    try:
        keys = harmful(read_settings(options.settings, cwd))
    except (OSError, ValueError, TypeError) as error:
        return [f"settings: cannot be read: {error}"]
    if trusted:
        return problems
    if options.setting_sources:
        problems.append(
            f"setting_sources: {', '.join(options.setting_sources)} settings may bring hooks, MCP servers, and skills "
            f"whose commands no hook sees; {TRUST}"
        )
    if options.plugins:
        problems.append(f"plugins: they may bring hooks, MCP servers and skills; {TRUST}")
    problems += [f"settings[{key!r}]: it may bring something past the guard; {TRUST}" for key in keys]
    return problems


def _session(options: ClaudeAgentOptions) -> list[str]:
    if (options.resume or options.continue_conversation) and options.permission_mode == "dontAsk":
        name = "resume" if options.resume else "continue_conversation"
        return [
            f"{name}: with permission_mode='dontAsk' a call that was deferred could run before hooks are there; "
            "use the mode 'default' and no reviewer, which asks nobody either"
        ]
    return []


def _process(options: ClaudeAgentOptions) -> list[str]:
    problems = [
        f"extra_args[{flag!r}]: the flag may bring something past the guard; drop it"
        for flag in options.extra_args
        if flag not in HARMLESS_ARGS
    ]
    off = (name for name in NEUTRALISED if _set(options, name))
    problems += [f"env[{name!r}]: it switches off what the guard rests on" for name in off]
    return problems


def _set(options: ClaudeAgentOptions, name: str) -> bool:
    value: Any = options.env.get(name, "")
    return str(value).strip().lower() not in ("", "0", "false", "no", "off")
