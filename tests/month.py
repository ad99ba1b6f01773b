"""A month of an agent's work on one record: what people looked at, where they were right, and where not."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from hitl_opa import Guard, ToolCall
from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.model import Session, Verdict

DAYS = 30
PEOPLE = ("ann.lee", "bob", "a.person.with.a.rather.long.name@subsidiary.example.com")
CALLS = (
    ("Read", {"file_path": "README.md"}),
    ("Bash", {"command": "pytest -q tests"}),
    ("Bash", {"command": "git push origin release-7"}),
    ("Bash", {"command": "kubectl delete namespace staging && helm uninstall web -n staging --wait --timeout 10m0s"}),
    ("Bash", {"command": "rm -rf /"}),
    ("Write", {"file_path": "docs/guide.md", "content": "Hello.\n" * 40}),
    (
        "WebFetch",
        {"url": "https://docs.example.com/a/very/long/path/to/a/page?with=a&query=string", "prompt": "Sum up."},
    ),
    ("mcp__production_database_of_customers__run_a_query", {"sql": "SELECT name FROM users LIMIT 5"}),
)


def written(folder: Path, calls: int = 700) -> Path:
    """The settings of a project whose record holds that month up to now."""
    rng = random.Random(5)
    settings = folder / "hitl.yaml"
    settings.write_text("level: 1\ndurable: true\nagent: billing-bot\nagent_version: v2026.1\nautonomy: {earn: true}\n")
    guard = Guard.open(settings)
    kinds = []
    for tool, input in CALLS:
        call = ToolCall(tool=tool, input=input, cwd=str(folder), session=Session(id="s0", principal="anna"))
        kinds.append(guard.rule_sync(call))
    now, events = datetime.now(UTC), []

    def add(kind: Kind, id: str, at: datetime, **fields: object) -> None:
        time = at.isoformat().replace("+00:00", "Z")
        events.append(Event(kind=kind, decision_id=id, timestamp=time, **fields))  # type: ignore[arg-type]

    for number in range(calls):
        at = now - timedelta(days=DAYS * (1 - number / calls)) + timedelta(minutes=rng.randrange(60))
        ruling = rng.choices(kinds, [30, 12, 6, 3, 2, 18, 5, 6])[0]
        id, document, decided = f"d{number:04}", ruling.document, ruling.decision
        canary = number % 90 == 89
        extra = {"canary": True} if canary else {}
        named = Event.decision(
            document, decided, decision_id=id, digest=f"sha256:{number}", elapsed_ms=1.2, extra=extra
        )
        events.append(_at(named, at))
        if decided.verdict is not Verdict.ASK:
            if decided.verdict is Verdict.ALLOW:
                add(Kind.OUTCOME, id, at, outcome="ran", matches=True)
            continue
        who = PEOPLE[number % 3]
        wait, look = rng.expovariate(1 / 900), rng.choice([1.0, 4.0, 9.0, 30.0, 95.0])
        state = {"approval": f"a{number}", **extra}
        add(Kind.APPROVAL, id, at, extra={**state, "state": "pending"})
        if rng.random() < 0.03:
            add(Kind.APPROVAL, id, at + timedelta(days=1), extra={**state, "state": "expired"})
            continue
        approves = rng.random() < (0.99 if document.call.tool == "Write" else 0.85) and not canary
        answered = at + timedelta(seconds=wait + look)
        said = {"category": rng.choice(["policy-violation", "missing-context", "tool-failure"])} if not approves else {}
        add(
            *(Kind.REVIEW, id, answered),
            verdict="approve" if approves else rng.choice(["reject", "edit"]) if not canary else "reject",
            reviewer=who,
            decided_by="reviewer",
            elapsed_ms=look * 1000,
            extra=said,
            result={"reason": "Not while the month is being closed: ask me again on Friday."} if not approves else None,
        )
        add(Kind.APPROVAL, id, answered, extra={**state, "state": "approved" if approves else "denied"})
        if approves:
            add(Kind.OUTCOME, id, answered, outcome=rng.choices(["ran", "failed"], [20, 1])[0], matches=True)
            if rng.random() < 0.01:
                add(Kind.NOTE, id, answered, reviewer="bob", extra={"incident": 2}, detail={"note": "wrong branch"})
    add(Kind.NOTE, "", now, reviewer="bob", extra={"rating": 4, "rated": "billing-bot"})
    log: AuditLog = guard.audit
    log.write([log.seal(event) for event in events])
    guard.close_sync()
    return settings


def _at(event: Event, at: datetime) -> Event:
    return msgspec.structs.replace(event, timestamp=at.isoformat().replace("+00:00", "Z"))
