"""Files of calls, by whoever wrote them."""

from __future__ import annotations

import functools
import gzip
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hitl_opa import Guard, ToolCall
from hitl_opa.audit import AuditLog, Filter
from hitl_opa.audit.erasure import erase
from hitl_opa.audit.formats import opa_events, otel_logs
from hitl_opa.config import Config
from hitl_opa.errors import ConfigError
from hitl_opa.guard.opening import open_engine
from hitl_opa.model import PermissionMode, Session
from hitl_opa.replay import Recorded, Replay, summarise
from hitl_opa.replay.imports import Source, read
from hitl_opa.replay.reading import Reading
from hitl_opa.replay.recorded import ERASED
from hitl_opa.replay.reports import junit


@pytest.fixture
def full(log: AuditLog) -> AuditLog:
    """A record of three decisions, the last one erased."""
    guard = Guard(engine=open_engine(Config()), audit=log, config=Config(level=3))
    for number, command in enumerate(("ls", "rm -rf /", "echo gone")):
        session = Session(id=f"s{number}", agent_id="bot")
        guard.decide_sync(ToolCall(tool="Bash", input={"command": command}, cwd="/w", id=f"c{number}", session=session))
    erase(log, Filter(session="s2"), by="ann")
    return log


def written(tmp_path: Path, lines: Any) -> Path:
    path = tmp_path / "calls.jsonl"
    path.write_text("".join(line if line.endswith("\n") else f"{line}\n" for line in lines))
    return path


def found(path: Path, source: Source | None = None) -> list[Recorded]:
    items = list(read(path, source))
    assert all(isinstance(item, Recorded) for item in items)
    return [item for item in items if isinstance(item, Recorded)]


def test_an_export_an_opa_log_and_otel_logs_say_the_same(full: AuditLog, tmp_path: Path) -> None:
    by_export = found(written(tmp_path, full.export()))
    by_opa = found(written(tmp_path, opa_events(full.records())))
    by_otel = found(written(tmp_path, otel_logs(full.records())))
    for calls in (by_export, by_opa, by_otel):
        assert [json.loads(c.document)["call"]["input"]["command"] for c in calls[:2]] == ["ls", "rm -rf /"]
        assert [c.said.verdict for c in calls[:2] if c.said] == ["allow", "deny"]
        assert [c.said for c in calls[:2]] == [c.said for c in by_export[:2]]
        assert [c.id for c in calls] == [c.id for c in by_export]
        assert [(c.session, c.agent, c.tool) for c in calls[:2]] == [("s0", "bot", "Bash"), ("s1", "bot", "Bash")]
        assert [bool(c.document) for c in calls] == [True, True, False]
    assert by_export[2].why_not == by_otel[2].why_not == ERASED
    assert by_opa[2].why_not == "its input was erased or masked in the log"
    assert by_export[2].said == by_otel[2].said
    assert by_opa[2].said is None


def test_opa_logs_of_other_policies_and_masked_inputs(full: AuditLog, tmp_path: Path) -> None:
    event = json.loads(next(opa_events(full.records())))
    other = {**event, "path": "other/policy"}
    masked = {**event, "masked": ["/input/call/input"]}
    foreign = {**event, "input": {"user": "x"}}
    calls = found(written(tmp_path, map(json.dumps, [event, other, masked, foreign])))
    assert [c.why_not for c in calls] == [
        "",
        "its input was erased or masked in the log",
        "its input is no input document",
    ]


def test_one_json_value_is_a_file_too(full: AuditLog, tmp_path: Path) -> None:
    events = [json.loads(event) for event in opa_events(full.records())]
    path = tmp_path / "log.json"
    path.write_text(json.dumps(events, indent=2))
    assert len(found(path)) == 3
    path.write_text(json.dumps(events))
    assert len(found(path)) == 3


def test_spans_of_any_agent_that_carry_arguments(tmp_path: Path) -> None:
    def span(**attributes: Any) -> dict[str, Any]:
        about = [{"key": key.replace("__", "."), "value": value} for key, value in attributes.items()]
        return {"name": "execute_tool x", "spanId": "s", "attributes": about}

    tool = {"stringValue": "Bash"}
    values = [{"key": "command", "value": {"stringValue": "ls"}}, {"key": "n", "value": {"intValue": "3"}}]
    spans = [
        span(gen_ai__tool__name=tool, gen_ai__tool__call__arguments={"stringValue": '{"command":"ls"}'}),
        span(gen_ai__tool__name=tool, gen_ai__tool__call__arguments={"kvlistValue": {"values": values}}),
        span(gen_ai__tool__name=tool),
        span(gen_ai__tool__name=tool, gen_ai__tool__call__arguments={"stringValue": "no json"}),
        {"name": "chat", "attributes": []},
    ]
    request = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    one, two, *others = read(written(tmp_path, [json.dumps(request)]))
    assert isinstance(one, ToolCall)
    assert isinstance(two, ToolCall)
    assert (one.tool, one.input, two.input) == ("Bash", {"command": "ls"}, {"command": "ls", "n": 3})
    assert [o.why_not for o in others if isinstance(o, Recorded)] == [
        "its span has no arguments (gen_ai.tool.call.arguments)"
    ] * 2
    assert len(others) == 2


