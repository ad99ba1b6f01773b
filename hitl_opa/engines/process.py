"""The embedded engine in a process of its own, which is killed where it is late and replaced where it dies.

For policies that one does not trust: regorus cannot be interrupted, and hostile Rego can crash it.
"""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, cast

from hitl_opa.engines import ENTRYPOINT
from hitl_opa.engines.embedded import VERSION
from hitl_opa.engines.worker import OK, POLICY, UNDEFINED, question, read_frame, write_frame
from hitl_opa.errors import EngineError, EngineTimeout, EngineUnavailable, PolicyError, Undefined

if TYPE_CHECKING:
    from collections.abc import Mapping

LOADING = 20.0  # seconds that policies may take to load
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from hitl_opa.engines.worker import main; main()"


class ProcessEngine:
    """A supervised `EmbeddedEngine`; see `hitl_opa.engines.open_isolated`. Safe to share between threads: one
    question at a time, and ``timeout`` (seconds) runs from when it is asked, waiting included."""

    def __init__(
        self,
        modules: Mapping[str, str],
        data: bytes = b"{}",
        *,
        revision: str = "",
        entrypoint: str = ENTRYPOINT,
        compiled: frozenset[str] = frozenset(),
        timeout: float = 1.0,
    ) -> None:
        start = {"modules": dict(modules), "data": data.decode(), "entrypoint": entrypoint}
        self._start = json.dumps({**start, "compiled": sorted(compiled)}).encode()
        self._revision = revision
        self._timeout = timeout
        self._lock = threading.Lock()
        self._closed = False
        self._worker: _Worker | None = _Worker(self._start)

    def evaluate_sync(self, document: bytes, entrypoint: str = "") -> bytes:
        """As `EmbeddedEngine.evaluate_sync`; EngineTimeout where it is late, EngineUnavailable where it died."""
        if not self._lock.acquire(timeout=self._timeout):
            raise EngineTimeout(f"the engine process was busy for {self._timeout:g} s")
        try:
            if self._closed:
                raise EngineUnavailable("the engine process is closed")
            if self._worker is None:
                self._worker = _Worker(self._start)
            try:
                answer = self._worker.ask(question(document, entrypoint), self._timeout)
            except BaseException:
                self._worker.kill()
                self._worker = None
                raise
        finally:
            self._lock.release()
        kind, content = answer[:1], answer[1:]
        if kind == OK:
            return content
        raise (Undefined if kind == UNDEFINED else EngineError)(content.decode(errors="replace"))

    async def evaluate(self, document: bytes, entrypoint: str = "") -> bytes:
        """As `evaluate_sync`, without blocking the loop."""
        return await asyncio.to_thread(self.evaluate_sync, document, entrypoint)

    def describe(self) -> dict[str, str]:
        return {"engine": "embedded", "version": VERSION, "revision": self._revision, "isolation": "process"}

    async def close(self) -> None:
        await asyncio.to_thread(self.close_sync)

    def close_sync(self) -> None:
        """Ends the process; waits for the question that it is at, at most until that is late."""
        with self._lock:
            self._closed = True
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()


class _Worker:
    """One process and the thread that reads its answers."""

    def __init__(self, start: bytes) -> None:
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._in = cast(BinaryIO, self._process.stdin)
        self._out = cast(BinaryIO, self._process.stdout)
        self._reader = threading.Thread(target=self._read, name="hitl-opa engine process", daemon=True)
        self._reader.start()
        try:
            answer = self.ask(start, LOADING)
        except BaseException as error:
            self.kill()
            if isinstance(error, EngineError):
                raise PolicyError(f"policies did not load: {error}") from None
            raise
        if answer[:1] == POLICY:
            self.kill()
            raise PolicyError(answer[1:].decode(errors="replace"))

    def ask(self, content: bytes, timeout: float) -> bytes:
        # A process that hangs does not read either: writing must not outlast the deadline.
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(timeout, end)
        watch.daemon = True
        watch.start()
        try:
            write_frame(self._in, content)
            answer = self._answers.get()  # the end of the process puts None there
        except OSError:
            answer = None
        finally:
            watch.cancel()
        if answer:
            return answer
        code = self._process.wait()
        if late.is_set():
            raise EngineTimeout(f"the engine process did not answer within {timeout:g} s and was ended")
        raise EngineUnavailable(f"the engine process died ({f'signal {-code}' if code < 0 else f'exit {code}'})")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._in, self._out):
            try:
                stream.close()
            except OSError:
                continue  # what was still to be flushed has nobody to read it

    def _read(self) -> None:
        while (frame := read_frame(self._out)) is not None:
            self._answers.put(frame)
        self._answers.put(None)
