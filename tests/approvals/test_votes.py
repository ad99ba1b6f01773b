"""Whose word counts is policy's to say, and what it cannot say counts as no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from doubles import APPROVES, FakeEngine, Says, ask, referee
from waiting import request

from hitl_opa.approvals import Approval, Person, Query, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import AuditLog
from hitl_opa.config import Config
from hitl_opa.engines import open_isolated, open_opa
from hitl_opa.errors import ApprovalError, EngineError, EngineUnavailable, Undefined
from hitl_opa.guard import Guard
from hitl_opa.guard.referee import GuardReferee
from hitl_opa.model import Ballot, Judgement, Session, ToolCall
from hitl_opa.policy.bundle import load_bundle
from hitl_opa.policy.files import write_files

RITA = Person(name="rita")


class Junk(FakeEngine):
    """Says ``vote`` of votes, whatever it is."""

    def __init__(self, vote: bytes, *answers: Any) -> None:
        super().__init__(*answers)
        self.vote = vote

    async def evaluate(self, document: bytes, entrypoint: str = "") -> bytes:
        return self.vote if entrypoint else await super().evaluate(document)

    def evaluate_sync(self, document: bytes, entrypoint: str = "") -> bytes:
        return self.vote if entrypoint else super().evaluate_sync(document)


def under(audit: AuditLog, clock: Any, judge: Any) -> Approvals:
    class Referee:
        def judge(self, ballot: Ballot) -> Judgement:
            return judge(ballot)

        def redecide(self, document: Any, input: Any, *, canary: bool = False) -> Any:
            raise EngineError("not here")

    return Approvals.open(audit, redact=lambda v: v, clock=clock, referee=Referee())


def fails(error: Exception) -> Any:
    def judge(_: Ballot) -> Judgement:
        raise error

    return judge


@pytest.mark.parametrize("error", [Undefined("x"), EngineUnavailable("down"), RuntimeError("bug"), RecursionError()])
def test_a_policy_that_fails_refuses(audit: AuditLog, clock: Any, error: Exception) -> None:
    approvals = under(audit, clock, fails(error))
    asked = request(approvals)
    for approves in (True, False):
        with pytest.raises(ApprovalError, match="could not judge"):
            approvals.vote(asked.id, RITA, approves=approves)
    with pytest.raises(ApprovalError, match="could not decide on the edit"):
        approvals.edit(asked.id, RITA, {"command": "ls"})
    found = approvals.get(asked.id)
    assert (found.state, found.votes, found.edited) == (State.PENDING, [], None)
    notes = [r for r in audit.records() if r.kind == "note"]
    assert [n.get("extra")["refused"] for n in notes] == ["approvals.floor"] * 2


def test_without_a_policy_nobody_decides(audit: AuditLog, clock: Any) -> None:
    approvals = Approvals.open(audit, redact=lambda v: v, clock=clock)
    asked = request(approvals)
    with pytest.raises(ApprovalError, match="no policy here"):
        approvals.vote(asked.id, RITA, approves=True)
    with pytest.raises(ApprovalError, match="no policy here"):
        approvals.edit(asked.id, RITA, {"command": "ls"})


def test_a_judgement_that_cannot_be_is_none(audit: AuditLog, clock: Any) -> None:
    approvals = under(audit, clock, lambda _: Judgement(counts=True, rule="", reason="", outcome="approved"))
    asked = request(approvals)
    with pytest.raises(ApprovalError, match="which it cannot"):
        approvals.vote(asked.id, RITA, approves=False)
    with pytest.raises(ApprovalError, match="no name"):
        approvals.vote(asked.id, Person(name=""), approves=True)


@pytest.mark.parametrize(
    "answer", [b"{}", b"[]", b"no", b'{"counts": true}', b'{"counts": "yes", "outcome": "approved"}']
)
def test_junk_from_an_engine_is_an_error(audit: AuditLog, clock: Any, answer: bytes) -> None:
    guard = Guard(engine=Junk(answer), audit=audit)
    approvals = Approvals.open(audit, redact=lambda v: v, clock=clock, referee=GuardReferee(lambda: guard))
    with pytest.raises(ApprovalError, match="could not judge"):
        approvals.vote(request(approvals).id, RITA, approves=True)


async def test_nor_does_it_let_anybody_approve_in_the_session(audit: AuditLog) -> None:
    engine = Junk(b'{"counts": true}', ask())
    guard = Guard(engine=engine, audit=audit)
    outcome = await guard.resolve(await guard.rule(ToolCall(tool="Bash", input={"command": "x"})), Says(APPROVES))
    assert not outcome.allowed
    assert "Policy could not say whether rita may approve" in outcome.message


@pytest.mark.parametrize(
    ("properties", "name", "says"),
    [
        ({"quorum": 2}, "rita", "more people than the one who is there"),
        ({"approvers": ["sre"]}, "rita", "needs an approver of sre"),
        ({"approvers": ["anna", "sre"]}, "anna", "own agent's call"),
        ({"risk": "critical", "approvers": ["rita"]}, "rita", "more people"),
        ({}, "", "role reviewer"),
        ({"quorum": "two"}, "rita", "makes no sense"),
    ],
)
async def test_policy_says_who_may_approve_in_the_session(
    audit: AuditLog, properties: dict[str, Any], name: str, says: str
) -> None:
    guard = Guard(engine=FakeEngine(ask(**properties)), audit=audit)
    call = ToolCall(tool="Bash", input={"command": "x"}, session=Session(principal="anna"))
    reviewer = Says(APPROVES, name=name)
    outcome = await guard.resolve(await guard.rule(call), reviewer)
    assert not outcome.allowed
    assert says in outcome.message
    assert reviewer.shown == []


def test_what_is_refused_is_on_the_record(approvals: Approvals, audit: AuditLog) -> None:
    asked = request(approvals)
    with pytest.raises(ApprovalError, match="by way of slack"):
        approvals.vote(asked.id, Person(name="rita", auth="slack"), approves=True, channel="slack")
    (note,) = [r for r in audit.records() if r.kind == "note"]
    extra = note.get("extra")
    assert (extra["refused"], extra["channel"], note.get("reviewer")) == ("approvals.channel", "slack", "rita")
    assert approvals.vote(asked.id, RITA, approves=False, channel="slack").state is State.DENIED


def test_critical_takes_a_fresh_login_and_two_people(approvals: Approvals, clock: Any) -> None:
    now = clock().timestamp()
    asked = request(approvals, risk="critical", approvers=["ops"], each=[["ops"]])

    def person(name: str, at: float) -> Person:
        return Person(name=name, groups=frozenset({"ops"}), auth="oidc", authenticated_at=at)

    with pytest.raises(ApprovalError, match="log in again"):
        approvals.vote(asked.id, person("bob", now - 301), approves=True, channel="inbox")
    assert approvals.vote(asked.id, person("bob", now), approves=True, channel="inbox").state is State.PENDING
    assert approvals.vote(asked.id, person("carl", now), approves=True, channel="inbox").state is State.APPROVED


def test_what_a_vote_keeps(approvals: Approvals, audit: AuditLog) -> None:
    asked = request(approvals)
    with pytest.raises(ApprovalError, match="classification-miss"):
        approvals.vote(asked.id, RITA, approves=False, category="annoying")
    denied = approvals.vote(
        asked.id, RITA, approves=False, reason="No.", category="missing-context", channel="inbox", look_ms=1500.0
    )
    vote = denied.votes[0]
    assert (vote.channel, vote.category, vote.look_ms) == ("inbox", "missing-context", 1500.0)
    (review,) = [r for r in audit.records() if r.kind == "review"]
    assert vote.seen.startswith("sha256:")
    assert review.get("seen") == vote.seen
    assert (review.get("elapsed_ms"), review.get("extra")["category"]) == (1500.0, "missing-context")


def test_the_first_look_is_kept(approvals: Approvals, clock: Any, audit: AuditLog) -> None:
    asked = request(approvals)
    seen = approvals.view(asked.id, RITA)
    clock.forward(5)
    assert approvals.view(asked.id, Person(name="bob")).viewed_at == seen.viewed_at > 0
    assert len([r for r in audit.records() if r.get("extra", {}).get("viewed")]) == 1


def test_votes_that_cross_are_judged_again(audit: AuditLog, clock: Any) -> None:
    """Policy is asked between two looks; what came in between is judged with."""
    ballots: list[Ballot] = []

    def judge(ballot: Ballot) -> Judgement:
        ballots.append(ballot)
        if len(ballots) == 1:
            approvals.vote(asked.id, Person(name="bob"), approves=True)
        return referee().judge(ballot)

    approvals = under(audit, clock, judge)
    asked = request(approvals, quorum=2)
    assert approvals.vote(asked.id, RITA, approves=True).state is State.APPROVED
    assert [[c.reviewer for c in b.cast] for b in ballots] == [[], [], ["bob"]]


def test_search(approvals: Approvals, clock: Any) -> None:
    made = []
    for n in range(5):
        made.append(request(approvals, digest=f"sha256:{n}", risk="low" if n % 2 else "high"))
        clock.forward(1)
    newest = [a.id for a in reversed(made)]
    approvals.vote(made[0].id, RITA, approves=False)

    def ids(**fields: Any) -> list[str]:
        return [a.id for a in approvals.search(Query(**fields))]

    assert ids() == newest
    urgent = [made[n].id for n in (0, 2, 4, 1, 3)]  # by risk, then what expires soonest
    assert ids(order="urgent") == urgent
    assert ids(order="urgent", after=urgent[1], limit=2) == urgent[2:4]
    assert ids(limit=2) == newest[:2]
    assert ids(after=newest[1], limit=2) == newest[2:4]
    assert ids(states=frozenset({State.DENIED})) == [made[0].id]
    assert ids(risk="low") == [made[3].id, made[1].id]
    assert ids(session="s1", tool="Bash", text="MAKE deploy") == newest
    assert ids(text="100%") == ids(tool="Read") == ids(session="s2") == []
    assert approvals.counts() == {State.DENIED: 1, State.PENDING: 4}


def test_what_came_before(approvals: Approvals, clock: Any) -> None:
    first = request(approvals, digest="sha256:1")
    approvals.vote(first.id, RITA, approves=True)
    clock.forward(1)
    second = request(approvals, digest="sha256:2")
    approvals.vote(second.id, RITA, approves=False)
    clock.forward(1)
    third = request(approvals, digest="sha256:3")
    similar = approvals.similar(third)
    assert similar is not None
    assert similar.id == first.id
    assert approvals.similar(first) is None
    assert [a.id for a in approvals.history("", "Bash", 2)] == [third.id, second.id]
    assert approvals.history("", "Read", 2) == []


BALLOTS = [
    {"risk": "low", "channel": "slack"},
    {"risk": "high", "channel": "slack"},
    {"risk": "critical", "channel": "inbox", "authenticated_at": 990.0},
    {"risk": "critical", "channel": "inbox"},
    {"risk": "high", "quorum": 2},
    {"risk": "high", "approves": False},
    {"risk": "high", "approvers": ["ops"]},
    {"risk": "high", "name": "anna", "quorum": 2},
    {"risk": "high", "roles": ["viewer"]},
]


def ballot(
    risk: str,
    channel: str = "inbox",
    authenticated_at: float = 0.0,
    quorum: int = 1,
    approves: bool = True,
    approvers: Any = (),
    name: str = "rita",
    roles: Any = ("reviewer",),
) -> Ballot:
    import msgspec

    matter = {"id": "a", "kind": "call", "tool": "Bash", "risk": risk, "agent": "", "principal": "anna"}
    matter |= {"edited_by": "", "quorum": quorum, "approvers": approvers, "each": [], "escalated_to": []}
    voter = {"name": name, "groups": [], "roles": roles, "auth": "oidc", "authenticated_at": authenticated_at}
    return msgspec.convert(
        {"time": 1000.0, "matter": matter, "voter": voter, "approves": approves, "channel": channel, "cast": []}, Ballot
    )


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from opa_server import start

    from hitl_opa.policy.opa_tool import find_opa

    bundle = load_bundle()
    folder = tmp_path_factory.mktemp("bundle")
    write_files(bundle.modules, bundle.data, folder)
    opa = find_opa()
    assert opa, "run `make opa` first"
    server, url = start(opa, folder)
    found = [open_isolated(bundle.modules, bundle.data, timeout=20), open_opa(url, timeout=20)]
    yield found
    for engine in found:
        engine.close_sync()
    server.terminate()
    server.wait(10)


@pytest.mark.parametrize("given", BALLOTS, ids=str)
def test_every_engine_judges_alike(engines: Any, audit: AuditLog, given: dict[str, Any]) -> None:
    embedded = referee().judge(ballot(**given))
    for engine in engines:
        guard = Guard(engine=engine, audit=audit)
        assert GuardReferee(lambda g=guard: g).judge(ballot(**given)) == embedded


def test_the_record_says_who_said_what(approvals: Approvals, audit: AuditLog) -> None:
    asked: Approval = request(approvals)
    approvals.vote(asked.id, Person(name="rita", auth="oidc", authenticated_at=7.0), approves=True, channel="inbox")
    (review,) = [r for r in audit.records() if r.kind == "review"]
    extra = review.get("extra")
    assert (extra["channel"], extra["auth"], extra["authenticated_at"]) == ("inbox", "oidc", 7.0)


def test_a_users_rule_refuses_votes(tmp_path: Path) -> None:
    rule = tmp_path / "policy" / "night.rego"
    rule.parent.mkdir()
    rule.write_text(
        "package hitl.custom\n\n"
        'refusals contains r if {\n\tinput.approves\n\tinput.matter.tool == "Bash"\n'
        '\tr := {"rule": "custom.bash", "message": "Nobody approves shell commands here."}\n}\n'
    )
    config = Config(durable=True, level=2, root=str(tmp_path), policies=["policy"])
    guard = Guard.open(config)
    assert guard.approvals is not None
    asked = request(guard.approvals)
    with pytest.raises(ApprovalError, match="Nobody approves shell commands here"):
        guard.approvals.vote(asked.id, RITA, approves=True)
    assert guard.approvals.vote(asked.id, RITA, approves=False).state is State.DENIED
    guard.close_sync()
