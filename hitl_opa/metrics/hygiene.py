"""Which words of people are evidence: real reviews, of different calls, by people who are known to look."""

from __future__ import annotations

from collections.abc import Iterable

from hitl_opa.metrics.measures import catches, stamped
from hitl_opa.metrics.trail import Trail

CANARIES = 5  # a reviewer's planted requests before their catch rate says anything

STAMPED = "decided faster than anybody reads, or untimed"
BLIND = "by people who let planted requests pass"
AGAIN = "the same call again"
BATCH = "said together with others"


def real(trail: Trail) -> bool:
    """Whether this was a real review. What was rejected or edited always is: erring that way is safe."""
    return trail.choice != "approve" or (any(look.ms for look in trail.looks) and not stamped(trail))


def blind(trails: Iterable[Trail], catch: float) -> set[str]:
    """Reviewers who caught less than this share of the requests that were planted for them."""
    seen = catches(trails).items()
    return {who for who, caught in seen if caught.of >= CANARIES and caught.hits / caught.of < catch}


class Sieve:
    """Of approvals of the same call, and of those said in one batch, the first counts."""

    def __init__(self) -> None:
        self._calls: set[str] = set()
        self._batches: set[str] = set()

    def why_not(self, digest: str, batch: str, *, approved: bool) -> str:
        """Why this one says nothing new, ``""`` where it counts; what was not approved always does."""
        if approved and digest in self._calls:
            return AGAIN
        if approved and batch and batch in self._batches:
            return BATCH
        self._calls.add(digest)
        self._batches.add(batch)
        return ""
