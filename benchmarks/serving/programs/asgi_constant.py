"""The floor: uvicorn alone. The body is read and thrown away, the answer is always the same bytes."""

from typing import Any

_BODY = b'{"predictions":[{"price":1.0}]}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())],
}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer every request alike."""
    if scope["type"] != "http":
        raise NotImplementedError
    while (await receive()).get("more_body", False):
        pass
    await send(_START)
    await send({"type": "http.response.body", "body": _BODY})
