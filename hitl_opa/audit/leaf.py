"""What one record is: the event, its leaf in the tree, and its payload beside it.

The leaf is canonical JSON in the shape of OPA's decision-log event (``labels``, ``decision_id``,
``bundles``, ``path``, ``requested_by``, ``timestamp``, ``metrics``) with ours under ``hitl``. It
holds names, numbers, enumerations and digests only. Everything that may hold somebody's data (the
input document, the result with its messages, comments, errors) is the *payload*, stored apart; the
leaf commits to it with SHA-256 over a random salt and the canonical payload. Erasing payload and
salt leaves every proof valid and the commitment tells nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec

from hitl_opa.audit.canonical import canonical, canonical_clean, unescaped
from hitl_opa.model import Decision, Document

LEAF_VERSION = 1
SALT_BYTES = 32
MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading a leaf raises that somebody made something else of."""
UNNAMED = "agent"  # what an agent is called that neither settings nor a principal name
DECISION_PATH = "hitl/main/decision"

Redact = Callable[[Any], Any]
"""Takes a JSON-like value (dicts, lists, strings, numbers) and returns it with secrets replaced."""

Suspect = Callable[[str], bool]
"""Takes the text of a JSON value, escapes resolved: whether its `Redact` may find something in it."""


class Kind(StrEnum):
    """What happened."""

    DECISION = "decision"  # policy (or the guard, failing closed) decided
    REVIEW = "review"  # a human answered
    APPROVAL = "approval"  # a durable approval changed its state
    OUTCOME = "outcome"  # the call ran, failed or was blocked
    PERMISSION_REQUEST = "permission_request"  # the host asked by itself
    ERASURE = "erasure"  # payloads were erased
    NOTE = "note"  # anything else worth keeping


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to record. Empty fields are left out of the leaf.

    ``decision_id`` ties the records of one call together, ``call_id`` is the host's id of the call.
    ``verdict`` and ``risk``: as decided (a review: what the reviewer said, e.g. ``approve``, ``edit``).
    ``decided_by``: ``policy``, ``guard`` (failed closed) or ``reviewer``; ``reviewer`` names the human.
    ``digest``: of the call decided on or run. ``seen``: of what the reviewer was shown.
    ``elapsed_ms``: how long it took to decide, to look, or to run.
    ``outcome``: ``ran``, ``failed`` or ``blocked``. ``matches``: whether the input that ran is the one
    approved, None where nothing ran. ``metrics``: numbers, named as OPA names them
    (``timer_…_ns``). ``extra``: anything else that must survive erasure.
    ``input``, ``result`` and ``detail`` (JSON-like or msgspec values) make up the payload.
    """

    kind: Kind
    decision_id: str = ""
    call_id: str = ""
    tool: str = ""
    session: str = ""
    agent: str = ""
    principal: str = ""
    mode: str = ""
    level: int = 0
    verdict: str = ""
    risk: str = ""
    rules: list[str] = []
    decided_by: str = ""
    reviewer: str = ""
    digest: str = ""
    seen: str = ""
    elapsed_ms: float = 0.0
    outcome: str = ""
    matches: bool | None = None
    revision: str = ""
    metrics: dict[str, float] = {}
    extra: dict[str, Any] = {}
    input: Any = None
    result: Any = None
    detail: Any = None
    timestamp: str = ""

    @classmethod
    def decision(
        cls,
        document: Document,
        decision: Decision,
        *,
        decision_id: str,
        decided_by: str = "policy",
        digest: str = "",
        elapsed_ms: float = 0.0,
        metrics: dict[str, float] | None = None,
        detail: Any = None,
        extra: dict[str, Any] | None = None,
    ) -> Event:
        """The record of what was decided on this input document."""
        return cls(
            kind=Kind.DECISION,
            decision_id=decision_id,
            call_id=document.call.id,
            tool=document.call.tool,
            session=document.agent.session,
            agent=document.agent.id,
            principal=document.agent.principal,
            mode=document.agent.mode,
            level=document.agent.level,
            verdict=decision.verdict,
            risk=decision.risk,
            rules=[reason.rule for reason in decision.reasons],
            decided_by=decided_by,
            digest=digest,
            elapsed_ms=elapsed_ms,
            revision=decision.policy.revision,
            metrics=metrics or {},
            input=document,
            result=decision,
            detail=detail,
            extra=extra or {},
        )


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record went: its stream, its place there and its leaf hash (hex)."""

    stream: str
    seq: int
    leaf_hash: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record as stored. ``leaf`` is the OPA-shaped event, ``payload`` None where there is none or it was erased."""

    id: int
    stream: str
    seq: int
    leaf: dict[str, Any]
    payload: dict[str, Any] | None

    def get(self, name: str, default: Any = "") -> Any:
        """A field of `Event` as recorded (``verdict``, ``tool`` …), ``default`` where it was empty."""
        return self.leaf["hitl"].get(name, default)

    @property
    def kind(self) -> str:
        return str(self.get("kind"))

    @property
    def timestamp(self) -> str:
        """RFC 3339 in UTC, nanoseconds."""
        return str(self.leaf["timestamp"])


class Sealed(msgspec.Struct, frozen=True):
    """An event ready to take its place in a stream: redacted, timed, committed to."""

    leaf: dict[str, Any]  # decoded from its canonical text: nobody else holds a part of it
    salt: bytes | None
    payload: bytes | None


_OURS = (
    *("call_id", "tool", "session", "agent", "mode", "level", "verdict", "risk", "rules", "decided_by", "reviewer"),
    *("digest", "seen", "elapsed_ms", "outcome", "extra"),
)


def timestamp(ns: int) -> str:
    """Nanoseconds since the epoch as RFC 3339 in UTC."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest:09d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def commitment(salt: bytes, payload: bytes) -> str:
    return sha256(salt + payload).hexdigest()


