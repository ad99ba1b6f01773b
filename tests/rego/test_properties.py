"""What holds of every decision, whatever the call: order, monotony, waivers, obligations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hitl_opa.engines import open_embedded
from hitl_opa.model import Decision, Verb
from hitl_opa.policy.bundle import load_bundle

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "hitl_opa" / "schemas" / "decision.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

CUSTOM = """package hitl.custom

reasons contains r if some r in object.get(input.call.input, "reasons", [])

obligations contains o if some o in object.get(input.call.input, "obligations", [])
"""
BUNDLE = load_bundle(base=ROOT / "rego")
OPEN = load_bundle(base=ROOT / "rego", data_overrides={"hitl": {"settings": {"allow_bypass": True}}})
# The rules of the user say what the test puts into the call.
ENGINE = open_embedded({**BUNDLE.modules, "custom.rego": CUSTOM}, BUNDLE.data)
BYPASS = open_embedded({**OPEN.modules, "custom.rego": CUSTOM}, OPEN.data)

VERDICTS = ["allow", "ask", "deny"]
RISKS = ["low", "medium", "high", "critical"]
TIERS = json.loads(BUNDLE.data)["hitl"]["tiers"]["effects"]
PLACES = sorted(
    {(t, p) for t, verbs in TIERS.items() for places in verbs.values() for p in places} | {("path", "moon")}
)
TRAITS = [
    "recursive",
    "force",
    "bulk",
    "irreversible",
    "elevated",
    "history",
    "all",
    "setuid",
    "upload",
    "listen",
    "reverse-shell",
    "fork-bomb",
    "tamper",
    "disable-security",
    "persistence",
    "world-writable",
    "secret",
    "no-where",
]
OPAQUE = ["eval", "parse-error", "decoded-code", "variable-path"]

effects = st.builds(
    lambda verb, at, value, traits: {
        "verb": verb,
        "target": {"type": at[0], "place": at[1], "value": value, "real": value, "inside": at[1] == "workspace"},
        "via": "",
        "certain": True,
        "traits": sorted(traits),
    },
    st.sampled_from([v.value for v in Verb]),
    st.sampled_from(PLACES),
    st.sampled_from(["", "/home/dev/project", "/home/dev/project/a", "x.org", "main"]),
    st.sets(st.sampled_from(TRAITS), max_size=2),
)
counters = st.fixed_dictionaries(
    {n: st.sampled_from([0, 1, 5, 60, 5000]) for n in ("calls", "denied", "asked", "consecutive_denied", "repeats")}
)


@st.composite
def documents(draw: st.DrawFn, min_effects: int = 0) -> dict[str, Any]:
    """A sound input document of any tool, effects, agent and session."""
    tool, kind = draw(
        st.sampled_from(
            [
                ("Bash", "shell"),
                ("Read", "file"),
                ("Edit", "file"),
                ("WebFetch", "web"),
                ("mcp__x__get_thing", "mcp"),
                ("mcp__x__deploy", "mcp"),
                ("frob", "function"),
                ("AskUserQuestion", "question"),
                ("ExitPlanMode", "plan"),
                ("Nobody", "odd"),
            ]
        )
    )
    server, _, name = tool.removeprefix("mcp__").partition("__") if kind == "mcp" else ("", "", "")
    flag = st.fixed_dictionaries({"known": st.booleans(), "value": st.booleans()})
    known = draw(st.booleans())
    return {
        "version": "1",
        "call": {
            "id": "1",
            "tool": tool,
            "kind": kind,
            "input": draw(st.sampled_from([{}, {"amount": 5000}, {"environment": "production"}])),
            "mcp": {
                "server": server,
                "tool": name,
                "claims": draw(
                    st.fixed_dictionaries(dict.fromkeys(("read_only", "destructive", "idempotent", "open_world"), flag))
                ),
            },
            "claimed_risk": draw(st.sampled_from(["", "", "", *RISKS])),
        },
        "facts": {
            "effects": draw(st.lists(effects, min_size=min_effects, max_size=4)),
            "opaque": [{"kind": k, "text": "", "via": ""} for k in draw(st.lists(st.sampled_from(OPAQUE), max_size=1))],
            "commands": [],
            "paths": [],
            "urls": [],
            "sql": draw(
                st.lists(
                    st.builds(
                        lambda v, w: {"verb": v, "tables": [], "where": w},
                        st.sampled_from(["select", "delete", "drop", "grant"]),
                        st.booleans(),
                    ),
                    max_size=1,
                )
            ),
            "secrets": draw(st.sampled_from([[], [], [{"kind": "token", "pointer": "/x"}]])),
            "diff": {"path": "", "added": 0, "removed": 0},
        },
        "agent": {
            "session": "s",
            "id": "",
            "type": "",
            "principal": "dev",
            "level": draw(st.integers(1, 4)),
            "mode": draw(st.sampled_from(["default", "acceptEdits", "plan", "bypassPermissions", "dontAsk", "auto"])),
            "confidence": {"known": known, "value": draw(st.floats(0, 1)) if known else 0, "verified": False},
            "unattended": draw(st.booleans()),
        },
        "context": {
            "environment": "",
            "cwd": "/home/dev/project",
            "workspace": "/home/dev/project",
            "home": "/home/dev",
            "time": "2026-01-01T00:00:00Z",
            "durable": draw(st.booleans()),
            "counters": draw(
                st.one_of(
                    st.just(dict.fromkeys(("calls", "denied", "asked", "consecutive_denied", "repeats"), 0)), counters
                )
            ),
            "taint": draw(st.fixed_dictionaries({"untrusted": st.booleans(), "secrets": st.booleans()})),
        },
        "approval": {"id": "", "reviewer": "", "self_approved": False},
    }


reasons = st.builds(
    lambda n, verdict, risk, floor, waives: {
        "rule": f"custom.{n}",
        "verdict": verdict,
        "risk": risk,
        "message": f"m{n}",
        "floor": floor,
        "waives": waives,
    },
    st.integers(0, 3),
    st.sampled_from(VERDICTS),
    st.sampled_from(RISKS),
    st.booleans(),
    st.lists(
        st.sampled_from(
            [
                "effects.tier",
                "tier.tool",
                "tier.unknown",
                "autonomy.level",
                "autonomy.suggest-only",
                "effects.opaque",
                "custom.1",
                "shell.elevated",
                "modes.plan",
                "files.root",
                "confidence.escalate",
            ]
        ),
        max_size=4,
    ),
)


def decide(document: dict[str, Any], engine: Any = ENGINE) -> dict[str, Any]:
    decision: dict[str, Any] = json.loads(engine.evaluate_sync(json.dumps(document).encode()))
    return decision


def changed(document: dict[str, Any], part: str, **fields: Any) -> dict[str, Any]:
    return {**document, part: {**document[part], **fields}}


def strictness(decision: dict[str, Any]) -> int:
    return VERDICTS.index(decision["verdict"])


def properties(decision: dict[str, Any], type: str) -> dict[str, Any]:
    found = [o["properties"] for o in decision["obligations"] if o["type"] == type]
    assert len(found) <= 1
    return found[0] if found else {}


many = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@many
@given(documents())
def test_every_decision_has_the_shape_of_one(document: dict[str, Any]) -> None:
    decision = decide(document)
    VALIDATOR.validate({**decision, "policy": {"revision": ""}})
    msgspec.convert(decision, Decision)
    assert decision["reasons"][0]["message"] == decision["reason"]
    ranks = [(-VERDICTS.index(r["verdict"]), -RISKS.index(r["risk"])) for r in decision["reasons"]]
    assert ranks == sorted(ranks)
    assert decision["risk"] == RISKS[max(RISKS.index(r["risk"]) for r in decision["reasons"])]
    assert decision["verdict"] == VERDICTS[max(VERDICTS.index(r["verdict"]) for r in decision["reasons"])]
    types = [o["type"] for o in decision["obligations"]]
    assert types[0] == "log"
    assert ("approval" in types) == (decision["verdict"] == "ask")


@many
@given(documents(), st.lists(reasons, max_size=3))
def test_deny_wins(document: dict[str, Any], others: list[dict[str, Any]]) -> None:
    no = {"rule": "custom.no", "verdict": "deny", "risk": "low", "message": "no", "floor": False, "waives": []}
    waiver = {**no, "rule": "custom.yes", "verdict": "allow", "waives": ["custom.no"]}
    decision = decide(changed(document, "call", input={"reasons": [*others, no, waiver]}))
    assert decision["verdict"] == "deny"
    assert "custom.no" in [r["rule"] for r in decision["reasons"]]


@many
@given(documents())
def test_a_lower_level_is_never_laxer(document: dict[str, Any]) -> None:
    document = changed(document, "agent", mode=document["agent"]["mode"].replace("bypassPermissions", "default"))
    steps = [strictness(decide(changed(document, "agent", level=level))) for level in (1, 2, 3, 4)]
    assert steps == sorted(steps, reverse=True)


@many
@given(documents())
def test_modes_are_ordered(document: dict[str, Any]) -> None:
    def of(mode: str, engine: Any = ENGINE, **more: Any) -> int:
        return strictness(decide(changed(document, "agent", mode=mode, **more), engine))

    steps = [of(mode, BYPASS) for mode in ("plan", "default", "acceptEdits", "bypassPermissions")]
    assert steps == sorted(steps, reverse=True)
    assert of("bypassPermissions") == of("default")
    assert of("auto") == of("default")
    assert of("dontAsk") >= of("default")
    assert of("default", unattended=True) >= of("default", unattended=False)


@many
@given(documents())
def test_bypass_is_level_4_where_it_is_allowed(document: dict[str, Any]) -> None:
    bypassing = changed(document, "agent", mode="bypassPermissions")
    assert (
        decide(bypassing, BYPASS)["verdict"] == decide(changed(document, "agent", mode="default", level=4))["verdict"]
    )


@many
@given(documents())
def test_nobody_to_ask_means_no_ask_without_a_store(document: dict[str, Any]) -> None:
    alone = changed(changed(document, "agent", mode="dontAsk"), "context", durable=False)
    assert decide(alone)["verdict"] in ("allow", "deny")
    waiting = decide(changed(alone, "context", durable=True))
    assert properties(waiting, "approval").get("durable", True) is True


@many
@given(documents(), st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_less_confidence_is_never_laxer(document: dict[str, Any], values: list[float]) -> None:
    def of(known: bool, value: float) -> int:
        return strictness(
            decide(changed(document, "agent", confidence={"known": known, "value": value, "verified": True}))
        )

    steps = [of(True, value) for value in sorted(values)]
    assert steps == sorted(steps, reverse=True)
    assert min(steps) >= of(False, 0)


@many
@given(documents(), st.randoms(use_true_random=False), st.lists(reasons, max_size=3))
def test_order_does_not_matter(document: dict[str, Any], random: Any, custom: list[dict[str, Any]]) -> None:
    document = changed(document, "call", input={"reasons": custom})
    shuffled = changed(
        document, "facts", effects=random.sample(document["facts"]["effects"], len(document["facts"]["effects"]))
    )
    shuffled = changed(shuffled, "call", input={"reasons": random.sample(custom, len(custom))})
    assert decide(shuffled) == decide(document)


# Without any effect a call is not understood, so the first effect may make it laxer.
@many
@given(documents(min_effects=1), effects)
def test_another_effect_is_never_laxer(document: dict[str, Any], effect: dict[str, Any]) -> None:
    more = changed(document, "facts", effects=[*document["facts"]["effects"], effect])
    before, after = decide(document), decide(more)
    assert strictness(after) >= strictness(before)
    assert RISKS.index(after["risk"]) >= RISKS.index(before["risk"])


@many
@given(documents(), st.sampled_from(TRAITS))
def test_another_trait_is_never_laxer(document: dict[str, Any], trait: str) -> None:
    assume(document["facts"]["effects"])
    first, *rest = document["facts"]["effects"]
    worse = changed(document, "facts", effects=[{**first, "traits": sorted({*first["traits"], trait})}, *rest])
    assert strictness(decide(worse)) >= strictness(decide(document))


@many
@given(documents(), st.sampled_from(OPAQUE))
def test_something_opaque_is_never_laxer_and_asks_below_level_4(document: dict[str, Any], kind: str) -> None:
    opaque = changed(document, "facts", opaque=[*document["facts"]["opaque"], {"kind": kind, "text": "", "via": ""}])
    assert strictness(decide(opaque)) >= strictness(decide(document))
    low = changed(opaque, "agent", level=min(3, opaque["agent"]["level"]))
    assert decide(low)["verdict"] != "allow"


@many
@given(documents(), st.sampled_from(["untrusted", "secrets"]))
def test_taint_is_never_laxer(document: dict[str, Any], what: str) -> None:
    tainted = changed(document, "context", taint={**document["context"]["taint"], what: True})
    clean = changed(document, "context", taint={**document["context"]["taint"], what: False})
    assert strictness(decide(tainted)) >= strictness(decide(clean))


@many
@given(documents(), st.lists(reasons, min_size=1, max_size=4))
def test_waivers_lift_neither_denies_nor_floors_nor_criticals(
    document: dict[str, Any], custom: list[dict[str, Any]]
) -> None:
    decision = decide(changed(document, "call", input={"reasons": custom}))
    bare = decide(changed(document, "call", input={"reasons": [{**r, "waives": []} for r in custom]}))
    stay = [
        r
        for r in bare["reasons"]
        if r["verdict"] == "deny" or (r["verdict"] == "ask" and (r["floor"] or r["risk"] == "critical"))
    ]
    derived = {"autonomy", "confidence"}  # their risk is that of what is left
    left = {(r["rule"], r["verdict"], r["message"]) for r in decision["reasons"]}
    for reason in stay:
        if reason["pack"] not in derived and reason["rule"] not in ("modes.unattended", "main.approval-demanded"):
            assert (reason["rule"], reason["verdict"], reason["message"]) in left
    if any(r["verdict"] == "deny" and r["rule"] != "modes.unattended" for r in stay):
        assert decision["verdict"] == "deny"


@many
@given(documents(), st.lists(reasons, max_size=2), reasons)
def test_a_rule_that_waives_nothing_is_never_laxer(
    document: dict[str, Any], custom: list[dict[str, Any]], one: dict[str, Any]
) -> None:
    before = decide(changed(document, "call", input={"reasons": custom}))
    after = decide(changed(document, "call", input={"reasons": [*custom, {**one, "waives": []}]}))
    assert strictness(after) >= strictness(before)


approvals = st.fixed_dictionaries(
    {},
    optional={
        "permission": st.sampled_from(["confirm", "approve"]),
        "quorum": st.integers(1, 4),
        "expires_in": st.integers(1, 200_000),
        "execution_expires_in": st.integers(1, 9_000),
        "approvers": st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=2),
        "on_timeout": st.sampled_from(["deny", "escalate", "park"]),
    },
)


@many
@given(documents(), st.lists(approvals, min_size=1, max_size=3))
def test_obligations_merge_strictest(document: dict[str, Any], demands: list[dict[str, Any]]) -> None:
    obligations = [{"id": f"custom.{n}", "type": "approval", "properties": p} for n, p in enumerate(demands)]
    decision = decide(changed(document, "call", input={"obligations": obligations}))
    assert decision["verdict"] != "allow"
    if decision["verdict"] == "deny":
        return
    approval = properties(decision, "approval")
    alone = properties(decide(changed(changed(document, "call", input={}), "agent", level=1)), "approval")
    named = {tuple(sorted(d["approvers"])) for d in demands if d.get("approvers")}
    assert approval["quorum"] >= max([1, *(d.get("quorum", 1) for d in demands), len(named)])
    assert {tuple(groups) for groups in approval["each"]} >= named
    assert set(approval["approvers"]) == {g for groups in approval["each"] for g in groups}
    assert approval["expires_in"] <= min(d.get("expires_in", 86_400) for d in demands)
    assert approval["execution_expires_in"] <= min(d.get("execution_expires_in", 9_000) for d in demands)
    assert approval["on_timeout"] == "deny"  # what the tiers say, and nothing is stricter
    if any(d.get("permission") == "approve" for d in demands):
        assert approval["permission"] == "approve"
    if alone:
        assert approval["expires_in"] <= alone["expires_in"]


@many
@given(
    documents(),
    st.lists(
        st.fixed_dictionaries({"input": st.fixed_dictionaries({"command": st.sampled_from(["a", "b"])})}),
        min_size=2,
        max_size=3,
    ),
)
def test_two_rewrites_deny(document: dict[str, Any], rewrites: list[dict[str, Any]]) -> None:
    obligations = [{"id": f"custom.{n}", "type": "rewrite", "properties": p} for n, p in enumerate(rewrites)]
    decision = decide(changed(document, "call", input={"obligations": obligations}))
    different = len({r["input"]["command"] for r in rewrites}) > 1
    assert ("main.rewrite-conflict" in [r["rule"] for r in decision["reasons"]]) == different
    if different:
        assert decision["verdict"] == "deny"
        assert not properties(decision, "rewrite")
    else:
        assert properties(decision, "rewrite") == rewrites[0]


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=3,
)


@many
@given(documents(), junk)
def test_a_rule_that_says_junk_denies(document: dict[str, Any], said: Any) -> None:
    for what in ("reasons", "obligations"):
        decision = decide(changed(document, "call", input={what: [said]}))
        assert decision["verdict"] == "deny"


FIELDS = [
    "call.tool",
    "call.kind",
    "call.input",
    "call.mcp",
    "call.claimed_risk",
    "facts.effects",
    "facts.opaque",
    "facts.sql",
    "facts.secrets",
    "agent.level",
    "agent.mode",
    "agent.confidence",
    "agent.unattended",
    "context.workspace",
    "context.durable",
    "context.counters",
    "context.taint",
]


@many
@given(documents(), st.sampled_from(FIELDS), st.sampled_from([None, "missing", 7, "x", True, [7], {"a": 1}]))
def test_a_broken_document_never_allows(document: dict[str, Any], field: str, value: Any) -> None:
    part, name = field.split(".")
    broken = changed(document, part, **{name: value})
    if value == "missing":
        del broken[part][name]
    if type(value) is type(document[part][name]) and value != "missing":
        assume(isinstance(value, dict | list) and name not in ("input",))
    decision = decide(broken)
    assert (decision["verdict"], decision["reasons"][0]["rule"]) == ("deny", "main.malformed-input")
