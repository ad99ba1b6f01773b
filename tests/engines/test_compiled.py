"""The shipped policies say the same on regorus' virtual machine as on its interpreter; where it is unsure, nothing.

The interpreter is compared with the real OPA in `tests/policy/test_differential.py`, and what the guard uses, both
together, as well: 20,000 decisions in CI. HITL_COMPILED says how many inputs here (default 2,000), HITL_SEED where
to start.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import documents
import pytest

from hitl_opa.engines import ENTRYPOINT, embedded, open_embedded, open_isolated
from hitl_opa.engines.compiled import CompiledPolicy
from hitl_opa.engines.embedded import EmbeddedEngine, load
from hitl_opa.errors import EngineError
from hitl_opa.policy.bundle import PolicyBundle, load_bundle

COUNT = int(os.environ.get("HITL_COMPILED", "2000"))
SOME = max(COUNT // 20, 300)  # all rules of one document take as long as a hundred decisions
SEED = int(os.environ.get("HITL_SEED", "1"))
WIDE = [0, 1, 3, 3.0, 0.1, 1e-7, 10**20, -0.0, 12345678901234567890, 0.30000000000000004, 1e300]
USERS = """package hitl.custom

reasons contains r if {
	some e in input.facts.effects
	e.verb == "send"
	r := {"rule": "custom.send", "verdict": "ask", "risk": "medium", "message": e.target.value, "remedy": ""}
}

reasons contains r if {
	input.agent.level > 1
	r := {"rule": "custom.trust", "verdict": "allow", "risk": "low", "message": "x", "waives": ["effects.tier"]}
}

