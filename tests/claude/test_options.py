"""What `protect` makes of options, and what it refuses by name."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import AgentDefinition, ClaudeAgentOptions, HookMatcher, create_sdk_mcp_server

from hitl_opa.claude import fields
from hitl_opa.claude.options import NEVER
from hitl_opa.errors import ConfigError, UnsafeOptions
from hitl_opa.guard import Guard
from hitl_opa.testing import ScriptedReviewer


async def hook(*_: Any) -> Any:
    return {}


async def permission(*_: Any) -> Any:
    return None


def test_every_field_of_the_sdk_is_classified() -> None:
    """A new SDK version with a new field fails here: look at it, then name it in claude/fields.py."""
    names = {field.name for field in dataclasses.fields(ClaudeAgentOptions)}
    groups = [fields.KEPT, fields.CHANGED, fields.CHECKED]
    assert set().union(*groups) == names
    assert sum(len(group) for group in groups) == len(names)


def test_kept_fields_are_kept(guard: Guard) -> None:
    options = ClaudeAgentOptions(
        model="m", agents={"a": AgentDefinition(description="d", prompt="p")}, sandbox={"enabled": True}, max_turns=3
    )
    protected = guard.protect(options)
    for name in fields.KEPT:
        assert getattr(protected, name) == getattr(options, name), name


def test_the_original_is_untouched(guard: Guard) -> None:
    options = ClaudeAgentOptions(
        hooks={"PreToolUse": [HookMatcher(hooks=[hook])], "Stop": [HookMatcher(hooks=[hook])]},
        allowed_tools=["Bash"],
        env={"A": "b"},
        mcp_servers={"x": create_sdk_mcp_server("x")},
    )
    before = copy.copy(options)
    hooks = {event: list(matchers) for event, matchers in (options.hooks or {}).items()}
    guard.protect(options, self_report=True)
    assert options == before
    assert options.hooks == hooks
    assert (options.allowed_tools, options.env, list(options.mcp_servers)) == (["Bash"], {"A": "b"}, ["x"])


def test_what_protect_sets(guard: Guard) -> None:
    protected = guard.protect(ClaudeAgentOptions(), reviewer=ScriptedReviewer())
    assert protected.setting_sources == []
    assert protected.strict_mcp_config
    assert protected.verbatim_prompts
    assert protected.can_use_tool is not None
    assert protected.env["CLAUDE_CODE_SIMPLE"] == ""
    (matcher,) = protected.hooks["PreToolUse"]  # type: ignore[index]
    assert (matcher.matcher, matcher.on_failure) == (None, "block")
    assert matcher.timeout is not None
    assert matcher.timeout > guard.config.attended + guard.config.deadline


def test_the_time_out_follows_who_is_there(guard: Guard) -> None:
    def timeout(**settings: Any) -> float:
        hooks: Any = guard.protect(ClaudeAgentOptions(**settings.pop("options", {})), **settings).hooks
        value: float = hooks["PreToolUse"][0].timeout
        return value

    alone = timeout()
    attended = timeout(reviewer=ScriptedReviewer())
    own: Any = {"PreToolUse": [HookMatcher(hooks=[hook], timeout=1000)]}
    assert alone < attended < timeout(reviewer=ScriptedReviewer(), options={"hooks": own})


def test_allowed_tools_are_available_and_grant_nothing(guard: Guard) -> None:
    allowed = ["Bash", "Bash(git:*)", "Glob", "Read()", "mcp__x__y", "mcp__x"]
    protected = guard.protect(ClaudeAgentOptions(allowed_tools=allowed))
    assert protected.allowed_tools == [f"{tool}({NEVER})" for tool in ("Bash", "Glob", "Read")]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"can_use_tool": permission}, "can_use_tool"),
    ({"permission_prompt_tool_name": "mcp__x__ask"}, "permission_prompt_tool_name"),
    ({"permission_mode": "yolo"}, "permission_mode"),
    ({"setting_sources": ["user"]}, "setting_sources"),
    ({"setting_sources": ["project", "local"]}, "setting_sources"),
    ({"plugins": [{"type": "local", "path": "/p"}]}, "plugins"),
    ({"settings": '{"hooks": {}}'}, "settings['hooks']"),
    ({"settings": '{"disableAllHooks": true}'}, "settings['disableAllHooks']"),
    ({"settings": '{"env": {}}'}, "settings['env']"),
    ({"settings": '{"enabledPlugins": {}}'}, "settings['enabledPlugins']"),
    ({"settings": '{"somethingNew": 1}'}, "settings['somethingNew']"),
    ({"settings": "no-such-file.json"}, "settings: cannot be read"),
    ({"settings": "{broken}"}, "settings: cannot be read"),
    ({"extra_args": {"dangerously-skip-permissions": None}}, "extra_args['dangerously-skip-permissions']"),
    ({"extra_args": {"bare": None}}, "extra_args['bare']"),
    ({"extra_args": {"settings": "{}"}}, "extra_args['settings']"),
    ({"extra_args": {"something-new": "1"}}, "extra_args['something-new']"),
    ({"env": {"CLAUDE_CODE_SIMPLE": "1"}}, "env['CLAUDE_CODE_SIMPLE']"),
    ({"mcp_servers": {"hitl": {"command": "x"}}}, "mcp_servers['hitl']"),
    ({"hooks": {"PreToolUse": [HookMatcher(matcher="(", hooks=[hook])]}}, "would never match"),
    ({"resume": "x", "permission_mode": "dontAsk"}, "resume"),
    ({"continue_conversation": True, "permission_mode": "dontAsk"}, "continue_conversation"),
]


@pytest.mark.parametrize(("given", "name"), REFUSED, ids=[name for _, name in REFUSED])
def test_what_would_bypass_is_refused_by_name(guard: Guard, given: dict[str, Any], name: str) -> None:
    with pytest.raises(UnsafeOptions) as caught:
        guard.protect(ClaudeAgentOptions(**given))
    assert name in str(caught.value)


def test_all_problems_are_named_at_once(guard: Guard) -> None:
    with pytest.raises(UnsafeOptions) as caught:
        guard.protect(ClaudeAgentOptions(can_use_tool=permission, setting_sources=["user"], extra_args={"bare": None}))
    for name in ("can_use_tool", "setting_sources", "bare"):
        assert name in str(caught.value)


def test_protecting_twice_is_refused(guard: Guard) -> None:
    with pytest.raises(UnsafeOptions, match="protected already"):
        guard.protect(guard.protect(ClaudeAgentOptions()))


def test_a_new_field_of_the_sdk_is_refused_when_set(guard: Guard) -> None:
    @dataclasses.dataclass
    class Newer(ClaudeAgentOptions):
        skip_everything: bool = False

    guard.protect(Newer())
    with pytest.raises(UnsafeOptions, match="skip_everything"):
        guard.protect(Newer(skip_everything=True))


def test_trusted_settings_are_kept(guard: Guard, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('\ufeff{"hooks": {}, "model": "m"}', encoding="utf-8")
    given = ClaudeAgentOptions(
        setting_sources=["project"], plugins=[{"type": "local", "path": "/p"}], settings="settings.json", cwd=tmp_path
    )
    protected = guard.protect(given, trust_settings=True)
    assert protected.setting_sources == ["project"]
    assert json.loads(protected.settings or "") == {"hooks": {}, "model": "m"}
    assert not protected.strict_mcp_config
    assert guard.protect(ClaudeAgentOptions(), trust_settings=True).setting_sources == []


def test_a_resumed_session_asks_about_every_call(guard: Guard) -> None:
    settings = '{"permissions": {"ask": ["WebFetch"], "deny": ["Bash"]}}'
    protected = guard.protect(ClaudeAgentOptions(resume="id", settings=settings))
    assert json.loads(protected.settings or "") == {"permissions": {"ask": ["WebFetch", "*"], "deny": ["Bash"]}}
    assert guard.protect(ClaudeAgentOptions()).settings is None


def test_an_old_sdk_is_refused(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_agent_sdk.__version__", "0.2.100")
    with pytest.raises(ConfigError, match=r"0\.2\.187"):
        guard.protect(ClaudeAgentOptions())


def test_self_report_needs_servers_as_a_dict(guard: Guard) -> None:
    with pytest.raises(UnsafeOptions, match="self_report"):
        guard.protect(ClaudeAgentOptions(mcp_servers="servers.json"), self_report=True)
    assert list(guard.protect(ClaudeAgentOptions(), self_report=True).mcp_servers) == ["hitl"]
