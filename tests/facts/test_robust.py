"""Nothing makes the reading crash, hang or say nothing about what it did not read."""

# ruff: noqa: E501  (tables read better a case a line)

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hitl_opa.errors import CallRefused
from hitl_opa.facts import read_facts
from hitl_opa.facts.data import load
from hitl_opa.model import Facts, ToolCall

PIECES = [
    "rm", "-rf", "/", "~", "x", "$X", "${X", "$(", ")", "`", "'", '"', "\\", "|", "&&", ";", "&", "\n", ">", "<<EOF", "EOF", "<<<", "{", "}", "(", "[[", "]]",
    "if", "then", "fi", "for", "in", "do", "done", "case", "esac", "function", "sudo", "sh", "-c", "eval", "git", "push", "curl", "http://a.b", "awk", "sed",
    "s/a/b/e", "python3", "xargs", "find", "-exec", "{}", "+", "*", "?", "!", "#", "=", "A=1", "\x00", "\u00e9", "\ue07b", "\U0001f600", "docker run", "psql -c", "make",
]  # fmt: skip
SCRIPTS = st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join) | st.text(max_size=200)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


read_facts(ToolCall(tool="Bash", input={"command": "python3 -c 1; ls *"}, cwd="/"))  # the first call loads the data


def document(tool: str, arguments: dict[str, Any], **where: str) -> Facts | None:
    try:
        about, facts = read_facts(ToolCall(tool=tool, input=arguments, **where))
    except CallRefused:
        return None
    msgspec.json.encode([about, facts])
    return facts


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(SCRIPTS, st.sampled_from(["", "/", "/home/dev/project", "relative"]), st.sampled_from(["", "/home/dev"]))
def test_any_script_gives_a_document(script: str, cwd: str, home: str) -> None:
    document("Bash", {"command": script}, cwd=cwd, home=home)


@settings(max_examples=300)
@given(st.sampled_from([*sorted(load().tools), "mcp__a__b", "send_email", "run_sql", ""]), st.dictionaries(
    st.sampled_from(["command", "file_path", "path", "url", "query", "code", "edits", "notebook_path", "to", "amount"]), JSON, max_size=5))  # fmt: skip
def test_any_input_gives_a_document(tool: str, arguments: dict[str, Any]) -> None:
    document(tool, arguments, cwd="/home/dev/project")


@settings(max_examples=200)
@given(
    st.sampled_from(
        ["python3 -c", "node -e", "perl -e", "ruby -e", "awk", "sed", "psql -c", "php -r", "pwsh -c", "make --eval"]
    ),
    st.text(max_size=120),
)
def test_any_inline_code_gives_a_document(program: str, code: str) -> None:
    import shlex

    document("Bash", {"command": f"{program} {shlex.quote(code)}"})


HUGE = {
    "one long word": "echo " + "x" * 1_000_000,
    "many commands": "ls;" * 40_000,
    "many operands": "rm " + " ".join(f"f{i}" for i in range(20_000)) + " /",
    "deep substitutions": "echo " + "$(" * 10_000 + "ls" + ")" * 10_000,
    "deep subshells": "(" * 10_000 + "ls" + ")" * 10_000,
    "deep blocks": "{ " * 10_000 + "ls" + "; }" * 10_000,
    "long list": "ls && " * 20_000 + "ls",
    "long pipeline": "ls | " * 15_000 + "ls",
    "nested sudo": "sudo " * 20_000 + "ls",
    "loops in loops": "for i in {1..200}; do for j in {1..200}; do for k in {1..200}; do rm $i$j$k; done; done; done",
    "evaluating itself": "a='eval $a; eval $a'; eval $a",
    "scripts running themselves": "echo 'sh ./x; sh ./x' > x; sh ./x",
    "functions in functions": "".join(f"f{i}(){{ f{i + 1}; f{i + 1}; }}; " for i in range(60)) + "f0",
}


@pytest.mark.parametrize("name", HUGE)
def test_too_much_is_said_and_quick(name: str) -> None:
    start = time.perf_counter()
    facts = document("Bash", {"command": HUGE[name]}, cwd="/home/dev/project")
    assert facts is not None
    assert "too-large" in {o.kind for o in facts.opaque}
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("code", [
    "awk '" + "system(" * 9_000 + "'", "node -e '" + "exec(" * 5_000 + "'", "psql -c '" + "select 1;" * 3_000 + "'", "pwsh -c '" + "\"`" * 20_000 + "'",
    "psql -c '" + "copy " * 6_000 + "'", "sed '" + "s/a/b/;" * 5_000 + "'", "rm " + "{a,b}" * 30, "a=xxxxxxxxxx;" + "a=$a$a$a$a;" * 30 + "echo $a",
    "cat " + "*a" * 1_500, "python3 -c '" + "(" * 5_000 + "'", "'" * 90_000, "\\" * 90_000,
])  # fmt: skip
def test_awkward_text_is_read_in_bounded_time(code: str) -> None:
    start = time.perf_counter()
    document("Bash", {"command": code}, cwd="/home/dev/project")
    assert time.perf_counter() - start < 5


def test_what_no_document_holds_is_refused() -> None:
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    for arguments in ({"command": "echo \ud800"}, {"a": deep}, {"a": object()}, {"a": "x" * 5_000_000}):
        with pytest.raises(CallRefused):
            read_facts(ToolCall(tool="Bash", input=arguments))
    with pytest.raises(CallRefused):
        read_facts(ToolCall(tool="", input={}))
    with pytest.raises(CallRefused):
        read_facts(ToolCall(tool="Bash", input={"command": "ls"}, cwd="/a\0b"))


def test_nul_bytes_are_said(facts_of: Callable[..., Facts]) -> None:
    assert "parse-error" in {o.kind for o in facts_of("ls\0 -la").opaque}


@pytest.mark.parametrize("code", ["not " * 6_000 + "1", "lambda:" * 6_000 + "1", "1 if 1 else " * 5_000 + "1", "-+" * 6_000 + "1", "1**-" * 6_000 + "1"])  # fmt: skip
def test_python_that_nests_too_deeply_is_not_parsed(code: str) -> None:
    """CPython's parser would end the process in a thread with a small stack, as other systems give."""
    size = threading.stack_size(512 * 1024)
    kinds: list[set[str]] = []

    def read() -> None:
        facts = document("Bash", {"command": f"python3 -c '{code}'"})
        kinds.append({o.kind for o in facts.opaque} if facts is not None else set())

    try:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
    assert kinds == [{"too-large"}]
