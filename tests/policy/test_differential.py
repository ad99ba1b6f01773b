"""The shipped policies decide alike on the embedded engine and on the real OPA, whatever the input.

Whole decisions are compared, not verdicts only. An error on one engine counts as the deny that the
guard makes of it. HITL_DIFFERENTIAL says how many inputs (default 2,000), HITL_SEED where to start.
"""

from __future__ import annotations

import http.client
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import documents
import pytest
from opa_server import start

from hitl_opa.engines import open_embedded
from hitl_opa.errors import EngineError
from hitl_opa.policy.bundle import load_bundle
from hitl_opa.policy.files import write_files

COUNT = int(os.environ.get("HITL_DIFFERENTIAL", "2000"))
SEED = int(os.environ.get("HITL_SEED", "1"))
CUSTOM = """package hitl.custom

# A user's rules: an ask that is waived elsewhere, a waiver, a deny over arguments of any shape.
reasons contains r if {
	some e in input.facts.effects
	e.verb == "send"
	r := {"rule": "custom.send", "verdict": "ask", "risk": "medium", "message": e.target.value, "remedy": ""}
}

reasons contains r if {
	input.agent.level > 1
	r := {
		"rule": "custom.trust",
		"verdict": "allow",
		"risk": "low",
		"message": "The team lets this pass.",
		"remedy": "",
		"waives": ["effects.tier", "custom.send", "files.ci"],
	}
}

reasons contains r if {
	is_object(input.call.input)
	some key, value in input.call.input
	is_string(value)
	contains(lower(value), "forbidden")
	r := {
		"rule": "custom.word",
		"verdict": "deny",
		"risk": "high",
		"message": sprintf("%s holds a forbidden word.", [key]),
		"remedy": "Leave it out.",
	}
}
"""


class Pair:
    """The same bundle on both engines."""

    def __init__(self, opa: str, folder: Path, custom: Path) -> None:
        bundle = load_bundle(custom)
        write_files(bundle.modules, bundle.data, folder)
        self.embedded = open_embedded(bundle.modules, bundle.data, compiled=bundle.compiled)
        self.server, url = start(opa, folder)
        self.http = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)

    def on_embedded(self, document: bytes) -> Any:
        try:
            return json.loads(self.embedded.evaluate_sync(document))
        except EngineError as error:
            return str(error)

    def decide(self, document: dict[str, Any]) -> tuple[Any, Any]:
        """What the embedded engine says of it, and OPA, which looks at it at the same time."""
        text = json.dumps(document).encode()
        path = "/v1/data/hitl/main/decision?strict-builtin-errors=true"
        self.http.request("POST", path, b'{"input":' + text + b"}", {"content-type": "application/json"})
        mine = self.on_embedded(text)
        answer = json.loads(self.http.getresponse().read())
        return mine, answer["result"] if "result" in answer else answer.get("message", "undefined")

    def differ(self, document: dict[str, Any]) -> tuple[Any, Any] | None:
        both = self.decide(document)
        return None if alike(*both) else both

    def close(self) -> None:
        self.http.close()
        self.server.terminate()
        self.server.wait(10)


def alike(mine: Any, theirs: Any) -> bool:
    return bool(mine == theirs) or (isinstance(mine, str) and isinstance(theirs, str))


@pytest.fixture(scope="module")
def pair(opa: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("policies")
    custom = tmp_path_factory.mktemp("custom") / "mine.rego"
    custom.write_text(CUSTOM)
    both = Pair(opa, folder, custom)
    yield both
    both.close()


def smallest(pair: Pair, base: dict[str, Any], changes: list[documents.Mutation]) -> str:
    """Leave out changes for as long as the engines still differ, and say on what."""
    for index in reversed(range(len(changes))):
        fewer = changes[:index] + changes[index + 1 :]
        if pair.differ(documents.apply(base, fewer)):
            changes = fewer
    document = documents.apply(base, changes)
    different = pair.differ(document)
    assert different
    embedded, opa = (_where(a, b) for a, b in (different, different[::-1]))
    call = document.get("call", {})
    shown = f"{call.get('tool')} {call.get('input')}" if isinstance(call, dict) else str(call)
    return f"\n{shown}\n  changes: {changes}\n  embedded: {embedded[:1500]}\n  opa:      {opa[:1500]}"


def _where(value: Any, other: Any) -> str:
    """The parts of a decision that the other does not share."""
    if isinstance(value, dict) and isinstance(other, dict):
        return json.dumps({key: item for key, item in value.items() if other.get(key) != item}, sort_keys=True)
    return value if isinstance(value, str) else f"verdict {value['verdict']}"


def test_fixed_documents(pair: Pair) -> None:
    pick = random.Random(SEED)
    verdicts: set[str] = set()
    for call in documents.CALLS:
        for _ in range(4):
            document = documents.read(call, pick)
            decision, theirs = pair.decide(document)
            assert alike(decision, theirs), smallest(pair, document, [])
            verdicts.add(decision["verdict"])
    assert verdicts == {"allow", "ask", "deny"}


@pytest.mark.timeout(900)
def test_mutated_documents(pair: Pair) -> None:
    pick = random.Random(SEED)
    seen: dict[str, int] = {}
    rules: set[str] = set()
    differences: list[str] = []
    bases = [documents.read(call, pick) for call in documents.CALLS for _ in range(8)]
    for _ in range(COUNT):
        base = pick.choice(bases)
        changes = documents.mutations(base, pick, pick.choice([1, 1, 2, 3, 5, 8]))
        document = documents.apply(base, changes)
        decision, theirs = pair.decide(document)
        if not alike(decision, theirs):
            differences.append(smallest(pair, base, changes))
            if len(differences) >= 5:
                break
        verdict = decision["verdict"] if isinstance(decision, dict) else "error"
        seen[verdict] = seen.get(verdict, 0) + 1
        rules |= {reason["rule"] for reason in decision["reasons"]} if isinstance(decision, dict) else set()
    assert not differences, f"{len(differences)} differences (seed {SEED}):" + "".join(differences)
    # the inputs reach everything: each verdict often, and most rules
    assert min(seen.get(verdict, 0) for verdict in ("allow", "ask", "deny")) > COUNT * 0.02, seen
    assert len(rules) > 30, sorted(rules)