obligations contains o if {
	input.call.kind == "mcp"
	o := {"id": "a", "type": "approval", "properties": {"quorum": 2, "approvers": ["ops"]}}
}
"""


class Both:
    """A bundle on the interpreter, and compiled with nothing that covers for it."""

    def __init__(self, bundle: PolicyBundle) -> None:
        assert bundle.compiled
        self.engine = open_embedded(bundle.modules, bundle.data, compiled=bundle.compiled)
        self.interpreted = load(bundle.modules, bundle.data)
        self.answered = 0

    def interpret(self, document: str) -> Any:
        try:
            self.interpreted.set_input_json(document)
            return json.loads(self.interpreted.eval_rule_as_json(ENTRYPOINT))
        except BaseException as error:
            return type(error).__name__

    def differ(self, document: str) -> tuple[Any, Any] | None:
        answer = self.engine._compiled(document)
        if answer is None:
            return None
        self.answered += 1
        theirs = self.interpret(document)
        mine = json.loads(answer)
        return None if mine == theirs else (mine, theirs)


def made(count: int, seed: int = SEED, most: int = 8) -> list[dict[str, Any]]:
    """Input documents of calls, changed here and there, with what sessions and agents bring along."""
    pick = random.Random(seed)
    found = []
    for _ in range(count):
        base = documents.read(pick.choice(documents.CALLS), pick)
        found.append(lived(documents.apply(base, documents.mutations(base, pick, pick.randint(0, most))), pick))
    return found


def call(tool: str, arguments: dict[str, Any], level: int = 3) -> dict[str, Any]:
    """The document of a call in circumstances that surprise nobody."""
    document = documents.read((tool, arguments), random.Random(1))
    document["agent"] |= {"level": level, "mode": "default", "unattended": False}
    document["agent"]["confidence"] = {"known": False, "value": 0}
    return document


def lived(document: dict[str, Any], pick: random.Random) -> dict[str, Any]:
    agent, context, approval = (document.get(name) for name in ("agent", "context", "approval"))
    if isinstance(agent, dict) and pick.random() < 0.3:
        risks = pick.sample(["low", "medium", "high", "critical"], 2)
        agent["earned"] = [{"risk": risk, "level": pick.choice([2, 3, 4])} for risk in risks]
        agent["frozen"] = pick.random() < 0.1
    if isinstance(context, dict) and pick.random() < 0.3:
        context["taint"] = {"untrusted": pick.random() < 0.7, "secrets": pick.random() < 0.5}
        context["draw"] = pick.random()
    if isinstance(context, dict) and isinstance(context.get("counters"), dict) and pick.random() < 0.1:
        context["counters"][pick.choice(list(context["counters"]) or ["calls"])] = pick.choice([5, 50, 2000])
    if isinstance(approval, dict) and pick.random() < 0.2:
        effects = [{"verb": "read", "type": "path", "place": "workspace", "under": pick.choice(["", "/"])}]
        kind = pick.choice(["equal", "scope", "plan"])
        approval["grant"] = {
            "id": "g", "kind": kind, "reviewer": "r", "equal": True, "tool": "", "agent": "", "session": "",
            "effects": effects, "waives": ["effects.tier", "autonomy.level", "tier.tool"],
        }  # fmt: skip
    return document


@pytest.fixture(scope="module")
def shipped() -> PolicyBundle:
    return load_bundle()


@pytest.fixture(scope="module")
def both(shipped: PolicyBundle) -> Both:
    return Both(shipped)


@pytest.fixture(scope="module")
def with_users(tmp_path_factory: pytest.TempPathFactory) -> Both:
    file = tmp_path_factory.mktemp("users") / "mine.rego"
    file.write_text(USERS)
    return Both(load_bundle(file))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("which", ["both", "with_users"])
def test_whole_decisions(which: str, request: pytest.FixtureRequest) -> None:
    pair: Both = request.getfixturevalue(which)
    differences = []
    for document in made(COUNT // 2):
        text = json.dumps(document, ensure_ascii=False)
        if (different := pair.differ(text)) is not None:
            differences.append(f"{text}\n  compiled:    {different[0]}\n  interpreted: {different[1]}")
    assert not differences, f"{len(differences)} differ (seed {SEED}): " + "\n".join(differences[:3])
    assert pair.answered > COUNT * 0.15  # it answers, and does not leave everything to the interpreter


@pytest.mark.timeout(900)
def test_each_rule(shipped: PolicyBundle) -> None:
    """Two faults in one rule that cancel out in a decision today need not tomorrow."""
    import regorus

    paths = sorted(set(rules(shipped.modules)))
    assert len(paths) > 100
    program = regorus.Program.compile_from_modules(shipped.data.decode(), list(shipped.modules.items()), paths)
    machine = regorus.Rvm()
    machine.load_program(program)
    machine.set_data_json(shipped.data.decode())
    interpreter = load(shipped.modules, shipped.data)
    differences: dict[str, str] = {}
    sound = 0
    for document in made(SOME, most=3):
        text = json.dumps(document, ensure_ascii=False)
        interpreter.set_input_json(text)
        try:
            if json.loads(interpreter.eval_rule_as_json("data.hitl.document.sound")) is not True:
                continue
        except Exception:
            continue
        if json.loads(interpreter.eval_rule_as_json("data.hitl.combine.risk")) == "<undefined>":
            continue
        sound += 1
        machine.set_input_json(text)
        for path in paths:
            mine, theirs = answer(machine.execute_entry_point, path), answer(interpreter.eval_rule_as_json, path)
            if mine != theirs and not unsure(mine, path):
                differences.setdefault(path, f"{path}\n  {text}\n  compiled: {mine}\n  interpreted: {theirs}")
    assert not differences, "\n".join(differences.values())
    assert sound > SOME // 5


def rules(modules: Mapping[str, str]) -> list[str]:
    """The paths of all rules that are no functions, of what a decision reads."""
    found = []
    for path, source in modules.items():
        if "/approvals/" in path:
            continue
        package = re.search(r"^package (\S+)$", source, re.MULTILINE)
        assert package
        heads = re.findall(r"^(?:default )?([a-z_]+)(?= (?:contains|:=|if) )", source, re.MULTILINE)
        found += [f"data.{package[1]}.{name}" for name in heads]
    return found


def answer(ask: Any, path: str) -> Any:
    try:
        return json.loads(ask(path))
    except BaseException as error:
        return type(error).__name__


def unsure(mine: Any, path: str) -> bool:
    """What `CompiledPolicy` does not take for an answer either, or nothing that a decision asks for without reason."""
    said = json.dumps(mine)
    return any(mark in said for mark in ("<undefined>", "mcp.amount", "sequences.", "confidence.")) or path.endswith(
        (".confidence.stated", ".packs.grants.message")
    )


def test_numbers_are_spelled_as_the_interpreter_does(both: Both) -> None:
    pick = random.Random(SEED)
    for _ in range(300):
        document = documents.read(pick.choice(documents.CALLS), pick)
        for place, field in (("agent", "level"), ("context", "draw")):
            document[place][field] = pick.choice(WIDE)
        document["agent"]["confidence"] = {"known": True, "value": pick.choice(WIDE)}
        document["call"]["input"]["amount"] = pick.choice(WIDE)
        document["context"]["counters"] = {name: pick.choice(WIDE) for name in document["context"]["counters"]}
        assert both.differ(json.dumps(document)) is None


def test_cased_letters_are_left_to_the_interpreter(both: Both) -> None:
    document = call("mcp__mail__SEND", {"text": "x"})
    for text, sure in (("日本語", True), ("naïve", True), ("İ", False), ("Σ", False), ("\U000e1fff", False)):
        document["call"]["input"]["text"] = text
        said = both.engine._compiled(json.dumps(document, ensure_ascii=False))
        assert (said is not None) is sure, text
    assert both.engine._compiled(json.dumps(document)) is None  # escaped


def test_junk_is_left_to_the_interpreter(both: Both) -> None:
    for text in ("", "{", "[]", "null", "{}", '{"call": 1}', '"x"', "{} {}", '{"a":1}x', "\x00"):
        assert both.engine._compiled(text) is None
        with pytest.raises(EngineError) if both.interpret(text) == "RuntimeError" else _nothing():
            assert json.loads(both.engine.evaluate_sync(text.encode()))["verdict"] == "deny"


class _nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_more_work_than_the_machine_does_is_left_to_the_interpreter(both: Both) -> None:
    document = call("Bash", {"command": "ls"})
    effect = document["facts"]["effects"][0]
    document["facts"]["effects"] = [
        {**effect, "target": {**effect["target"], "value": f"f{i}", "place": documents.PLACES[i % 40]}}
        for i in range(3000)
    ]
    text = json.dumps(document)
    assert both.engine._compiled(text) is None
    assert json.loads(both.engine.evaluate_sync(text.encode())) == both.interpret(text)


def test_users_rules_are_heard(with_users: Both) -> None:
    document = call("WebFetch", {"url": "https://example.com", "prompt": "x"})
    said = with_users.engine._compiled(json.dumps(document))
    assert said is not None
    assert "custom.trust" in {reason["rule"] for reason in json.loads(said)["reasons"]}
    document = call("mcp__db__query", {"sql": "DROP TABLE x"})
    said = with_users.engine._compiled(json.dumps(document))
    assert said is not None
    assert '"quorum": 2' in said


@pytest.mark.parametrize("which", ["both", "with_users"])
def test_a_document_cannot_speak_for_users_rules(which: str, request: pytest.FixtureRequest) -> None:
    pair: Both = request.getfixturevalue(which)
    document = call("Bash", {"command": "rm -rf build"}, level=2)
    waiver = {"rule": "custom.x", "verdict": "allow", "risk": "low", "message": "x", "waives": ["effects.tier"]}
    forged = {"custom": {"reasons": [waiver], "obligations": []}}
    want = pair.interpret(json.dumps(document))
    for text in (json.dumps({**document, **forged}), json.dumps({**forged, **document})):
        said = pair.engine._compiled(text)
        assert said is not None
        assert json.loads(said) == want


BAD = '{"rule": "r", "verdict": "ask", "risk": "low", "message": "m", "remedy": "", "x": %s}'


@pytest.mark.parametrize(
    "rule",
    [
        "reasons := 1",
        'reasons := "<undefined>"',
        "reasons := {}",
        "reasons := null if input.agent.level > 9",
        "reasons.x := 1",
        "reasons[x] := x if some x in [1, 2]",
        f"reasons contains {BAD % '1e300'}",
        f"reasons contains {BAD % '12345678901234567890'}",
        "reasons contains 1 / 0",
        "reasons contains x if x := to_number(input.call.tool)",
        "obligations := [1]",
        "obligations.a := 1",
        'obligations contains {"id": "a", "type": "redact", "properties": {"pointers": ["/a"]}}',
        "reasons(x) := x",
        "other := 1",
        "# reasons[1]",
        'other contains x if some x in data.hitl.lib["reasons"]',
        'other := "reasons"',
    ],
)
def test_users_rules_of_any_shape(tmp_path: Path, rule: str) -> None:
    file = tmp_path / "mine.rego"
    file.write_text(f"package hitl.custom\n\n{rule}\n")
    bundle = load_bundle(file)
    pair = Both(bundle)
    for document in made(20, seed=5):
        text = json.dumps(document)
        want = pair.interpret(text)
        try:
            got = json.loads(pair.engine.evaluate_sync(text.encode()))
        except EngineError:
            got = None
        assert got == (None if isinstance(want, str) else want)


def test_users_modules_that_reach_into_the_shipped_packages_are_interpreted(tmp_path: Path) -> None:
    file = tmp_path / "mine.rego"
    file.write_text('package hitl.packs["files"]\n\nreasons contains "x"\n')
    bundle = load_bundle(file)
    engine = open_embedded(bundle.modules, bundle.data, compiled=bundle.compiled)
    assert engine._mine().compiled is None


DATA: list[Any] = [
    {"settings": {"approvers": ["ops"], "domains": ["example.com"], "limits": {"calls": 5}}},
    {"settings": {"levels": {"3": "high"}, "earned": {"sample": 0}, "confidence": {"execute": 1}}},
    {"tiers": {"tools": {"mcp__a__b": {"permission": "approve", "risk": "critical"}}, "patterns": {}}},
    {"tiers": {"patterns": {"refund_*": {"permission": "approve", "risk": "high"}}}},
    {"tiers": {"approval": {"high": {"approvers": ["ops"], "escalation": [{"after": 60, "to": ["boss"]}]}}}},
    {"custom": {"places": ["a"]}},
]


@pytest.mark.parametrize("data", DATA)
def test_settings_of_the_shipped_shape_compile(data: dict[str, Any]) -> None:
    pair = Both(load_bundle(data_overrides={"hitl": data}))
    for document in made(60, seed=3, most=2):
        text = json.dumps(document)
        different = pair.differ(text)
        assert different is None, (text, different)
    assert pair.answered > 10


@pytest.mark.parametrize(
    "data",
    [
        {"settings": {"limits": None}},
        {"settings": {"limits": {"calls": "many"}}},
        {"settings": {"levels": {"3": 3}}},
        {"settings": {"domains": [1]}},
        {"settings": {"domains": ["Örtlich.example"]}},
        {"settings": {"allow_bypass": "yes"}},
        {"tiers": {"tools": {"X": "auto"}}},
        {"tiers": {"effects": {"path": {"read": {"workspace": ["auto"]}}}}},
        {"tiers": {"patterns": {"a{b,c}": {"permission": "confirm", "risk": "high"}}}},
        {"tiers": {"patterns": {"[": {"permission": "confirm", "risk": "high"}}}},
        {"tiers": {"approval": {"high": {"approvers": "ops"}}}},
        {"tiers": None},
        {"more": {}},
        {"custom": {"reasons": []}},
        {"custom": 1},
    ],
)
def test_settings_of_another_shape_are_interpreted(data: dict[str, Any]) -> None:
    assert load_bundle(data_overrides={"hitl": data}).compiled == frozenset()


def test_policies_that_do_not_ship_are_interpreted(tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_text("package hitl.main\n\ndecision := {}\n")
    assert load_bundle(base=tmp_path).compiled == frozenset()


def test_messages_are_formatted_with_nothing_but_s_and_v(shipped: PolicyBundle) -> None:
    """The machine formats those as the interpreter does, where there are as many values as places."""
    found = 0
    for source in shipped.modules.values():
        for form, values in re.findall(r'sprintf\("([^"]*)", \[(.*)\]\)', source):
            places = re.findall(r"%.", form)
            assert set(places) <= {"%s", "%v"}, form
            assert len(places) == _arguments(values), form
            found += 1
    assert found > 40


def _arguments(text: str) -> int:
    depth, count = 0, 1
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        count += char == "," and depth == 0
    return count


def test_without_a_word_from_the_bundle_nothing_is_compiled(shipped: PolicyBundle) -> None:
    engine = open_embedded(shipped.modules, shipped.data)
    assert engine._mine().compiled is None
    assert "compiled" not in engine.describe()


def test_what_does_not_compile_is_interpreted() -> None:
    modules = {"a.rego": 'package hitl.main\n\ndecision := {"x": walked}\n\nwalked := {v | walk(input, [_, v])}\n'}
    engine = open_embedded(modules, b'{"hitl": {}}', compiled=frozenset(modules))
    assert engine._mine().compiled is None
    assert json.loads(engine.evaluate_sync(b'{"a": 1}'))["x"]


class Machine:
    """Answers what it was told to, or raises it."""

    def __init__(self, answer: str | BaseException) -> None:
        self.answer = answer

    def set_input_json(self, text: str) -> None:
        self.text = text

    def execute(self) -> str:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Panic(BaseException):
    """As regorus' PanicException: no Exception."""


