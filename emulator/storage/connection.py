"""One HTTP/1.1 connection: reads requests off the socket, hands them to the router, writes responses."""

from __future__ import annotations

import io
import logging
import os
import socket
import struct
import zlib
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer
from typing import cast

from emulator.storage.errors import StorageError, bad_request
from emulator.storage.faults import ResetRequested
from emulator.storage.messages import Body, ChunkedBody, ClientGone, Request, Response, SizedBody, error_response
from emulator.storage.routing import Router

LOG = logging.getLogger(__name__)

# A response's headers and a small body leave in one packet.
_WRITE_BUFFER_BYTES = 1 << 16


class Connection(BaseHTTPRequestHandler):
    """Serves the requests of one connection, one after another, in the thread that socketserver gave it."""

    protocol_version = "HTTP/1.1"
    server_version = "ReviewmillStorage"
    disable_nagle_algorithm = True
    wbufsize = _WRITE_BUFFER_BYTES

    def __init__(self, client: socket.socket, address: object, server: BaseServer, router: Router, url: str) -> None:
        self._router = router
        self._url = url
        # The base class serves the whole connection in its constructor.
        super().__init__(client, address, server)

    def serve(self) -> None:
        """Serve one request; the base class calls it under the name of each method."""
        try:
            self._respond(self._body())
        except StorageError as error:
            self.close_connection = True
            self._send(error_response(error))
        except ResetRequested:
            self._reset()
        except (ClientGone, ConnectionError, zlib.error):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815 - named by the base class

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
        """Keep quiet: a line for each request would drown what the programs around say."""

    def _respond(self, body: Body) -> None:
        response = self._dispatch(body)
        try:
            # What the route left of the body must be taken before the next request can begin.
            for _ in body.chunks():
                pass
            self._send(response)
        finally:
            if response.close is not None:
                response.close()

    def _dispatch(self, body: Body) -> Response:
        # The email package's headers are found without regard to case, which no type of a mapping says.
        headers = cast("Mapping[str, str]", self.headers)
        try:
            request = Request.parse(self.command, self.path, headers, body, self._base_url())
            return self._router.dispatch(request)
        except StorageError as error:
            return error_response(error)
        except (ResetRequested, ClientGone, ConnectionError):
            raise
        except Exception as error:
            LOG.exception("storage: %s %s failed; this is a bug of the emulator", self.command, self.path)
            return error_response(StorageError(HTTPStatus.INTERNAL_SERVER_ERROR, "internalError", repr(error)))

    def _body(self) -> Body:
        headers: Message = self.headers
        source = cast(io.BufferedReader, self.rfile)
        length = headers.get("Content-Length")
        if "chunked" in (headers.get("Transfer-Encoding") or "").lower():
            return ChunkedBody(source)
        if length is not None and not (length.isascii() and length.isdigit()):
            raise bad_request("Malformed Content-Length.")
        return SizedBody(source, int(length or 0))

    def _base_url(self) -> str:
        """Return the address under which the client reached the server, which may not be the one it listens on."""
        host = self.headers.get("Host")
        return f"http://{host}" if host else self._url

    def _send(self, response: Response) -> None:
        length = len(response.body) if response.stream is None else response.length
        bodiless = self.command == "HEAD" or response.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
        chunked = length is None and self.request_version != "HTTP/1.0"
        self.send_response(response.status, _phrase(response.status))
        for name, value in response.headers:
            self.send_header(name, _header_value(value))
        if length is not None and response.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(length))
        elif chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif length is None:
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if not bodiless:
            self._send_body(response, chunked=chunked)
        self.wfile.flush()

    def _send_body(self, response: Response, *, chunked: bool) -> None:
        self.wfile.write(response.body)
        for chunk in response.stream or ():
            if chunked and chunk:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            elif not chunked:
                self.wfile.write(chunk)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        """End the connection with RST: closing a socket that lingers for zero seconds does that."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # close() would wait for the file objects made from the socket.
        os.close(self.connection.detach())


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"


def _header_value(value: str) -> str:
    """Make a value safe for a header: no line breaks, UTF-8 bytes for what is not Latin-1's."""
    return " ".join(value.split("\r\n")).replace("\n", " ").replace("\r", " ").encode("utf-8").decode("latin-1")
