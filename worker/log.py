"""Structured logs: one JSON object a line, in the fields that Cloud Logging reads.

An exception's own message is never logged: a library's message can repeat the input that it failed on, and that can
be a review. What is logged of an exception is its type and where it came from.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType

from worker.core.describe import describe_exception

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_log = logging.getLogger("reviewmill")


class _WithoutMessages(logging.Formatter):
    """Formats exceptions as types and places in the code."""

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 - the name is the base class's
        """Return the frames and the type of the exception, after those of its causes."""
        return describe_exception(ei[1]) if ei[1] else ""


class JsonFormatter(_WithoutMessages):
    """https://cloud.google.com/logging/docs/structured-logging."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        entry = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure_logging(level: str) -> None:
    """Send logs to stderr: JSON where a machine reads it, plain lines on a terminal.

    What ends a thread or the process is logged the same way, and not printed with its message.
    """
    handler = logging.StreamHandler(sys.stderr)
    if sys.stderr.isatty():
        handler.setFormatter(_WithoutMessages("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    else:
        handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # At DEBUG it logs every URL, and with it what a request named as its version.
    logging.getLogger("urllib3").setLevel(logging.INFO)
    sys.excepthook = _log_end_of_process
    threading.excepthook = _log_end_of_thread


def _log_end_of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _log.critical("the process ends: a fault in the program", exc_info=(kind, error, trace))


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is None or issubclass(ended.exc_type, SystemExit):
        return
    name = ended.thread.name if ended.thread else "unknown"
    trace = (ended.exc_type, ended.exc_value, ended.exc_traceback)
    _log.critical("thread %s ends: a fault in the program", name, exc_info=trace)
