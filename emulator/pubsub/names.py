"""Resource names and pages: `projects/<project>/<collection>/<id>`.

Rules: https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names.
"""

import re
from collections.abc import Sequence
from typing import TypeVar

from emulator.pubsub.errors import invalid

_PROJECT = re.compile(r"projects/[^/]+\Z")
_ID = r"(?!goog)[A-Za-z][A-Za-z0-9\-._~%+]{2,254}"
_NAMES = {
    kind: re.compile(rf"projects/[^/]+/{kind}/{_ID}\Z") for kind in ("topics", "subscriptions", "snapshots", "schemas")
}
_DEFAULT_PAGE = 100
_MAX_PAGE = 1000

Item = TypeVar("Item")


def check_name(collection: str, name: str) -> str:
    """Return `name` if it is a valid full name in `collection`, else raise INVALID_ARGUMENT."""
    if not _NAMES[collection].match(name):
        raise invalid(f"Invalid [{collection}] name: (name={name})")
    return name


def check_project(name: str) -> str:
    """Return `name` if it is `projects/<project>`, else raise INVALID_ARGUMENT."""
    if not _PROJECT.match(name):
        raise invalid(f"Invalid project name: (name={name})")
    return name


def short_id(name: str) -> str:
    """Return the last segment of a full name."""
    return name.rsplit("/", 1)[-1]


def project_id(name: str) -> str:
    """Return the project's id of a full name."""
    return name.split("/", 2)[1]


def page(items: Sequence[Item], size: int, token: str) -> tuple[Sequence[Item], str]:
    """Return one page of `items` and the token of the next page, empty at the end.

    A size of 0 means the default of 100; the most is 1000. Tokens are offsets, so a list that changes between two
    pages may repeat or skip an item, which the API allows.
    """
    if size < 0:
        raise invalid("page_size must not be negative")
    if token and not (token.isascii() and token.isdigit()):
        raise invalid("Invalid page token")
    start = int(token or 0)
    end = start + min(size or _DEFAULT_PAGE, _MAX_PAGE)
    return items[start:end], str(end) if end < len(items) else ""