def entry(*blocks: dict[str, Any], **fields: Any) -> str:
    message = {"role": "assistant", "content": list(blocks)}
    return json.dumps({"type": "assistant", "sessionId": "s", "cwd": "/home/ada/p", "message": message, **fields})


def use(id: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "Bash", "input": given}


def test_a_transcript(tmp_path: Path) -> None:
    lines = [
        "// a comment that somebody put in\n",
        json.dumps({"type": "summary", "summary": "x"}),
        json.dumps({"type": "user", "permissionMode": "plan", "message": {"content": "hi"}}),
        entry({"type": "text", "text": "x"}, use("1", command="ls")),
        entry(use("1", command="ls"), use("2", command="pwd"), cwd="/home/ada/p/sub", isSidechain=True, agentId="a1"),
        json.dumps({"type": "user", "message": {"content": [{"type": "tool_result"}]}}),
        entry(use("3"), cwd="/Users/ada", sessionId="t"),
        entry({"type": "tool_use", "id": "4", "name": "Bash", "input": "junk"}, cwd=""),
    ]
    calls = [c for c in read(written(tmp_path, lines)) if isinstance(c, ToolCall)]
    assert [(c.id, c.tool, c.input.get("command")) for c in calls] == [
        ("1", "Bash", "ls"),
        ("2", "Bash", "pwd"),
        ("3", "Bash", None),
        ("4", "Bash", None),
    ]
    assert [(c.cwd, c.workspace, c.home) for c in calls[:3]] == [
        ("/home/ada/p", "/home/ada/p", "/home/ada"),
        ("/home/ada/p/sub", "/home/ada/p", "/home/ada"),
        ("/Users/ada", "/Users/ada", "/Users/ada"),
    ]
    assert [c.session.agent_id for c in calls] == ["", "a1", "", ""]
    assert calls[0].session.permission_mode is PermissionMode.PLAN


def test_a_directory_of_transcripts(tmp_path: Path) -> None:
    for name in ("b/x.jsonl", "a/y.jsonl"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(entry(use(name)))
    assert [c.id for c in read(tmp_path) if isinstance(c, ToolCall)] == ["a/y.jsonl", "b/x.jsonl"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"no \.jsonl file below"):
        list(read(tmp_path / "empty"))


def test_plain_calls(tmp_path: Path) -> None:
    (call,) = read(written(tmp_path, ['{"tool":"Bash","input":{"command":"ls"}}']))
    assert call == ToolCall(tool="Bash", input={"command": "ls"})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["nonsense"], "neither JSON nor JSON lines"),
        (['{"x":1}'], "nothing in it that is known"),
        (["[1]", "2"], "nothing in it that is known"),
        (['{"tool":"x"}', "nonsense"], ":2: not JSON"),
        (['{"tool":"x"}', '{"tool":7}'], r":2: nothing that a list of tool calls writes \(ValidationError"),
        (['{"leaf":{}}'], r":1: nothing that hitl-opa audit export writes \(KeyError"),
        (['{"resourceLogs":7}'], r":1: nothing that OpenTelemetry writes \(TypeError"),
        (['{"tool":"x","input":' + '{"a":' * 50_000], "neither JSON nor JSON lines"),
        (['{"tool":"x"}', '{"tool":"x","input":' + '{"a":' * 50_000], ":2: not JSON"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        list(read(written(tmp_path, lines)))


def test_what_gzip_packed_is_read_and_what_is_cut_off_is_named(tmp_path: Path) -> None:
    lines = b"".join(b'{"tool":"Bash","input":{"command":"ls %d"}}\n' % n for n in range(2000))
    file = tmp_path / "calls.jsonl.gz"
    file.write_bytes(gzip.compress(lines))
    assert len(list(read(file))) == len(list(read(tmp_path))) == 2000
    for damaged in (file.read_bytes()[:-20], file.read_bytes()[:200] + b"x" * 40, b"\x1f\x8b\xff"):
        file.write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"calls\.jsonl\.gz"):
            list(read(file))


