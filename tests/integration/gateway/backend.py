"""A revision's server as the gateway sees one: says what it received, or hangs; `/readyz` answers its health check.

It speaks HTTP as Rung's own servers do; `python backend.py --uds PATH`, or `--host` and `--port`, is one process of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from typing import Any

import uvicorn

from rung.serving._protocol import WholeAnswers


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    body = await read(receive)
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
    seen = {
        "revision": os.environ["REVISION"],
        "process": os.getpid(),
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "headers": headers,
        "body_bytes": len(body),
    }
    if "SEEN" in os.environ and scope["path"] != "/readyz":
        with open(os.environ["SEEN"], "a") as file:  # noqa: ASYNC230, PTH123  # a test's own diary
            file.write(json.dumps(seen) + "\n")
    await asyncio.sleep(float(headers.get("x-sleep-s", "0")))
    if headers.get("x-rung-route") == os.environ.get("HANGS_ON", ""):
        await asyncio.Event().wait()
    is_ready = headers.get("x-not-ready") != os.environ["REVISION"]
    answered = [(b"content-type", b"application/json"), (b"x-revision", os.environ["REVISION"].encode())]
    if not is_ready:
        answered.append((b"x-rung-not-ready", b"1"))
    await send({"type": "http.response.start", "status": 200 if is_ready else 503, "headers": answered})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


async def read(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--uds")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    uvicorn.run(app, **vars(parser.parse_args()), http=WholeAnswers, log_level="warning")
