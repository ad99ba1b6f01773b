"""Receivers of notifications on loopback, over real sockets: HTTP with prepared answers, Slack, and SMTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec


class Got(msgspec.Struct, frozen=True):
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


Reply = tuple[int, dict[str, str], bytes]


class HttpReceiver:
    """Keeps what it gets. ``reply`` makes the answers."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.reply: Callable[[Got], Reply] = lambda _: (200, {}, b"{}")
        self.waiter: Callable[[], object] = lambda: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                receiver.got.append(got)
                status, headers, answer = receiver.reply(got)
                receiver.waiter()
                self.send_response(status)
                for name, value in {"content-length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def arriving(self, loop: asyncio.AbstractEventLoop) -> asyncio.Event:
        """Set once the next request arrives."""
        arrived = asyncio.Event()
        self.waiter = lambda: loop.call_soon_threadsafe(arrived.set)
        return arrived

    def arrived(self) -> threading.Event:
        """`arriving`, for threads."""
        event = threading.Event()
        self.waiter = event.set
        return event

    @contextmanager
    def running(self) -> Iterator[HttpReceiver]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class FakeSlack(HttpReceiver):
    """Plays the part of Slack's Web API that messages need; keeps every message as it stands now."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, dict[str, Any]] = {}
        self.asides: list[dict[str, Any]] = []
        self.fails: list[Reply] = []
        self.loses_answers = 0
        self.reply = self._api

    def _api(self, got: Got) -> Reply:
        if self.fails:
            return self.fails.pop(0)
        if got.headers.get("authorization") != "Bearer xoxb-test":
            return self._answer({"ok": False, "error": "invalid_auth"})
        method = got.path.removeprefix("/api/").partition("?")[0]
        if method == "conversations.history":
            return self._answer({"ok": True, "messages": [{"ts": ts, **m} for ts, m in self.messages.items()]})
        said = got.json
        if method == "chat.postMessage":
            ts = f"{1_700_000_000 + len(self.messages)}.000100"
            self.messages[ts] = said
        elif method == "chat.update":
            ts = said["ts"]
            if ts not in self.messages:
                return self._answer({"ok": False, "error": "message_not_found"})
            self.messages[ts] = {**self.messages[ts], **said}
        elif method == "chat.postEphemeral":
            self.asides.append(said)
            return self._answer({"ok": True, "message_ts": "1"})
        else:
            return self._answer({"ok": False, "error": "unknown_method"})
        if self.loses_answers:
            self.loses_answers -= 1
            return 502, {}, b""
        return self._answer({"ok": True, "channel": said["channel"], "ts": ts})

    def _answer(self, value: Any) -> Reply:
        return 200, {"content-type": "application/json"}, msgspec.json.encode(value)


class MailReceiver:
    """An SMTP server that keeps what it gets; ``refuses`` answers in place of taking it."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.refuses: list[str] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuses:
            return self.refuses.pop(0)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.got.append(mail)
        return "250 OK"

    @contextmanager
    def running(self) -> Iterator[MailReceiver]:
        from aiosmtpd.smtp import SMTP

        self._thread.start()
        starting = self._loop.create_server(lambda: SMTP(self, loop=self._loop), "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._stop(server), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        await server.wait_closed()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