def test_a_pipe_a_byte_order_mark_and_a_pipe_among_the_files(tmp_path: Path) -> None:
    call = {"tool": "Bash", "input": {"command": "ls"}}
    marked = tmp_path / "marked.jsonl"
    marked.write_bytes(b"\xef\xbb\xbf" + json.dumps(call).encode())
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert len(list(read(tmp_path))) == 1  # nobody writes to the pipe
    for text in (json.dumps(call), json.dumps([call], indent=1)):  # which cannot be opened again
        writing = threading.Thread(target=(tmp_path / "pipe.jsonl").write_text, args=(text,))
        writing.start()
        assert len(list(read(tmp_path / "pipe.jsonl"))) == 1
        writing.join()


def test_a_line_without_end_is_named_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[read.__module__], "_LONGEST", 1 << 20)
    file = tmp_path / "endless.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"tool":"Bash","input":{}}\n' + b" " * (1 << 22)))
    with pytest.raises(ConfigError, match=r"endless\.jsonl\.gz:2: longer than 1 MB"):
        list(read(file))


CLAUDE = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
RULES = {"key": "hitl.rules", "value": {"arrayValue": {"values": [{"stringValue": "r"}]}}}
SPAN: dict[str, Any] = {
    "name": "execute_tool x",
    "spanId": "a",
    "attributes": [
        {"key": "gen_ai.tool.name", "value": {"stringValue": "Bash"}},
        {"key": "gen_ai.tool.call.arguments", "value": {"stringValue": '{"command": "ls"}'}},
    ],
}
LOG = {"eventName": "hitl.decision", "attributes": [RULES], "body": {"stringValue": '{"input": {}, "result": {}}'}}
KNOWN: dict[str, dict[str, Any]] = {
    "claude": {"type": "assistant", "sessionId": "s", "cwd": "/w", "message": {"content": [CLAUDE]}},
    "opa": {
        "decision_id": "d",
        "path": "hitl/main/decision",
        "labels": {},
        "input": {},
        "result": {"verdict": "allow"},
    },
    "otel": {
        "resourceLogs": [{"scopeLogs": [{"logRecords": [LOG]}]}],
        "resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}],
    },
    "record": {
        "leaf": {"hitl": {"kind": "decision", "verdict": "allow", "rules": []}, "labels": {}},
        "payload": {"input": {}, "result": {"verdict": "allow"}},
    },
    "calls": {"tool": "Bash", "input": {"command": "ls"}},
}
NONSENSE = [None, -1, 1.5, "x", "\ud800", "9" * 5000, [], {}, [None], [[]], {"a": {"b": []}}, True, "\x1b[31m\0"]


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*way, key))


@pytest.mark.parametrize("source", list(KNOWN))
def test_nonsense_anywhere_is_replayed_or_named_with_its_line(tmp_path: Path, source: str) -> None:
    """Every value of a good file in turn becomes one of another kind: nothing but a ConfigError may come of it."""
    reading, replay = Reading(Config(audit=":memory:")), Replay(Asking())
    good = json.dumps(KNOWN[source])
    file = tmp_path / "log.jsonl"
    for *way, last in filter(None, places(KNOWN[source])):
        for nonsense in NONSENSE:
            value = json.loads(good)
            functools.reduce(lambda part, key: part[key], way, value)[last] = nonsense
            for text, line in ((f"{json.dumps(value)}\n", 1), (f"{good}\n{json.dumps(value)}\n", 2)):
                file.write_text(text)
                try:
                    said = junit(
                        summarise(replay.all(reading(i) if isinstance(i, ToolCall) else i for i in read(file))), set()
                    )
                except ConfigError as error:
                    said = str(error)
                known = "<?xml", f"{file}:{line}: n", f"{file}: nothing in it that is known"
                assert said.startswith(known), way


class Asking:
    """An engine that asks."""

    def evaluate_sync(self, document: bytes, entrypoint: str = "") -> bytes:
        return b'{"verdict":"ask","risk":"low","reasons":[{"rule":"x","verdict":"ask"}]}'


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        list(read(tmp_path / "missing"))


def test_what_wrote_it_can_be_said(tmp_path: Path) -> None:
    """Where the first line would be taken for something else."""
    line = json.dumps({"tool": "x", **json.loads(entry(use("1", command="ls")))})
    with pytest.raises(ConfigError, match="unknown field"):
        list(read(written(tmp_path, [line])))
    (call,) = read(written(tmp_path, [line]), Source.CLAUDE)
    assert isinstance(call, ToolCall)
    assert call.tool == "Bash"
