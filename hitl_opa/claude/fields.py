"""Every field of ClaudeAgentOptions, and what it means for the guard.

A new SDK version may add a field that lets calls past the guard; `protect` refuses one that is set
and not named here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions

KEPT = frozenset(
    {
        # what the model is told, and which model
        *("system_prompt", "model", "fallback_model", "betas", "thinking", "max_thinking_tokens", "effort"),
        *("output_format", "max_turns", "max_budget_usd", "task_budget"),
        # which tools there are: each call of them passes the PreToolUse hook
        *("tools", "disallowed_tools", "agents", "skills"),
        # where it runs, and what the host hears of it
        *("cwd", "add_dirs", "user", "stderr", "debug_stderr", "client_app"),
        *("include_partial_messages", "include_hook_events", "forward_subagent_text"),
        # what is kept of it
        *("session_id", "fork_session", "resume_session_at", "resume_drops_turn", "enable_file_checkpointing"),
        *("session_store", "session_store_flush", "load_timeout_ms"),
        # a stricter environment for commands; its auto-allow skips the CLI's dialog, not the hook
        "sandbox",
        # the SDK refuses at connect() a CLI that does not honour on_failure="block"
        "cli_path",
    }
)
"""Fields without a bearing on enforcement."""

CHANGED = frozenset(
    {
        "allowed_tools",
        "can_use_tool",
        "env",
        "hooks",
        "max_buffer_size",
        "mcp_servers",
        "setting_sources",
        "settings",
        "strict_mcp_config",
        "verbatim_prompts",
    }
)
"""Fields that `protect` sets, or refuses where what the user set cannot be kept."""

CHECKED = frozenset(
    {
        "continue_conversation",
        "extra_args",
        "permission_mode",
        "permission_prompt_tool_name",
        "plugins",
        "resume",
    }
)
"""Fields that `protect` keeps where they are harmless and refuses by name where they are not."""


def unknown_fields(options: ClaudeAgentOptions) -> list[str]:
    """Fields that are set and that nobody has classified."""
    known = KEPT | CHANGED | CHECKED
    return [f.name for f in dataclasses.fields(options) if f.name not in known and _is_set(options, f)]


def _is_set(options: ClaudeAgentOptions, field: dataclasses.Field[object]) -> bool:
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    else:
        return True
    return bool(getattr(options, field.name) != default)
