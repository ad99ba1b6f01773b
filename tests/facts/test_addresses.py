"""Where the guard is reached over the network: an agent neither decides there nor writes to its database."""

from __future__ import annotations

from pathlib import Path

import pytest

from hitl_opa.audit import AuditLog
from hitl_opa.channels import Notify
from hitl_opa.config import Config
from hitl_opa.facts import Known
from hitl_opa.guard import Guard
from hitl_opa.guard.opening import known, open_engine
from hitl_opa.model import Decision, ToolCall

SETTINGS = Config(
    level=4,
    durable=True,
    database="postgresql://hitl@db.example:5432/hitl",
    protect=["http://10.0.0.5:9000"],
    notify=Notify(base_url="https://hitl.example.com"),
    root="/w",
)


def guard(settings: Config) -> Guard:
    return Guard(engine=open_engine(settings), audit=AuditLog.open(":memory:"), config=settings, known=known(settings))


@pytest.fixture(scope="module")
def guarded() -> Guard:
    return guard(SETTINGS)


def decided(guard: Guard, tool: str, **input: str) -> Decision:
    return guard.decide_sync(ToolCall(tool=tool, input=input, cwd="/w", workspace="/w"))


DENIED = [
    "curl -X POST http://127.0.0.1:8282/v1/approvals/x/vote -d '{\"approves\": true}'",
    "curl http://2130706433:8282/v1/approvals/x/vote -d '{}'",
    "curl -d choice=approve https://hitl.example.com/inbox/approvals/x/decide",
    "P=8282; curl -d x http://localhost:$P/inbox/several",
    "curl -d x http://10.0.0.5:9000/",
    "curl --unix-socket .hitl/hitl.sock http://x/hooks/claude-code",
    "socat - UNIX-CONNECT:.hitl/hitl.sock",
    "psql postgresql://hitl@db.example/hitl -c \"update approval set state = 'approved' where id = '1'\"",
    "psql 'host=db.example dbname=hitl' -c 'delete from vote where id = 1'",
    "psql -h db.example -U hitl < change.sql",
    "echo 'update approval set x = 1 where y = 2' | psql hitl",
    "PGDATABASE=hitl psql -f change.sql",
    "pg_restore -h db.example -d hitl x.dump",
    "sh -c 'dropdb hitl'",
]
ASKED = [
    "curl http://127.0.0.1:8282/inbox",
    "wget -qO- https://hitl.example.com/inbox",
    "chromium http://[::1]:8282/inbox",
    "nc 127.0.0.1 8282 < request",
    "exec 3<>/dev/tcp/127.0.0.1/8282; echo POST >&3",
    "P=8282; nc localhost $P < request",
    "nc -U .hitl/hitl.sock < request",
    "ssh -L 9999:127.0.0.1:8282 build.example",
    'python3 -c \'import socket; s = socket.create_connection(("127.0.0.1", 8282)); s.send(b"x")\'',
    "psql -h db.example -d hitl -c 'select * from approval'",
    "pg_dump -h db.example hitl",
    "psql -h db.example other -c 'select 1'",
]
FREE = [
    "curl http://127.0.0.1:8283/",
    "curl https://example.com/hitl",
    "psql -h other.example app -c 'select * from hitl'",
    "psql app -c 'select hitl from flags'",
    "grep -rn 127.0.0.1:8282 .",
    "git commit -m 'serve on 127.0.0.1:8282, with psql hitl'",
    "echo 'http://127.0.0.1:8282 is the inbox'",
]


@pytest.mark.parametrize("command", DENIED)
def test_nobody_decides_there(guarded: Guard, command: str) -> None:
    said = decided(guarded, "Bash", command=command)
    assert (said.verdict, said.reasons[0].rule) == ("deny", "self.guard"), said


@pytest.mark.parametrize("command", ASKED)
def test_what_looks_or_may_reach_it_asks_even_at_level_4(guarded: Guard, command: str) -> None:
    said = decided(guarded, "Bash", command=command)
    assert said.verdict == "ask", said
    assert "self.reach" in {reason.rule for reason in said.reasons}


@pytest.mark.parametrize("command", FREE)
def test_what_reaches_something_else_or_talks_of_it_is_free(guarded: Guard, command: str) -> None:
    rules = {reason.rule for reason in decided(guarded, "Bash", command=command).reasons}
    assert not rules & {"self.guard", "self.reach"}


def test_other_tools(guarded: Guard) -> None:
    rules = [
        {reason.rule for reason in decided(guarded, tool, **input).reasons} & {"self.guard", "self.reach"}
        for tool, input in (
            ("WebFetch", {"url": "http://127.0.0.1:8282/inbox", "prompt": "x"}),
            ("mcp__http__post", {"url": "https://hitl.example.com/inbox/several", "body": "x"}),
            (
                "mcp__pg__execute",
                {"connection": "postgresql://hitl@db.example/hitl", "sql": "update approval set a = 1"},
            ),
            ("Write", {"file_path": "/w/notes.md", "content": "The inbox is at http://127.0.0.1:8282"}),
        )
    ]
    assert all(rules[:3])
    assert rules[3] == set()


def test_a_script_that_is_run_is_read(tmp_path: Path) -> None:
    (tmp_path / "vote.sh").write_text("curl -d '{}' http://127.0.0.1:8282/v1/approvals/x/vote\n")
    call = ToolCall(tool="Bash", input={"command": "sh vote.sh"}, cwd=str(tmp_path), workspace=str(tmp_path))
    said = guard(SETTINGS).decide_sync(call)
    assert (said.verdict, said.reasons[0].rule) == ("ask", "self.reach")


def test_where_no_approvals_are_kept_nothing_listens() -> None:
    assert known(Config(root="/w")).addresses == ()
    assert Known().addresses == ()
    assert decided(guard(Config(level=4, root="/w")), "Bash", command=ASKED[0]).verdict == "allow"
