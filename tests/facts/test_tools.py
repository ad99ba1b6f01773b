"""Built-in tools, MCP tools and functions end in the same effects as the shell."""

# ruff: noqa: E501  (tables read better a case a line)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hitl_opa.facts import read_facts
from hitl_opa.model import Facts, ToolCall

Read = Callable[..., Facts]


def acts(facts: Facts) -> list[tuple[str, str, str]]:
    return [(e.verb.value, e.target.type, e.target.place) for e in facts.effects]


def test_one_write_three_ways(facts_of: Read) -> None:
    ways = (
        facts_of({"file_path": ".env", "content": "x"}, "Write"),
        facts_of({"path": ".env", "content": "x"}, "mcp__fs__write_file"),
        facts_of("sh -c 'echo x > .env'"),
    )
    for facts in ways:
        assert acts(facts) == [("write", "path", "env-file")]
        assert facts.effects[0].target.real == "/home/dev/project/.env"
        assert [p.access for p in facts.paths] == ["write"]


@pytest.mark.parametrize(("tool", "arguments", "expected"), [
    ("Read", {"file_path": "a"}, ("read", "path", "workspace")), ("Edit", {"file_path": "/etc/sudoers", "old_string": "a", "new_string": "b"}, ("write", "path", "system-auth")),
    ("NotebookEdit", {"notebook_path": "a.ipynb", "new_source": ""}, ("write", "path", "workspace")), ("Glob", {"pattern": "*"}, ("read", "path", "workspace")),
    ("Grep", {"pattern": "x", "path": "/etc"}, ("read", "path", "root")), ("WebFetch", {"url": "http://169.254.169.254/", "prompt": ""}, ("receive", "host", "metadata")),
    ("WebSearch", {"query": "x"}, ("query", "remote", "service")), ("Agent", {"prompt": "x"}, ("delegate", "agent", "unknown")), ("Skill", {"skill": "x"}, ("delegate", "agent", "unknown")),
    ("AskUserQuestion", {"questions": []}, ("ask", "person", "unknown")), ("ExitPlanMode", {"plan": "x"}, ("ask", "person", "unknown")), ("KillShell", {"shell_id": "1"}, ("stop", "process", "own")),
    ("TodoWrite", {"todos": []}, ("read", "system", "info")), ("BashOutput", {"bash_id": "1"}, ("read", "system", "info")),
])  # fmt: skip
def test_built_in(tool: str, arguments: dict[str, Any], expected: tuple[str, str, str], facts_of: Read) -> None:
    facts = facts_of(arguments, tool)
    assert acts(facts) == [expected]
    assert not facts.opaque


@pytest.mark.parametrize("tool", ["Bash", "Read", "Write", "Edit", "WebFetch", "NotebookEdit"])
@pytest.mark.parametrize(
    "arguments", [{}, {"command": 1, "file_path": None, "url": []}, {"command": "", "file_path": "", "url": ""}]
)
def test_missing_fields_are_opaque(tool: str, arguments: dict[str, Any], facts_of: Read) -> None:
    facts = facts_of(arguments, tool)
    assert [o.kind for o in facts.opaque] == ["parse-error"]
    assert acts(facts) == [("execute", "code", "unknown")]


def test_leaving_the_sandbox_is_more_privilege(facts_of: Read) -> None:
    assert ("escalate", "system", "privilege") in acts(
        facts_of({"command": "ls", "dangerouslyDisableSandbox": True}, "Bash")
    )


def test_diff_counts_lines(facts_of: Read) -> None:
    diff = facts_of({"file_path": "a", "old_string": "1\n2\n", "new_string": "1"}, "Edit").diff
    assert (diff.path, diff.added, diff.removed) == ("a", 1, 2)
    edits = [{"old_string": "a", "new_string": "b\nc"}, {"old_string": "", "new_string": "d"}, 7]
    assert facts_of({"file_path": "a", "edits": edits}, "MultiEdit").diff.added == 3


@pytest.mark.parametrize(("tool", "arguments", "expected"), [
    ("get_order_details", {"order_id": "1"}, ("query", "remote", "service")), ("GmailSearchEmails", {"q": "x"}, ("query", "remote", "service")),
    ("GmailSendEmail", {"to": "a@b.c", "body": "x"}, ("send", "person", "unknown")), ("send_money", {"recipient": "x", "amount": 1}, None),
    ("delete_file", {"file_id": "1"}, ("delete", "remote", "service")), ("mcp__db__query", {"sql": "DROP TABLE users"}, ("delete", "database", "unknown")),
    ("mcp__db__query", {"query": "SELECT 1 FROM t"}, ("query", "database", "unknown")), ("mcp__sh__run_command", {"command": "rm -rf /"}, ("delete", "path", "root")),
    ("grant_access", {"user": "x"}, ("configure", "account", "remote")), ("update_user_password", {"user": "x"}, ("configure", "account", "remote")),
    ("deploy", {"environment": "prod"}, ("publish", "remote", "production")), ("mcp__fs__read_file", {"path": "/home/dev/.ssh/id_rsa"}, ("read", "path", "credentials")),
    ("mcp__web__fetch", {"url": "http://169.254.169.254"}, ("receive", "host", "metadata")), ("book_flight", {"id": 1}, ("spend", "account", "remote")),
    ("mcp__1password__get_item", {"item": "x"}, ("read", "secret", "unknown")), ("mcp__1password__list_items", {}, ("query", "remote", "service")),
])  # fmt: skip
def test_named_tools(
    tool: str, arguments: dict[str, Any], expected: tuple[str, str, str] | None, facts_of: Read
) -> None:
    found = acts(facts_of(arguments, tool))
    if expected is None:
        assert all(verb not in ("query", "read") for verb, _, _ in found)
    else:
        assert expected in found


def test_a_name_that_says_nothing_is_opaque(facts_of: Read) -> None:
    facts = facts_of({"x": 1}, "mcp__srv__frobnicate")
    assert [o.kind for o in facts.opaque] == ["unknown-program"]


def test_claims_are_passed_on_as_claims() -> None:
    call = ToolCall(
        tool="mcp__a__delete_all", input={}, annotations={"readOnlyHint": True, "destructiveHint": "no", "other": 1}
    )
    about, facts = read_facts(call)
    assert (about.kind, about.mcp.server, about.mcp.tool) == ("mcp", "a", "delete_all")
    assert about.mcp.claims.read_only.known
    assert about.mcp.claims.read_only.value
    assert not about.mcp.claims.destructive.known
    assert acts(facts) == [("delete", "remote", "service")]


def test_the_callers_word_is_in_the_document() -> None:
    assert read_facts(ToolCall(tool="x", input={}, claimed_risk="high"))[0].claimed_risk == "high"
