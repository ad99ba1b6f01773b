"""Rego in an OPA server, through opa-python-client.

Nothing is retried: the caller's deadline is short, and a second try would be a second decision.
Built-in errors are errors (``strict-builtin-errors``), and no ``result`` is Undefined, never allow.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from hitl_opa.engines import ENTRYPOINT
from hitl_opa.errors import ConfigError, EngineError, EngineTimeout, EngineUnavailable, Undefined

if TYPE_CHECKING:
    from concurrent.futures import Future

_PARAMETERS = {"strict-builtin-errors": "true", "provenance": "true"}


class OpaEngine:
    """A policy evaluated by an OPA server; see `hitl_opa.engines.open_opa`. Safe to share between threads and loops."""

    def __init__(self, url: str, *, timeout: float = 1.0, token: str = "", entrypoint: str = ENTRYPOINT) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port or (443 if parts.scheme == "https" else 8181)
        except ValueError as error:
            raise ConfigError(f"OPA URL {url!r}: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ConfigError(f"OPA URL {url!r}: expected http://host:port or https://host:port")
        if parts.username or parts.password:
            raise ConfigError("OPA URL: credentials do not belong there; give a token")
        if timeout <= 0:
            raise ConfigError(f"OPA timeout must be positive, not {timeout}")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._url = f"{parts.scheme}://{host}:{port}"
        self._arguments: dict[str, Any] = {
            "host": host,
            "port": port,
            "ssl": parts.scheme == "https",
            "token": token or None,
            "retries": 0,
            "timeout": timeout,
        }
        self._timeout = timeout
        self._entrypoint = entrypoint
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None  # touched on the loop only
        self._closed = False
        self._seen = {"version": "", "revision": ""}

    async def evaluate(self, document: bytes, entrypoint: str = "") -> bytes:
        """Input document (JSON) in, decision document (a JSON object) out.

        Raises EngineUnavailable (unreachable, closed), EngineTimeout, Undefined, and EngineError for
        every other answer.
        """
        return await asyncio.wrap_future(self._submit(document, entrypoint))

    def evaluate_sync(self, document: bytes, entrypoint: str = "") -> bytes:
        """As `evaluate`, for callers that may block. Same deadline."""
        return self._submit(document, entrypoint).result()

    def describe(self) -> dict[str, str]:
        """``version`` and ``revision`` are what the server last said of itself, ``""`` before the first answer."""
        return {"engine": "opa", "url": self._url, **self._seen}

    async def close(self) -> None:
        if (closing := self._stop()) is not None:
            await asyncio.wrap_future(closing)

    def close_sync(self) -> None:
        """As `close`, for callers that may block."""
        if (closing := self._stop()) is not None:
            closing.result()

    async def _ask(self, document: bytes, entrypoint: str) -> bytes:
        import aiohttp

        asked = entrypoint or self._entrypoint
        try:
            value = msgspec.json.decode(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise EngineError(f"the input document is not JSON: {error}") from None
        try:
            async with asyncio.timeout(self._timeout):
                if self._client is None:
                    self._client = await self._connect()
                answer = await self._client.query_rule(value, asked.removeprefix("data."), query_params=_PARAMETERS)
        except TimeoutError:
            raise EngineTimeout(f"OPA at {self._url} did not answer within {self._timeout:g} s") from None
        except aiohttp.ClientConnectionError as error:
            raise EngineUnavailable(f"OPA at {self._url} cannot be reached: {error}") from None
        except aiohttp.ClientResponseError as error:
            raise EngineError(f"OPA at {self._url} answered {error.status} {error.message}") from None
        except Exception as error:  # noqa: BLE001 - whatever the client raises, it is no decision
            raise EngineError(f"OPA at {self._url}: {type(error).__name__}: {error}") from None
        return self._result(answer, asked)

    def _result(self, answer: Any, asked: str) -> bytes:
        if not isinstance(answer, dict):
            raise EngineError(f"OPA at {self._url} answered with no object")
        provenance = answer.get("provenance")
        if isinstance(provenance, dict):
            bundles = provenance.get("bundles")
            revisions = [str(b.get("revision", "")) for b in bundles.values()] if isinstance(bundles, dict) else []
            self._seen = {"version": str(provenance.get("version", "")), "revision": " ".join(sorted(revisions))}
        if "result" not in answer:
            raise Undefined(f"{asked} is undefined for this input")
        result = answer["result"]
        if not isinstance(result, dict):
            raise EngineError(f"{asked} is not an object: {str(result)[:80]}")
        return msgspec.json.encode(result)

    async def _connect(self) -> Any:
        from opa_client.opa_async import AsyncOpaClient

        client = AsyncOpaClient(**self._arguments)
        await client._init_session()
        return client

    def _submit(self, document: bytes, entrypoint: str) -> Future[bytes]:
        """Have the document judged on the engine's own loop, so one client and one deadline serve all callers.

        A connection belongs to the loop that opened it, and callers' loops come and go.
        """
        with self._lock:
            if self._closed:
                raise EngineUnavailable("the OPA engine is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=(self._loop,), name="hitl-opa engine", daemon=True).start()
            return asyncio.run_coroutine_threadsafe(self._ask(document, entrypoint), self._loop)

    def _stop(self) -> Future[None] | None:
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        return asyncio.run_coroutine_threadsafe(self._shut(loop), loop) if loop else None

    async def _shut(self, loop: asyncio.AbstractEventLoop) -> None:
        """What is still being asked fails as any broken connection does."""
        if self._client is not None:
            await self._client.close_connection()
        loop.call_soon(loop.stop)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    finally:
        loop.close()
