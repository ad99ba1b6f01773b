"""What each session has done so far: counters and taint, for rules about sequences."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from hitl_opa.model import Counters, Facts, Taint, Verb, Verdict

if TYPE_CHECKING:
    from hitl_opa.guard.ruling import Ruling

_OUTSIDE = {"public", "private", "unknown", "registry"}
_SECRET = {"credentials", "env-file"}


class _History:
    def __init__(self) -> None:
        self.counters = Counters()
        self.taint = Taint()
        self.seen: Counter[str] = Counter()


class Sessions:
    """Histories by session id; the least recently used go first. Calls without a session have none."""

    def __init__(self, limit: int = 10_000, digests: int = 1_000) -> None:
        self._limit = limit
        self._digests = digests
        self._histories: OrderedDict[str, _History] = OrderedDict()
        self._lock = threading.Lock()

    def before(self, session: str, digest: str) -> tuple[Counters, Taint]:
        """What stood before this call."""
        if not session:
            return Counters(), Taint()
        with self._lock:
            history = self._of(session)
            counters = history.counters
            return (
                Counters(
                    calls=counters.calls,
                    denied=counters.denied,
                    asked=counters.asked,
                    consecutive_denied=counters.consecutive_denied,
                    repeats=history.seen[digest],
                ),
                history.taint,
            )

    def after(self, ruling: Ruling) -> None:
        """Count a ruling. What it may bring in taints the session unless it was denied: erring that way is safe."""
        session = ruling.document.agent.session
        if not session:
            return
        verdict = ruling.decision.verdict
        with self._lock:
            history = self._of(session)
            old = history.counters
            denied = verdict is Verdict.DENY
            history.counters = Counters(
                calls=old.calls + 1,
                denied=old.denied + denied,
                asked=old.asked + (verdict is Verdict.ASK),
                consecutive_denied=old.consecutive_denied + 1 if denied else 0,
            )
            if ruling.digest in history.seen or len(history.seen) < self._digests:
                history.seen[ruling.digest] += 1
            if not denied:
                history.taint = _tainted(history.taint, ruling.document.facts)

    def _of(self, session: str) -> _History:
        history = self._histories.get(session)
        if history is None:
            history = self._histories[session] = _History()
            while len(self._histories) > self._limit:
                self._histories.popitem(last=False)
        else:
            self._histories.move_to_end(session)
        return history


def _tainted(taint: Taint, facts: Facts) -> Taint:
    untrusted, secrets = taint.untrusted, taint.secrets
    for effect in facts.effects:
        if effect.verb is Verb.RECEIVE and effect.target.place in _OUTSIDE:
            untrusted = True
        if effect.verb is Verb.READ and effect.target.place in _SECRET:
            secrets = True
    return Taint(untrusted=untrusted, secrets=secrets)
