"""What people say of an agent when they are asked: 1 (no trust) to 5, apart from what they do."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.errors import ConfigError
from hitl_opa.metrics.trail import Rating

SCORES = (1, 2, 3, 4, 5)


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The latest rating of each person of each agent: how many, their mean (None: nobody), and how often each score."""

    n: int
    mean: float | None
    scores: dict[int, int]


def survey(ratings: Iterable[Rating]) -> Survey:
    """Sum up; who rates again changes their mind."""
    latest = {(rating.by, rating.agent): rating.score for rating in ratings}
    found = list(latest.values())
    mean = sum(found) / len(found) if found else None
    return Survey(n=len(found), mean=mean, scores={score: found.count(score) for score in SCORES})


def rate(audit: AuditLog, by: str, agent: str, score: int, note: str = "") -> None:
    """Put a rating on record. Raises ConfigError for a score that is none."""
    if score not in SCORES:
        raise ConfigError(f"a rating is 1 to 5, and not {score}")
    extra = {"rating": score, "rated": agent}
    audit.append(Event(kind=Kind.NOTE, reviewer=by, extra=extra, detail={"note": note} if note else None))
