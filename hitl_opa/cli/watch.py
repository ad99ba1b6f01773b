"""What a guard decides, shown as it is put on the record."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click
import msgspec

from hitl_opa.audit import AuditLog, Event, Kind, Receipt
from hitl_opa.cli import output
from hitl_opa.cli.output import say, verdict
from hitl_opa.model import Decision, Document, Question, ReviewRequest
from hitl_opa.terminal.text import Span, spans

_ENDINGS = {"ran": "green", "failed": "red", "blocked": "yellow"}


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
        self._quiet = quiet
        self._started = time.monotonic()

    def __call__(self, event: Event) -> None:
        match event.kind:
            case Kind.DECISION:
                self._decision(event)
            case Kind.REVIEW:
                self._review(event)
            case Kind.OUTCOME:
                self._outcome(event)

    def answered(self, questions: list[Question], answers: dict[str, str]) -> None:
        """The model's own questions, and what it is told."""
        for question in questions:
            offered = " / ".join(option.get("label", "") for option in question.options)
            self._say(Span("      asks       "), *spans(question.question), Span("  "), *spans(offered, "dim"))
            answer = answers.get(question.question, "")
            self._say(Span("      answered   "), *spans(answer or "no answer", "bold" if answer else "yellow"))

    def said(self, text: str) -> None:
        """The agent's own words."""
        for line in text.strip().splitlines():
            self._say(Span("agent  ", "dim"), *spans(line, "dim"))

    def asked(self, request: ReviewRequest) -> None:
        typed = f', and the phrase "{request.typed}" is typed' if request.typed else ""
        self._say(Span("      asked      "), *spans(f"a reviewer is shown what it does{typed}"))

    def _decision(self, event: Event) -> None:
        document, decision = event.input, event.result
        if not isinstance(document, Document) or not isinstance(decision, Decision):
            return
        seen = Seen(
            id=event.decision_id,
            call_id=event.call_id,
            tool=event.tool,
            what=what(document),
            input=document.call.input,
            verdict=str(decision.verdict),
            risk=str(decision.risk),
            rule=decision.reasons[0].rule if decision.reasons else "",
            reason=decision.reason,
            by="policy" if event.decided_by == "policy" else "the guard, failing closed",
        )
        again = event.decision_id in self.calls
        self.calls[event.decision_id] = seen
        number = len(self.calls)
        if not self._quiet and not again:
            click.echo()
        self._say(Span(f"{number:3}   "), *spans(seen.tool, "bold"), Span("  "), *spans(seen.what))
        self._say(
            *(Span("      "), verdict(seen.verdict), Span("      risk "), output.risk(seen.risk), Span("  ")),
            *(*spans(seen.reason), *spans(f"  [{seen.rule}]", "dim")),
        )
        if seen.verdict != "ask":
            self._say(Span("      decided by "), *spans(seen.by))

    def _review(self, event: Event) -> None:
        seen = self.calls.get(event.decision_id)
        words = event.result.get("reason", "") if isinstance(event.result, dict) else ""
        refused = event.detail.get("refused", "") if isinstance(event.detail, dict) else ""
        if seen is not None:
            seen.by = f"reviewer {event.reviewer}" if event.result else "the guard, failing closed"
            seen.said = str(event.verdict)
        styles = {"approve": "green", "reject": "red", "edit": "yellow"}
        self._say(
            *(Span("      decided by "), *spans(f"reviewer {event.reviewer}: ")),
            *(Span(str(event.verdict), styles.get(event.verdict, "red")), *spans(f"  {words or refused}", "dim")),
        )

    def _outcome(self, event: Event) -> None:
        seen = self.calls.get(event.decision_id)
        if seen is not None:
            seen.ended = event.outcome
        how = {"ran": "it ran", "failed": "it ran, and failed", "blocked": "it did not run"}.get(event.outcome, "")
        self._say(Span("      "), Span(how, _ENDINGS.get(event.outcome, "")))

    def _say(self, *line: Span) -> None:
        if not self._quiet:
            say(*line, hanging=17)


def what(document: Document) -> str:
    """The call in a few words: the field that matters most of its input."""
    given = document.call.input
    for name in ("command", "file_path", "notebook_path", "pattern", "url", "query", "path", "prompt"):
        if isinstance(given.get(name), str):
            return _relative(str(given[name]), document.context.cwd)
    questions = given.get("questions")
    if isinstance(questions, list) and questions and isinstance(questions[0], dict):
        return str(questions[0].get("question", ""))
    return " ".join(f"{name}={value}" for name, value in given.items())[:200]


def _relative(text: str, cwd: str) -> str:
    return text.removeprefix(f"{cwd}/") if cwd else text
