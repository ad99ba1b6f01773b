"""What Rego says of a call."""

from __future__ import annotations

from typing import Any

import msgspec

from hitl_opa.model.words import Risk, Verdict


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a decision came out as it did: one rule's opinion.

    ``floor`` marks an ask that no waiver and no autonomy level removes; ``waives`` names the rules
    whose asks this reason removes.
    """

    rule: str
    pack: str
    verdict: Verdict
    risk: Risk
    message: str
    remedy: str = ""
    floor: bool = False
    waives: list[str] = []


class Obligation(msgspec.Struct, frozen=True, kw_only=True):
    """Something the enforcement point must do, in the shape of AuthZEN's Obligations profile."""

    id: str
    type: str
    properties: dict[str, Any] = {}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy decided: a hash over Rego, data, program data and package version."""

    revision: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What Rego says of a call: ``data.hitl.main.decision``. ``waived`` lists the rules whose asks were removed."""

    verdict: Verdict
    risk: Risk
    reason: str
    reasons: list[Reason] = []
    waived: list[str] = []
    obligations: list[Obligation] = []
    policy: Policy = Policy()

    def obligation(self, type: str) -> Obligation | None:
        """The obligation of this type, or None; the combining leaves at most one of each."""
        return next((o for o in self.obligations if o.type == type), None)