def engine_on(shipped: PolicyBundle, answer: str | BaseException) -> EmbeddedEngine:
    engine = open_embedded(shipped.modules, shipped.data, compiled=shipped.compiled)
    engine._mine().compiled = CompiledPolicy(Machine(answer))
    return engine


def document() -> bytes:
    return json.dumps(call("Bash", {"command": "ls"})).encode()


@pytest.mark.parametrize("answer", [RuntimeError("x"), Panic("x"), '"<undefined>"', "[]", "", '{"a": "<undefined>"}'])
def test_where_the_machine_fails_the_interpreter_decides(
    shipped: PolicyBundle, both: Both, answer: str | BaseException
) -> None:
    engine = engine_on(shipped, answer)
    assert json.loads(engine.evaluate_sync(document())) == both.interpret(document().decode())


def test_interruptions_are_passed_on(shipped: PolicyBundle) -> None:
    with pytest.raises(KeyboardInterrupt):
        engine_on(shipped, KeyboardInterrupt()).evaluate_sync(document())


def test_a_decision_that_differs_ends_the_machines_use(
    shipped: PolicyBundle, both: Both, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded, "CHECKED", 3)
    engine = engine_on(shipped, '{"verdict": "wrong"}')
    said = [json.loads(engine.evaluate_sync(document()))["verdict"] for _ in range(2)]
    assert said == ["wrong", "wrong"]
    want = both.interpret(document().decode())
    with caplog.at_level(logging.ERROR):
        assert [json.loads(engine.evaluate_sync(document())) for _ in range(2)] == [want, want]
    assert "compiled-decision-differed" in caplog.text
    assert "compiled" not in engine.describe()


