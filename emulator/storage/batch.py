"""The batch endpoint: up to 100 metadata requests in one multipart request.

Format: https://cloud.google.com/storage/docs/batch
"""

from __future__ import annotations

import io
from email.message import Message
from email.parser import HeaderParser
from http import HTTPStatus

from emulator.storage.errors import StorageError, bad_request
from emulator.storage.messages import Request, Response, SizedBody, error_response
from emulator.storage.multipart import MultipartReader, boundary_of
from emulator.storage.routing import Route, Router

MAX_CALLS = 100
MAX_CALL_BYTES = 8 << 20

_BOUNDARY = "batch_reviewmill"


class BatchRoutes:
    """Serves the calls of a batch one after another through the router that serves single requests."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def routes(self) -> tuple[Route, ...]:
        """Return the table of routes."""
        return (Route("POST", "/batch/storage/v1", self.batch), Route("POST", "/batch", self.batch))

    def batch(self, request: Request) -> Response:
        """Serve the calls and answer their responses in the same order; one that fails does not stop the others."""
        calls = _calls(request)
        answers = [self._answer(request, headers, content) for headers, content in calls]
        body = b"".join(answers) + f"--{_BOUNDARY}--\r\n".encode("ascii")
        return Response(HTTPStatus.OK, (("Content-Type", f"multipart/mixed; boundary={_BOUNDARY}"),), body)

    def _answer(self, outer: Request, headers: dict[str, str], content: bytes) -> bytes:
        try:
            inner = _inner_request(outer, content)
            if "alt=media" in inner.target or inner.path.startswith(("/upload", "/download", "/batch")):
                raise bad_request("Uploads, downloads and batches are not allowed in a batch.")
            response = self._router.dispatch(inner)
        except StorageError as error:
            response = error_response(error)
        content_id = headers.get("content-id", "").strip("<>")
        lines = [f"--{_BOUNDARY}", "Content-Type: application/http"]
        if content_id:
            lines.append(f"Content-ID: <response-{content_id}>")
        lines += ["", f"HTTP/1.1 {response.status} {_phrase(response.status)}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        lines += [f"Content-Length: {len(response.body)}", "", ""]
        return "\r\n".join(lines).encode("utf-8") + response.body + b"\r\n"


def _calls(request: Request) -> list[tuple[dict[str, str], bytes]]:
    reader = MultipartReader(request.body.chunks(), boundary_of(request.headers.get("Content-Type", "")))
    calls: list[tuple[dict[str, str], bytes]] = []
    while (headers := reader.next_part()) is not None:
        content = b"".join(reader.part())
        if len(content) > MAX_CALL_BYTES or len(calls) >= MAX_CALLS:
            raise bad_request(f"A batch holds at most {MAX_CALLS} calls of at most {MAX_CALL_BYTES} bytes.")
        calls.append((headers, content))
    return calls


def _inner_request(outer: Request, content: bytes) -> Request:
    """Read an HTTP request that is the content of a part."""
    head, _, body = content.lstrip().replace(b"\r\n", b"\n").partition(b"\n\n")
    request_line, _, header_lines = head.decode("utf-8", errors="replace").partition("\n")
    words = request_line.split()
    if len(words) < len(("method", "target")):
        raise bad_request("A part of the batch is no HTTP request.")
    headers: Message = HeaderParser().parsestr(header_lines)
    return Request.parse(
        words[0], words[1], dict(headers.items()), SizedBody(io.BytesIO(body), len(body)), outer.base_url
    )


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
