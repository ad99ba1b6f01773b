"""The Messages API on the wire: one HTTP handler, plain replies and server-sent events."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hitl_opa.testing.turns import Block, Body

MODELS = {"data": [], "has_more": False, "first_id": None, "last_id": None}
USAGE = {"input_tokens": 10, "output_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}

Say = Callable[[Body], list[Block]]
"""What the model says to a request: finished blocks, ids and all."""


class Server(ThreadingHTTPServer):
    """Serves until it is shut down, and says nothing of clients that went away."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def handler(say: Say, answered: Callable[[], None]) -> type[BaseHTTPRequestHandler]:
    """A request handler whose model is ``say``; ``answered`` is called when a reply has left."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Silence: standard error belongs to the test."""

        def do_HEAD(self) -> None:
            self._json({})

        def do_GET(self) -> None:
            self._json(MODELS if self.path.startswith("/v1/models") else {})

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.partition("?")[0]
            if path == "/v1/messages/count_tokens":
                self._json({"input_tokens": max(1, len(raw) // 4)})
            elif path == "/v1/messages":
                self._message(json.loads(raw))
            else:
                self._json({})

        def _message(self, body: Body) -> None:
            try:
                message = _message(body, say(body))
                data = _events(message) if body.get("stream") else json.dumps(message).encode()
            except Exception as error:  # noqa: BLE001 - a broken script must end the run, with its reason
                problem = {"type": "invalid_request_error", "message": f"the script failed: {error!r}"}
                self._json({"type": "error", "error": problem}, 400)
                return
            self._send(data, "text/event-stream" if body.get("stream") else "application/json")
            answered()

        def _json(self, value: Any, status: int = 200) -> None:
            self._send(json.dumps(value).encode(), "application/json", status)

        def _send(self, data: bytes, kind: str, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    return Handler


def _message(body: Body, blocks: list[Block]) -> dict[str, Any]:
    return {
        "id": f"msg_{time.monotonic_ns()}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "scripted"),
        "content": blocks,
        "stop_reason": "tool_use" if any(b["type"] == "tool_use" for b in blocks) else "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
    }


def _events(message: dict[str, Any]) -> bytes:
    """The message as the stream of events that a real model would send."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    ]
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            start: Block = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events += [
            {"type": "content_block_start", "index": index, "content_block": start},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events += [{"type": "message_delta", "delta": end, "usage": USAGE}, {"type": "message_stop"}]
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()
