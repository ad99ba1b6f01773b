"""The terminal itself: written to, read key by key or line by line, and left as it was found.

Keys are read on a thread that waits on the terminal and on a pipe, so the event loop stays free and
a cancelled review ends at once. Typed-ahead input is thrown away: a key pressed before the question
was on the screen is no answer to it.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import locale
import os
import select
import signal
import threading
from collections.abc import Iterator
from typing import Any, Self

from hitl_opa.errors import HitlError

COLUMNS = (40, 100)
_ESCAPE = "\x1b"
_CHECK_SECONDS = 0.5


class NoTerminal(HitlError):
    """There is no terminal to ask on, or it went away."""


class Tty:
    """An open terminal. A context manager: on leaving, the terminal is as it was."""

    def __init__(self, path: str, *, colour: bool | None = None, columns: int = 0) -> None:
        try:
            import termios
        except ImportError:
            raise NoTerminal("this system has no POSIX terminal to ask on") from None
        self._termios = termios
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        except OSError as error:
            raise NoTerminal(
                f"there is no terminal to ask on ({path}: {error.strerror}); run this in a terminal, "
                "or set the session unattended and policy decides without a human"
            ) from None
        try:
            self._saved: list[Any] = termios.tcgetattr(self._fd)
            self._wanted = self._saved
        except termios.error:
            os.close(self._fd)
            raise NoTerminal(f"{path} is no terminal") from None
        if self._background():
            os.close(self._fd)
            raise NoTerminal(f"this process runs in the background of {path} and cannot ask there")
        self.dumb = os.environ.get("TERM", "dumb") in {"", "dumb"}
        self.colour = (not self.dumb and not os.environ.get("NO_COLOR")) if colour is None else colour
        self.unicode = codecs.lookup(locale.getencoding()).name == "utf-8"
        self._columns = columns

    @property
    def columns(self) -> int:
        """How wide to write: as wide as the terminal, within reason."""
        found = self._columns
        if not found:
            with contextlib.suppress(OSError):
                found = os.get_terminal_size(self._fd).columns
        return min(max(found or 80, COLUMNS[0]), COLUMNS[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()
        os.close(self._fd)

    def restore(self) -> None:
        with contextlib.suppress(self._termios.error):  # it may be gone
            self._termios.tcsetattr(self._fd, self._termios.TCSADRAIN, self._saved)

    def write(self, text: str) -> None:
        """Write; what the terminal's encoding lacks is spelled out."""
        encoding = "utf-8" if self.unicode else "ascii"
        data = text.encode(encoding, "backslashreplace")
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                select.select([], [self._fd], [])
            except OSError as error:
                raise NoTerminal(f"the terminal went away: {error.strerror}") from None

    async def key(self) -> str:
        """One key that was pressed by itself, Enter as a line feed; pastes and escape sequences are thrown away."""
        while True:
            with self._mode(keys=not self.dumb):
                data = await self._read()
            if not data:
                raise NoTerminal("the terminal went away")
            text = data.decode(errors="replace").rstrip("\r\n") or "\n"
            if len(text) == 1 and text != _ESCAPE:
                return text

    async def line(self) -> str:
        """A line, edited as the terminal edits lines; ``""`` for an empty one or end of file."""
        with self._mode(keys=False):
            data = await self._read()
        return data.decode(errors="replace").rstrip("\r\n").strip()

    def flush(self) -> None:
        """Throw away what was typed and not read yet."""
        with contextlib.suppress(self._termios.error):
            self._termios.tcflush(self._fd, self._termios.TCIFLUSH)

    @contextlib.contextmanager
    def _mode(self, *, keys: bool) -> Iterator[None]:
        termios = self._termios
        mode = [*self._saved[:6], list(self._saved[6])]
        lines = termios.ICANON | termios.ECHO
        mode[0] |= termios.ICRNL
        mode[3] = mode[3] & ~lines if keys else mode[3] | lines
        mode[3] |= termios.ISIG  # Ctrl-C always works
        if keys:
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        self._wanted = mode
        try:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, mode)
        except termios.error as error:
            raise NoTerminal(f"the terminal went away: {error.args[-1]}") from None
        try:
            yield
        finally:
            self.restore()

    def _hold(self, ready: list[int]) -> None:
        """Take the mode back that a shell changed while this process was stopped (Ctrl-Z and ``fg``)."""
        if ready or self._background():
            return
        lines = self._termios.ICANON | self._termios.ECHO
        with contextlib.suppress(self._termios.error):
            if (self._termios.tcgetattr(self._fd)[3] ^ self._wanted[3]) & lines:
                self._termios.tcsetattr(self._fd, self._termios.TCSADRAIN, self._wanted)

    async def _read(self) -> bytes:
        """What is typed next, waited for on a thread that a cancellation wakes."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[bytes] = loop.create_future()
        waking, wake = os.pipe()

        def deliver(data: bytes | None, error: Exception | None) -> None:
            if result.done():
                return
            if error is not None:
                result.set_exception(NoTerminal(f"the terminal went away: {error}"))
            elif data is not None:
                result.set_result(data)

        def wait() -> None:
            data: bytes | None = None
            failed: Exception | None = None
            try:
                ready: list[int] = []
                while not ready:
                    ready, _, _ = select.select([self._fd, waking], [], [], _CHECK_SECONDS)
                    self._hold(ready)
                if waking not in ready:
                    data = os.read(self._fd, 65536)
            except (OSError, ValueError) as error:
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(deliver, data, failed)

        thread = threading.Thread(target=wait, name="hitl-opa-keys", daemon=True)
        thread.start()
        try:
            return await result
        finally:
            os.write(wake, b"x")
            thread.join()
            os.close(wake)
            os.close(waking)

    def _background(self) -> bool:
        """Whether asking would stop this process: a job in the background must not touch its terminal."""
        try:
            return os.tcgetpgrp(self._fd) != os.getpgrp()
        except OSError:
            return False  # not the controlling terminal: no job control

    async def run(self, argv: list[str]) -> int:
        """Run a program on this terminal (an editor); its exit code. A cancellation ends it."""
        process = await asyncio.create_subprocess_exec(*argv, stdin=self._fd, stdout=self._fd, stderr=self._fd)
        try:
            return await process.wait()
        except BaseException:
            await _end(process)
            raise
        finally:
            self.restore()


async def _end(process: Any) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(sign)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await process.wait()
                return