def commits(promised: str, salt: bytes, payload: bytes) -> bool:
    """Whether a leaf's commitment is to this payload; a salt of another length could have swallowed a part of it."""
    return len(salt) == SALT_BYTES and commitment(salt, payload) == promised


def seal(event: Event, *, salt: bytes, redact: Redact | None, suspect: Suspect | None = None) -> Sealed:
    """Redact the event, encode its payload and commit to it.

    ``redact`` sees plain JSON, whatever the caller handed in, unless ``suspect`` says of its text that
    there is nothing to find. Both may raise; then nothing is recorded.
    """
    ours: dict[str, Any] = {"kind": Kind(event.kind).value, "version": LEAF_VERSION}
    ours.update((name, value) for name in _OURS if (value := getattr(event, name)))
    if event.matches is not None:
        ours["matches"] = event.matches
    payload = {name: value for name in ("input", "result", "detail") if (value := getattr(event, name)) is not None}
    leaf: dict[str, Any] = {"hitl": ours, "timestamp": event.timestamp or timestamp(time.time_ns())}
    if ours["kind"] == Kind.DECISION:
        leaf["path"] = DECISION_PATH
    if event.decision_id:
        leaf["decision_id"] = event.decision_id
    if event.revision:
        leaf["bundles"] = {"hitl": {"revision": event.revision}}
    if event.principal:
        leaf["requested_by"] = event.principal
    if event.metrics:
        leaf["metrics"] = event.metrics
    text, encoded = canonical(leaf), canonical(payload) if payload else None
    leaf = msgspec.json.decode(text)
    if redact is not None and (suspect is None or suspect(unescaped(f"{text.decode()}\n{(encoded or b'').decode()}"))):
        seen = redact({"leaf": leaf, "payload": msgspec.json.decode(encoded or b"{}")})
        leaf, payload = seen["leaf"], seen["payload"]
        encoded = canonical_clean(payload) if payload else None
    if encoded is not None:
        leaf["hitl"]["commitment"] = commitment(salt, encoded)
    return Sealed(leaf, None if encoded is None else salt, encoded)


def encode(sealed: Sealed, *, stream: str, seq: int, prev: bytes, labels: dict[str, str]) -> bytes:
    """The leaf's bytes at its place. ``prev`` is the tree head before it: a chain beside the tree."""
    ours = {**sealed.leaf["hitl"], "stream": stream, "seq": seq, "prev": prev.hex()}
    return canonical_clean({**sealed.leaf, "hitl": ours, "labels": labels})
