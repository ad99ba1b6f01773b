"""When a log signs for its records, and where it hands the checkpoints on to."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hitl_opa.audit.checkpoint import Checkpoint, checkpoint
from hitl_opa.audit.leaf import timestamp
from hitl_opa.errors import AuditError

if TYPE_CHECKING:
    from hitl_opa.audit.anchors import Anchor
    from hitl_opa.audit.keys import Keys
    from hitl_opa.audit.log import AuditLog
    from hitl_opa.audit.merkle import Tree
    from hitl_opa.audit.notes import Signer

_log = logging.getLogger("hitl_opa.audit")


class Notary:
    """Signs for the stream of one `AuditLog`: every so many records, so many seconds after one, and on close.

    The signature is made from the tree that the writer has in memory, not from what stands in the
    database, and stored in the transaction of the record that it covers. Anchors get checkpoints from
    a thread, as they may be slow; a failing one is logged and tried again with the next checkpoint.
    """

    def __init__(self, keys: Keys, *, every: int = 1000, seconds: float = 60.0, anchors: Sequence[Anchor] = ()) -> None:
        self._keys = keys
        self._every = every
        self._seconds = seconds
        self.anchors = anchors
        self._covered = 0
        self._timer: threading.Timer | None = None  # waits
        self._running: threading.Thread | None = None  # is at work
        self._publishing = threading.Lock()
        self.signers()  # a notary that cannot sign is no notary

    def signers(self) -> list[Signer]:
        """Who signs now. Raises AuditError where nobody does."""
        found = self._keys.signers()
        if not found:
            raise AuditError(f"audit keys {self._keys.path}: none of them signs any more; hitl-opa audit key rotate")
        return found

    def sign(self, stream: str, size: int, root: bytes) -> Checkpoint:
        """The checkpoint of a tree of this size and root."""
        return checkpoint(stream, size, root, time=timestamp(time.time_ns()), signers=self.signers())

    def due(self, stream: str, tree: Tree) -> Checkpoint | None:
        """The checkpoint to store together with the record that made this tree, if it is time for one."""
        return self.sign(stream, tree.size, tree.root()) if tree.size - self._covered >= self._every else None

    def last(self, stream: str, tree: Tree | None) -> Checkpoint | None:
        """The checkpoint of all there is, if the one before does not say as much."""
        return self.sign(stream, tree.size, tree.root()) if tree is not None and tree.size > self._covered else None

    def stored(self, log: AuditLog, signed: Checkpoint | None) -> None:
        """A record is on the disk, perhaps with a checkpoint; the clock for the next one runs."""
        self.covers(signed)
        if signed is None or self.anchors:
            self._start(log, 0.0 if signed is not None else self._seconds)

    def covers(self, signed: Checkpoint | None) -> None:
        """This one is on the disk."""
        if signed is not None:
            self._covered = signed.size

    def finish(self, log: AuditLog) -> None:
        """Do now what the thread was to do later; the log is about to close."""
        timer, running = self._timer, self._running
        if timer is not None:
            timer.cancel()
            timer.join()  # it may have begun before it was cancelled
        if running is not None:
            running.join()
        if timer is not None:
            self.tick(log)

    def forget(self) -> None:
        """This is a forked child now: it has no thread, and a stream of its own."""
        self._timer = self._running = None
        self._publishing = threading.Lock()
        self._covered = 0

    def _start(self, log: AuditLog, seconds: float) -> None:
        if self._timer is not None:
            if seconds:
                return
            self._timer.cancel()
        self._timer = threading.Timer(seconds, _tick, (weakref.ref(log), self))
        self._timer.daemon = True
        self._timer.start()

    def tick(self, log: AuditLog) -> None:
        """What the thread does: sign for what is not signed for, and hand it on."""
        self._timer = None
        try:
            log.checkpoint()
            self.publish(log)
        except AuditError as error:
            _log.warning("checkpoint not made or not anchored: %s", error)

    def run(self, log: AuditLog) -> None:
        """`tick`, in the thread."""
        self._running = threading.current_thread()
        try:
            self.tick(log)
        finally:
            self._running = None

    def publish(self, log: AuditLog) -> int:
        """Hand to each anchor the checkpoints that it has not seen; how many. Raises AuditError after trying all."""
        with self._publishing:  # or two at a time would hand on the same ones
            count, failed = 0, []
            for anchor in self.anchors:
                notes = log.unanchored(anchor.name)
                if not notes:
                    continue
                try:
                    anchor.put([note for _, _, note in notes])
                except AuditError as error:
                    failed.append(f"{anchor.name}: {error}")
                    continue
                log.anchored(anchor.name, {stream: size for stream, size, _ in notes})
                count += len(notes)
        if failed:
            raise AuditError("; ".join(failed))
        return count


def _tick(log: weakref.ref[AuditLog], notary: Notary) -> None:
    alive = log()
    if alive is not None:
        notary.run(alive)
