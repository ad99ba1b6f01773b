"""What a guard decides, shown as it is put on the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import msgspec

from hitl_opa.audit import AuditLog, Event, Kind, Receipt
from hitl_opa.cli import output
from hitl_opa.cli.output import say, verdict
from hitl_opa.model import Decision, Document, Question, ReviewRequest
from hitl_opa.terminal.text import Span, spans

LABEL = 14  # columns before what a label is about
_ENDINGS = {
    "ran": ("it ran", "green"),
    "failed": ("it ran, and failed", "red"),
    "blocked": ("it did not run", "yellow"),
}
_CHOICES = {"approve": "green", "reject": "red", "edit": "yellow"}


class WatchedLog(AuditLog):
    """A record whose `watcher` sees every event, once it is on the disk."""

    watcher: Callable[[Event], None] | None = None

    def append(self, event: Event, *, cursor: Any = None) -> Receipt:
        receipt = super().append(event, cursor=cursor)
        if self.watcher is not None:
            self.watcher(event)
        return receipt


class Seen(msgspec.Struct, kw_only=True):
    """One call as it went: what policy said, who decided, how it ended (``""``: the record does not say)."""

    id: str
    call_id: str
    tool: str
    what: str
    input: dict[str, Any]
    verdict: str
    risk: str
    rule: str
    reason: str
    by: str
    said: str = ""
    ended: str = ""


class Watcher:
    """Keeps what it saw, and prints it unless ``quiet``."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.calls: dict[str, Seen] = {}
        self._edited: dict[str, Seen] = {}
        self._quiet = quiet

    def __call__(self, event: Event) -> None:
        match event.kind:
            case Kind.DECISION:
                self._decision(event)
            case Kind.REVIEW:
                self._review(event)
            case Kind.OUTCOME:
                self._outcome(event)

    def answered(self, questions: list[Question], answers: dict[str, str], by: str) -> None:
        """The model's own questions, and what it is told by whom."""
        for question in questions:
            offered = " / ".join(option.get("label", "") for option in question.options)
            self._say("asks", *spans(f"{question.question} "), *spans(offered, "dim"))
            answer = answers.get(question.question, "")
            said = spans(answer or "none", "bold" if answer else "yellow")
            self._say("answered", Span("by "), *spans(f"{by}: "), *said)

    def said(self, text: str) -> None:
        """The agent's own words."""
        click.echo()
        for line in text.strip().splitlines():
            say(Span("agent  ", "dim"), *spans(line), hanging=7)

    def asked(self, request: ReviewRequest) -> None:
        typed = f'; at a terminal, approving takes typing "{request.typed}"' if request.typed else ""
        self._say("asked", *spans(f"a reviewer is shown what it does{typed}"))

    def _decision(self, event: Event) -> None:
        document, decision = event.input, event.result
        if not isinstance(document, Document) or not isinstance(decision, Decision):
            return
        seen = Seen(
            id=event.decision_id,
            call_id=event.call_id,
            tool=event.tool,
            what=what(document.call.input, document.context.cwd),
            input=document.call.input,
            verdict=str(decision.verdict),
            risk=str(decision.risk),
            rule=decision.reasons[0].rule if decision.reasons else "",
            reason=decision.reason,
            by="policy" if event.decided_by == "policy" else "the guard, failing closed",
        )
        edited = self._edited.pop(event.call_id, None)
        if edited is not None:
            # the same call, with another input: whoever edited it has approved it, unless it became worse
            del self.calls[edited.id]
            seen.by, seen.said = edited.by, edited.said
        self.calls[event.decision_id] = seen
        if self._quiet:
            return
        if edited is not None:
            self._say("edited", *spans(seen.what))
        else:
            click.echo()
            say(Span(f"{len(self.calls):3}  "), *spans(seen.tool, "bold"), Span("  "), *spans(seen.what), hanging=LABEL)
        reason = seen.reason.replace(f"{document.context.cwd}/", "") if document.context.cwd else seen.reason
        pieces = [verdict(seen.verdict), Span("  risk "), output.risk(seen.risk), Span("  ")]
        say(Span("     "), *pieces, *spans(reason), *spans(f"  [{seen.rule}]", "dim"), hanging=LABEL)
        if seen.verdict != "ask":
            self._say("decided", *spans(f"by {seen.by}"))

    def _review(self, event: Event) -> None:
        seen = self.calls.get(event.decision_id)
        words = event.result.get("reason", "") if isinstance(event.result, dict) else ""
        refused = event.detail.get("refused", "") if isinstance(event.detail, dict) else ""
        if seen is not None:
            seen.by = f"reviewer {event.reviewer}" if event.result else "the guard, failing closed"
            seen.said = str(event.verdict)
            if event.verdict == "edit":
                self._edited[event.call_id] = seen
        said = Span(f"{event.verdict}", _CHOICES.get(event.verdict, "red"))
        self._say("decided", Span("by "), *spans(f"{event.reviewer}: "), said, *spans(f"  {words or refused}", "dim"))

    def _outcome(self, event: Event) -> None:
        seen = self.calls.get(event.decision_id)
        if seen is not None:
            seen.ended = event.outcome
        how, style = _ENDINGS.get(event.outcome, (event.outcome, ""))
        self._say("outcome", *spans(how, style))

    def _say(self, label: str, *line: Span) -> None:
        if not self._quiet:
            say(Span(f"     {label:{LABEL - 5}}", "dim"), *line, hanging=LABEL)


def what(given: dict[str, Any], cwd: str) -> str:
    """A call's input in a few words: the field that matters most."""
    for name in ("command", "file_path", "notebook_path", "pattern", "url", "query", "path", "prompt"):
        if isinstance(given.get(name), str):
            return str(given[name]).removeprefix(f"{cwd}/") if cwd else str(given[name])
    questions = given.get("questions")
    if isinstance(questions, list) and questions and isinstance(questions[0], dict):
        return str(questions[0].get("question", ""))
    return " ".join(f"{name}={value}" for name, value in given.items())[:200]