def test_checking_leaves_a_right_machine_alone(shipped: PolicyBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "CHECKED", 2)
    engine = open_embedded(shipped.modules, shipped.data, compiled=shipped.compiled)
    said = [engine.evaluate_sync(document()) for _ in range(6)]
    assert len({json.dumps(json.loads(text)) for text in said}) == 1
    assert engine.describe()["compiled"] == "shipped policies"


def test_in_a_process_of_its_own(shipped: PolicyBundle, both: Both) -> None:
    engine = open_isolated(shipped.modules, shipped.data, compiled=shipped.compiled, timeout=10)
    try:
        assert json.loads(engine.evaluate_sync(document())) == both.interpret(document().decode())
    finally:
        engine.close_sync()


def test_another_entrypoint_is_interpreted(shipped: PolicyBundle) -> None:
    engine = engine_on(shipped, '{"verdict": "wrong"}')
    assert json.loads(engine.evaluate_sync(document(), "data.hitl.lib.verdict_rank")) == {
        "allow": 0,
        "ask": 1,
        "deny": 2,
    }


def test_the_data_that_ships_is_not_changed_by_what_users_add(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("hitl: {tiers: {tools: {Mine: {permission: confirm, risk: low}}}}\n")
    before = copy.deepcopy(load_bundle().data)
    assert load_bundle(tmp_path).compiled
    assert load_bundle().data == before
