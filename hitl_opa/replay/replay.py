"""The replay itself: one call after another through an engine, in this process or in several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice

import msgspec

from hitl_opa.errors import EngineError, HitlError
from hitl_opa.model import Engine
from hitl_opa.replay.recorded import Recorded, Said, read_decision

_BATCH = 500  # calls that a worker gets at a time
_MALFORMED = "main.malformed-input"

Opening = Callable[[], Engine]
"""Opens the engine of the policy to replay through; run in each worker."""


class Replayed(msgspec.Struct, frozen=True):
    """A call and what the other policy says of it; ``said`` is None where it could not be asked, for ``why_not``."""

    call: Recorded
    said: Said | None
    why_not: str = ""


class Replay:
    """Puts calls to an engine. ``level`` stands in for the autonomy level that was recorded (0: as it was)."""

    def __init__(self, engine: Engine, *, level: int = 0) -> None:
        self._engine = engine
        self._level = level

    def one(self, call: Recorded) -> Replayed:
        """What the engine says. An engine that fails denies, as the guard would; a call that lacks what the
        policy needs was not replayed."""
        if call.why_not:
            return Replayed(call, None, call.why_not)
        document = call.document if not self._level else _at(call.document, self._level)
        try:
            said = read_decision(self._engine.evaluate_sync(document))
        except EngineError as error:
            return Replayed(call, Said(verdict="deny", risk="critical", rules=(f"engine: {error}",)))
        if _MALFORMED in said.rules and not (call.said and _MALFORMED in call.said.rules):
            return Replayed(call, None, "this policy needs what its input document does not have")
        return Replayed(call, said)

    def all(self, calls: Iterable[Recorded]) -> Iterator[Replayed]:
        """`one` of each, in order."""
        return map(self.one, calls)


def replay_in(jobs: int, opening: Opening, calls: Iterable[Recorded], *, level: int = 0) -> Iterator[Replayed]:
    """`Replay.all` in so many processes, in order. Raises HitlError where the policy does not load."""
    batches = iter(partial(_batch, iter(calls)), [])
    with multiprocessing.get_context("spawn").Pool(jobs, _open, (opening, level)) as pool:
        waiting = [pool.apply_async(_run, (batch,)) for batch in islice(batches, 2 * jobs)]
        while waiting:
            done = waiting.pop(0).get()
            waiting += [pool.apply_async(_run, (batch,)) for batch in islice(batches, 1)]
            yield from done


def _batch(calls: Iterator[Recorded]) -> list[Recorded]:
    return list(islice(calls, _BATCH))


_worker: list[Replay | HitlError] = []


def _open(opening: Opening, level: int) -> None:
    """In a new worker. A worker that fails here would be started again for ever: the error is told later."""
    try:
        _worker.append(Replay(opening(), level=level))
    except HitlError as error:
        _worker.append(error)


def _run(batch: list[Recorded]) -> list[Replayed]:
    mine = _worker[0]
    if isinstance(mine, HitlError):
        raise mine
    return [mine.one(call) for call in batch]


def _at(document: bytes, level: int) -> bytes:
    value = msgspec.json.decode(document)
    value["agent"]["level"] = level
    return msgspec.json.encode(value)
