"""The OPA client against servers that misbehave: each ends in an error of the right kind, in time."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hitl_opa.engines import open_opa
from hitl_opa.errors import ConfigError, EngineError, EngineTimeout, EngineUnavailable, Undefined

DOCUMENT = b'{"call": {}}'


class Server:
    """Answers every POST with ``reply(handler)``; counts them."""

    def __init__(self, reply: Callable[[BaseHTTPRequestHandler], None]) -> None:
        seen: list[tuple[str, Any, str]] = []
        self.seen = seen

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                seen.append((self.path, json.loads(body), self.headers.get("authorization", "")))
                reply(self)

            def log_message(self, *_: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"


def answer(body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> Any:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-type", kind)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


@pytest.fixture
def serve() -> Iterator[Callable[[Any], Server]]:
    servers: list[Server] = []

    def start(reply: Any) -> Server:
        servers.append(Server(reply))
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


async def ask(url: str, **arguments: Any) -> bytes:
    engine = open_opa(url, **{"timeout": 2.0, **arguments})
    try:
        return await engine.evaluate(DOCUMENT)
    finally:
        await engine.close()


async def test_asks_once_strictly_and_with_the_token(serve: Any) -> None:
    server = serve(answer(b'{"result": {"verdict": "deny"}}'))
    assert json.loads(await ask(server.url, token="s3cret")) == {"verdict": "deny"}
    ((path, body, authorization),) = server.seen
    assert path.startswith("/v1/data/hitl/main/decision?")
    assert "strict-builtin-errors=true" in path
    assert body == {"input": {"call": {}}}
    assert authorization == "Bearer s3cret"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{}", Undefined),
        (b'{"result": null}', EngineError),
        (b'{"result": "allow"}', EngineError),
        (b'{"result": ["allow"]}', EngineError),
        (b'[{"result": {}}]', EngineError),
        (b'"allow"', EngineError),
        (b"", EngineError),
        (b"allow", EngineError),
        (b'{"result": {"verdict": "allow"', EngineError),
        (b'{"result": {"a": "\xff"}}', EngineError),
    ],
)
async def test_an_answer_that_is_no_decision(serve: Any, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await ask(serve(answer(body)).url)


@pytest.mark.parametrize("status", [204, 301, 302, 400, 401, 404, 429, 500, 502, 503, 504])
async def test_any_other_status_is_an_error_and_not_tried_again(serve: Any, status: int) -> None:
    server = serve(answer(b"" if status == 204 else b'{"code": "internal_error"}', status))
    with pytest.raises(EngineError):
        await ask(server.url)
    assert len(server.seen) == 1


async def test_a_web_page_is_no_decision(serve: Any) -> None:
    with pytest.raises(EngineError):
        await ask(serve(answer(b"<html>login</html>", 200, "text/html")).url)


async def test_nobody_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(EngineUnavailable, match="cannot be reached"):
        await ask(url)
    engine = open_opa(url)
    with pytest.raises(EngineUnavailable):
        await asyncio.to_thread(engine.evaluate_sync, DOCUMENT)
    await asyncio.to_thread(engine.close_sync)


async def test_the_connection_breaks(serve: Any) -> None:
    server = serve(lambda handler: handler.connection.close())
    with pytest.raises(EngineUnavailable):
        await ask(server.url)
    assert len(server.seen) == 1


async def test_too_slow_is_a_timeout_in_time(serve: Any) -> None:
    server = serve(lambda _: time.sleep(3))
    started = time.monotonic()
    with pytest.raises(EngineTimeout, match=r"within 0\.3 s"):
        await ask(server.url, timeout=0.3)
    assert time.monotonic() - started < 2


async def test_a_drip_does_not_extend_the_deadline(serve: Any) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.end_headers()
        try:
            for _ in range(40):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.1)
        except OSError:
            return

    engine = open_opa(serve(drip).url, timeout=0.5)
    started = time.monotonic()
    with pytest.raises(EngineTimeout):
        await asyncio.to_thread(engine.evaluate_sync, DOCUMENT)
    assert time.monotonic() - started < 2
    await engine.close()


async def test_recovers_when_the_server_does(serve: Any) -> None:
    replies = [answer(b"", 500), answer(b'{"result": {"verdict": "ask"}}')]

    def reply(handler: BaseHTTPRequestHandler) -> None:
        replies.pop(0)(handler)

    server = serve(reply)
    engine = open_opa(server.url, timeout=2)
    with pytest.raises(EngineError):
        await engine.evaluate(DOCUMENT)
    assert json.loads(await engine.evaluate(DOCUMENT)) == {"verdict": "ask"}
    await engine.close()


async def test_cancelling_the_caller_cancels_the_question(serve: Any) -> None:
    engine = open_opa(serve(lambda _: time.sleep(1)).url, timeout=5)
    task = asyncio.create_task(engine.evaluate(DOCUMENT))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await engine.close()


async def test_closing_fails_what_is_still_asked(serve: Any) -> None:
    engine = open_opa(serve(lambda _: time.sleep(1)).url, timeout=3)
    asked = asyncio.create_task(engine.evaluate(DOCUMENT))
    await asyncio.sleep(0.1)
    await engine.close()
    with pytest.raises((EngineError, asyncio.CancelledError)):
        await asyncio.wait_for(asked, 5)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8181", "ftp://x", "http://", "http://x:99999", "http://x/v1/data", "http://u:p@x", "http://x?a=b"],
)
def test_a_url_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError):
        open_opa(url)


def test_a_timeout_must_be_positive() -> None:
    with pytest.raises(ConfigError):
        open_opa("http://x", timeout=0)
