"""Work that follows from a change to an approval, done at least once, by whichever worker takes it."""

from __future__ import annotations

from typing import Protocol

import msgspec

NOTIFY = "notify"  # somebody has to be told what is so now
RESUME = "resume"  # a session that waits can go on


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of work on one approval. Times are seconds since the epoch.

    There is at most one job of a kind for an approval: it says that something changed, not what, so its
    handler looks at the approval as it is now. ``wanted`` counts the changes; one that comes while the job
    is being done has it done again. ``attempt`` grows each time a worker takes it: the worker with a
    smaller number than the job has lost it. ``failures``: how often in a row it failed, with ``error`` the
    last time; a ``dead`` one is not tried any more.
    """

    kind: str
    approval: str
    wanted: int
    attempt: int
    failures: int
    run_at: float
    lease_until: float
    error: str
    dead: bool


class Handler(Protocol):
    """Does a kind of job. Raises where it could not be done: it is tried again later.

    It may be called again for what was done already, when its worker died before it could say so, and is
    cancelled when another worker has the job.
    """

    async def __call__(self, job: Job) -> None: ...
