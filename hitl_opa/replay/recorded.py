"""One recorded call: what policy saw of it, and what was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hitl_opa.errors import EngineError
from hitl_opa.model.document import DOCUMENT_VERSION

ERASED = "its payload was erased"
_FAILED = "the guard decided it without policy"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, as far as replay compares it. ``rules``: those that gave the verdict, most important first.

    ``quorum`` is how many people an ask wants.
    """

    verdict: str
    risk: str = ""
    rules: tuple[str, ...] = ()
    quorum: int = 0


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A call as recorded. ``document`` is its input document (JSON); ``said`` is None where nobody decided it.

    ``agent`` is the label of who recorded it, else the principal, else the agent's id.
    ``why_not`` says what keeps it from being replayed, and ``document`` is empty then.
    """

    id: str
    at: str = ""
    session: str = ""
    agent: str = ""
    tool: str = ""
    document: bytes = b""
    said: Said | None = None
    why_not: str = ""


class _Reason(msgspec.Struct):
    rule: str = ""
    verdict: str = ""


class _Obligation(msgspec.Struct):
    type: str = ""
    properties: dict[str, Any] = {}


class _Decision(msgspec.Struct):
    verdict: str
    risk: str = ""
    reasons: list[_Reason] = []
    obligations: list[_Obligation] = []


class _Payload(msgspec.Struct):
    """A payload of which only the ends are read: most of its text is handed on as it is."""

    input: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()


class _Nothing(msgspec.Struct):
    """Any object."""


class _Head(msgspec.Struct):
    """An input document, as far as it says what it is."""

    call: _Nothing
    version: Any = None


_decoder = msgspec.json.Decoder(_Decision)
_payloads = msgspec.json.Decoder(_Payload)
_heads = msgspec.json.Decoder(_Head)
_encoder = msgspec.json.Encoder()


def read_decision(raw: bytes) -> Said:
    """What an engine said. Raises EngineError where that is no decision."""
    try:
        return _said(_decoder.decode(raw))
    except msgspec.MsgspecError as error:
        raise EngineError(f"the decision has not the shape of one: {error}") from None


def convert_decision(value: Any) -> Said | None:
    """A decision that was recorded as JSON; None where it is none."""
    try:
        return _said(_decoder.decode(value) if isinstance(value, msgspec.Raw) else msgspec.convert(value, _Decision))
    except (msgspec.MsgspecError, RecursionError):
        return None


def document_of(value: Any) -> tuple[bytes, str]:
    """An input document as text, or why it cannot be replayed. ``value``: JSON-like, or its text (msgspec.Raw)."""
    try:
        text = bytes(value) if isinstance(value, msgspec.Raw) else _encoder.encode(value)
        head = _heads.decode(text)
    except (msgspec.MsgspecError, RecursionError, TypeError, UnicodeEncodeError):
        return b"", "its input is no input document"
    if head.version != DOCUMENT_VERSION:
        return b"", f"its input document has version {head.version!r}, not {DOCUMENT_VERSION!r}"
    return text, ""


def recorded(leaf: Mapping[str, Any], payload: Mapping[str, Any] | str | bytes | None) -> Recorded | None:
    """A record of the audit log; None where it is no decision. ``payload``: JSON-like, or its text."""
    ours = leaf["hitl"]
    if ours.get("kind") != "decision":
        return None
    given: Any
    result: Any
    if isinstance(payload, (str, bytes)):
        parts = _payloads.decode(payload)
        given, result = parts.input, parts.result
    else:
        given, result = (payload or {}).get("input"), (payload or {}).get("result")
    said = convert_decision(result)
    if said is None:
        said = Said(verdict=ours.get("verdict", ""), risk=ours.get("risk", ""), rules=tuple(ours.get("rules", ())))
    document, why_not = b"", ERASED
    if ours.get("extra", {}).get("canary"):
        why_not = "it was planted, to see whether people notice bad requests"
    elif ours.get("decided_by") == "guard":
        why_not = _FAILED
    elif payload is not None:
        document, why_not = document_of(given)
    return Recorded(
        id=str(leaf.get("decision_id", "")),
        at=str(leaf.get("timestamp", "")),
        session=str(ours.get("session", "")),
        agent=str(leaf.get("labels", {}).get("agent", "") or leaf.get("requested_by", "") or ours.get("agent", "")),
        tool=str(ours.get("tool", "")),
        document=document,
        said=said,
        why_not=why_not,
    )


def _said(decision: _Decision) -> Said:
    verdict, quorum = decision.verdict, 0
    for obligation in decision.obligations:
        if obligation.type == "approval" and isinstance(asked := obligation.properties.get("quorum"), int):
            quorum = max(quorum, asked)
    rules = tuple([r.rule for r in decision.reasons if r.verdict == verdict])
    return Said(verdict=verdict, risk=decision.risk, rules=rules, quorum=quorum)
