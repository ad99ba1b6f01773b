"""How one person's word on an approval comes to count: policy judges it, and then it is cast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from hitl_opa.approvals import events
from hitl_opa.approvals.approval import CATEGORIES, Approval, Edit, Person, Vote
from hitl_opa.approvals.ballots import ballot_of, counting, judged, place
from hitl_opa.approvals.clocks import advance, looking
from hitl_opa.approvals.states import State
from hitl_opa.approvals.store import Store, Transaction
from hitl_opa.audit.leaf import Redact
from hitl_opa.errors import ApprovalError, NoSuchApproval, VoteRefused
from hitl_opa.model import Document, Judgement, Referee, Verdict

_TRIES = 20  # votes that come in between two looks at the same approval


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says, and where. See `Vote`. ``batch``: the same for words that were said together."""

    approves: bool
    reason: str = ""
    category: str = ""
    channel: str = "api"
    look_ms: float = 0.0
    seen: str = ""
    batch: str = ""


class Voting:
    """Votes on the approvals of one store; see `hitl_opa.approvals.approvals.Approvals` for the parts."""

    def __init__(self, store: Store, redact: Redact, now: Callable[[], float], referee: Referee | None) -> None:
        self._store = store
        self._redact = redact
        self._now = now
        self._referee = referee

    def say(self, id: str, person: Person, word: Word, **changes: Any) -> Approval:
        """One person's word, with what it changes: ``edited`` and ``edit``, or ``answers``."""
        if word.category and word.category not in CATEGORIES:
            raise ApprovalError(f"the category is {word.category!r}: it is one of {', '.join(CATEGORIES)}")
        for _ in range(_TRIES):
            now = self._now()
            with looking(self._store, now) as transaction:
                found = there(transaction, id)
            if not changes and any(v.reviewer == person.name and v.approves == word.approves for v in found.votes):
                return found
            if found.state is not State.PENDING:
                raise ApprovalError(f"approval {id} is {found.state} already")
            if word.approves and found.kind == "question" and "answers" not in changes:
                raise ApprovalError("a question is not approved: answer it")
            if word.approves and word.seen and word.seen != events.seen(found):
                self._refuse(found, person, word, "approvals.stale", "It was changed since you looked: look again.")
            after = counting(found, changes)
            # policy is asked outside the transaction: it may be on another machine
            judgement = self._judge(after, person, word, now)
            vote = Vote(
                reviewer=person.name,
                groups=sorted(person.groups & place(after)),
                approves=word.approves,
                reason=word.reason,
                at=now,
                channel=word.channel,
                category=word.category,
                look_ms=word.look_ms,
                seen=word.seen or events.seen(after),
            )
            with self._store.begin() as transaction:
                self._tick(transaction)
                if _moved(found, there(transaction, id)):
                    continue
                self._cast(transaction, found, after, person, vote, judgement, changes, word.batch)
                return there(transaction, id)
        raise ApprovalError(f"approval {id} changes faster than it can be voted on: try again")

    def _cast(
        self,
        transaction: Transaction,
        found: Approval,
        after: Approval,
        person: Person,
        vote: Vote,
        judgement: Judgement,
        changes: dict[str, Any],
        batch: str,
    ) -> None:
        choice = "edit" if "edited" in changes else "answer" if changes else "approve" if vote.approves else "reject"
        said = changes.get("edited", changes.get("answers"))
        state = State(judgement.outcome)
        if found.canary and state is State.APPROVED:
            state = State.DENIED  # who approved stands in the votes, and nothing runs
        if "edited" in changes:
            transaction.unvote(found.id)
            changes = {**changes, "terms": after.terms, "risk": after.risk}
        transaction.vote(found.id, vote, events.reviewed(after, person, vote, state, choice, said, batch))
        if state is State.PENDING:
            if changes:
                transaction.update(found, None, **changes)
            return
        until = vote.at + after.terms.execution_expires_in if state is State.APPROVED else 0.0
        event = events.changed(after, state, vote.reason)
        transaction.move(
            found, state, event, decided_at=vote.at, execution_expires_at=until, reason=vote.reason, **changes
        )

    def _judge(self, approval: Approval, person: Person, word: Word, now: float) -> Judgement:
        """What policy says of the word; raises ApprovalError where it does not count, which is put on the record."""
        ballot = ballot_of(approval, person, word.approves, word.channel, now)
        judgement = judged(self._referee, ballot)
        if not judgement.counts:
            self._refuse(approval, person, word, judgement.rule, judgement.reason)
        return judgement

    def _refuse(self, approval: Approval, person: Person, word: Word, rule: str, reason: str) -> NoReturn:
        """Put on the record that a word does not count, and say so."""
        with self._store.begin() as transaction:
            transaction.record(events.refused(approval, person, word.channel, rule, reason))
        raise VoteRefused(reason)

    def redecided(self, found: Approval, person: Person, input: dict[str, Any], channel: str) -> Edit:
        """What policy says of another input. Raises ApprovalError where it denies it, or cannot say."""
        if self._referee is None:
            raise VoteRefused("there is no policy here that could decide on an edit")
        try:
            document = msgspec.convert(found.document, Document)
            new = self._referee.redecide(document, input, canary=bool(found.canary))
        except Exception as error:
            raise VoteRefused(f"policy could not decide on the edit: {error}") from error
        if new.decision.verdict is Verdict.DENY:
            with self._store.begin() as transaction:
                rule = new.decision.reasons[0].rule if new.decision.reasons else ""
                transaction.record(events.refused(found, person, channel, rule, new.decision.reason))
            raise VoteRefused(f"policy denies the edited call: {new.decision.reason}")
        shown = self._redact(
            {"document": msgspec.to_builtins(new.document), "decision": msgspec.to_builtins(new.decision)}
        )
        return Edit(by=person.name, at=self._now(), digest=new.digest, **shown)

    def _tick(self, transaction: Transaction) -> float:
        now = self._now()
        advance(transaction, now)
        return now


def there(transaction: Transaction, id: str) -> Approval:
    """The approval with this id. Raises NoSuchApproval."""
    found = transaction.get(id)
    if found is None:
        raise NoSuchApproval(f"there is no approval {id!r}")
    return found


def _moved(before: Approval, now: Approval) -> bool:
    """Whether something happened that the vote would have to be judged on."""
    return (before.state, before.votes, before.edit, before.escalated) != (
        now.state,
        now.votes,
        now.edit,
        now.escalated,
    )
