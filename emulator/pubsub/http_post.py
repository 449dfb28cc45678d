"""One HTTP POST on the event loop. The standard library's clients block, and a blocked thread outlives the server."""

import asyncio
import contextlib
import ssl
from urllib.parse import SplitResult, urlsplit

NO_ANSWER = 0
_DRAIN_TIMEOUT_S = 1.0


async def post_json(url: str, body: bytes, timeout_s: float) -> int:
    """Send `body` as JSON and return the answer's status, or `NO_ANSWER` when none came within `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _exchange(urlsplit(url), body)
    except (OSError, TimeoutError, ValueError):
        return NO_ANSWER


async def _exchange(url: SplitResult, body: bytes) -> int:
    secure = url.scheme == "https"
    reader, writer = await asyncio.open_connection(
        url.hostname, url.port or (443 if secure else 80), ssl=ssl.create_default_context() if secure else None
    )
    try:
        writer.write(_head(url, len(body)) + body)
        await writer.drain()
        status = _status(await reader.readline())
        await _drain(reader)
        return status
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _head(url: SplitResult, length: int) -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    host = url.netloc.rpartition("@")[2]
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: CloudPubSub-Google",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "Connection: close",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def _status(line: bytes) -> int:
    """Return the code of a status line; raises ValueError for anything else."""
    version, code, *_ = line.split(maxsplit=2)
    if not version.startswith(b"HTTP/"):
        raise ValueError(f"not an HTTP answer: {line!r}")
    return int(code)


async def _drain(reader: asyncio.StreamReader) -> None:
    """Read what follows the status, so that closing does not reset the connection under the server's write."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_DRAIN_TIMEOUT_S):
            while await reader.read(65_536):
                pass
