"""Which function serves which method and path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from emulator.storage.errors import StorageError, not_implemented
from emulator.storage.faults import Faults
from emulator.storage.messages import Request, Response, decode_segment, error_response

Handler = Callable[..., Response]

_PARAMETER = re.compile(r"\{(\w+)(\*?)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path template: `{name}` stands for one encoded segment, `{name*}` for the rest of the path."""

    method: str
    template: str
    handler: Handler

    def pattern(self) -> re.Pattern[str]:
        """Return the template as a regular expression with one named group for each parameter."""
        pieces = _PARAMETER.split(self.template)
        pattern = ""
        for index in range(0, len(pieces) - 1, 3):
            literal, name, rest = pieces[index : index + 3]
            pattern += re.escape(literal) + f"(?P<{name}>{'.+' if rest else '[^/]+'})"
        return re.compile(pattern + re.escape(pieces[-1]))


class Router:
    """Finds the route of a request, asks for faults before and after it, and turns errors into responses."""

    def __init__(self, routes: Iterable[Route], faults: Faults) -> None:
        self._routes = [(route.method, route.pattern(), route.handler) for route in routes]
        self._faults = faults

    def dispatch(self, request: Request) -> Response:
        """Serve a request. Raises ResetRequested and ClientGone, which are no responses; other errors are bugs."""
        try:
            self._faults.consult(request.method, request.target, "before")
        except StorageError as error:
            return error_response(error)
        try:
            response = self._serve(request)
        except StorageError as error:
            response = error_response(error)
        try:
            spoiling = self._faults.consult(request.method, request.target, "after")
        except StorageError as error:
            _close(response)
            return error_response(error)
        except BaseException:
            _close(response)
            raise
        return self._faults.spoil(response, spoiling)

    def _serve(self, request: Request) -> Response:
        for method, pattern, handler in self._routes:
            if method == request.method:
                match = pattern.fullmatch(request.path)
                if match is not None:
                    return handler(request, **{key: decode_segment(value) for key, value in match.groupdict().items()})
        raise not_implemented(f"The embedded storage server does not implement {request.method} {request.path}.")


def _close(response: Response) -> None:
    if response.close is not None:
        response.close()
