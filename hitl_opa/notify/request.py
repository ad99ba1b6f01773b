"""What endpoints share: a body of bounded size, and who sent it."""

from __future__ import annotations

from starlette.requests import Request

from hitl_opa.errors import NotifyError

MAX_BODY = 1_000_000  # bytes


async def body_of(request: Request) -> bytes:
    """Raises NotifyError where it is over `MAX_BODY`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise NotifyError(f"the body is over {MAX_BODY} bytes")
    return bytes(body)


def address_of(request: Request) -> str:
    """Where the request came from, as far as this server sees."""
    return request.client.host if request.client else ""
