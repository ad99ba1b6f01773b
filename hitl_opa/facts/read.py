"""One call to its facts: checks the input, then hands it to whoever knows the tool."""

from __future__ import annotations

from typing import Any

import msgspec

from hitl_opa.errors import CallRefused
from hitl_opa.facts import mcp, secrets
from hitl_opa.facts.addresses import Addresses
from hitl_opa.facts.data import Act, Tool, load
from hitl_opa.facts.ledger import Ledger
from hitl_opa.facts.paths import Paths
from hitl_opa.facts.shell.frame import UNREAD, Frame
from hitl_opa.facts.shell.interpret import Shell
from hitl_opa.facts.shell.words import Word
from hitl_opa.model import CallFacts, DiffFact, Facts, ToolCall

MAX_INPUT = 4_194_304  # bytes of the input as JSON
MAX_DEPTH = 64  # nesting of the input
MAX_NAME = 256


def read_call(
    call: ToolCall,
    protected: tuple[str, ...],
    pinned: frozenset[str],
    trusted: frozenset[str],
    branches: tuple[str, ...],
    own: Addresses,
) -> tuple[CallFacts, Facts]:
    _check(call)
    paths = Paths(cwd=call.cwd, workspace=call.workspace, home=call.home, protected=protected, claude=call.claude)
    ledger = Ledger(paths, pinned=pinned, protected_branches=branches, own=own)
    shell = Shell(ledger, paths.home)
    frame = Frame(paths.cwd)
    frame.positional = []
    tool = load().tools.get(call.tool)
    if tool is None:
        kind = "mcp" if call.tool.startswith("mcp__") else "function"
        mcp.read_tool(ledger, shell, frame, call.tool, call.input)
        ledger.text(str(call.input))
    else:
        kind = tool.kind
        _built_in(ledger, shell, frame, call, tool)
    facts = ledger.facts()
    found = secrets.facts(call.input)
    if found:
        facts = msgspec.structs.replace(facts, secrets=found)
    return CallFacts(
        id=call.id,
        tool=call.tool,
        kind=kind,
        input=call.input,
        mcp=mcp.identity(call.tool, call.annotations, trusted),
        claimed_risk=call.claimed_risk,
    ), facts


def _check(call: ToolCall) -> None:
    """Refuses what no document can hold: lone surrogates, foreign types, bottomless nesting, too much."""
    try:
        encoded = msgspec.json.encode(
            [call.tool, call.id, call.cwd, call.workspace, call.home, call.claude, call.input, call.annotations]
        )
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError) as e:
        raise CallRefused(f"the call is no JSON document: {type(e).__name__}") from e
    if len(encoded) > MAX_INPUT:
        raise CallRefused(f"the call's input is {len(encoded)} bytes; at most {MAX_INPUT} are read")
    if len(encoded) > MAX_DEPTH and encoded.count(b"[") + encoded.count(b"{") > MAX_DEPTH:
        _check_depth(call.input)
        _check_depth(call.annotations)
    if not call.tool or len(call.tool) > MAX_NAME:
        raise CallRefused("the call names no tool")
    for name, path in (("cwd", call.cwd), ("workspace", call.workspace), ("home", call.home), ("claude", call.claude)):
        if "\0" in path:
            raise CallRefused(f"{name} holds a NUL byte")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list | tuple):
                below.extend(item)
        if not below:
            return
        level = below
    raise CallRefused(f"the call's input is nested more than {MAX_DEPTH} levels")


def _built_in(ledger: Ledger, shell: Shell, frame: Frame, call: ToolCall, tool: Tool) -> None:
    title = call.tool
    for field in tool.need:
        if not isinstance(call.input.get(field), str) or not call.input[field]:
            ledger.opaque("parse-error", f"{title} without {field}", title)
            ledger.effect("execute", "code", title, place="unknown", via=title)
            return
    for act in tool.does:
        _act(ledger, shell, frame, act, Word("."), title)
    used = False
    for field, acts in tool.fields.items():
        value = call.input.get(field)
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            ledger.opaque("parse-error", f"{title}: {field} is not text", title)
            continue
        used = True
        for act in acts:
            _act(ledger, shell, frame, act, Word(value.replace("\0", ""), field == "glob"), title)
        if "\0" in value:
            ledger.opaque("parse-error", f"{title}: {field} holds a NUL byte", title)
    if not used:
        for act in tool.bare:
            _act(ledger, shell, frame, act, Word("."), title)
    if tool.kind == "shell" and call.input.get("dangerouslyDisableSandbox") is True:
        ledger.effect("escalate", "system", "sandbox", place="privilege", via=title, traits=("disable-security",))
    if tool.kind == "file":
        ledger.diff = _diff(call.input)


def _act(ledger: Ledger, shell: Shell, frame: Frame, act: Act, word: Word, title: str) -> None:
    if act.kind == "path":
        shell.path(act.verb, word, frame, via=title, traits=act.traits)
    elif act.kind == "url":
        ledger.url(act.verb, word.text, via=title, traits=act.traits)
    elif act.kind == "run" and act.type == "shell":
        shell.script(word.text, frame, UNREAD, via="")
    elif act.kind == "run":
        from hitl_opa.facts.code import read_code

        read_code(shell, frame, act.place, word, UNREAD, title)
    elif act.kind == "effect":
        ledger.effect(
            act.verb, act.type, "" if word.text == "." else word.text, place=act.place, via=title, traits=act.traits
        )


def _diff(arguments: dict[str, Any]) -> DiffFact:
    path = next((arguments[k] for k in ("file_path", "notebook_path") if isinstance(arguments.get(k), str)), "")
    edits = arguments.get("edits")
    pairs = [e for e in edits if isinstance(e, dict)] if isinstance(edits, list) else [arguments]
    added = removed = 0
    for pair in pairs:
        new = next((pair[k] for k in ("new_string", "content", "new_source") if isinstance(pair.get(k), str)), "")
        old = pair["old_string"] if isinstance(pair.get("old_string"), str) else ""
        added += _lines(new)
        removed += _lines(old)
    return DiffFact(path=path, added=added, removed=removed)


def _lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n")) if text else 0
