"""Every setting of every part, read from a mapping of environment variables; all faults are reported together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, cast

from worker.core.rejection_limit import rejection_limit
from worker.core.settings_apart import name_faults, place_faults

T = TypeVar("T")


class InvalidSettings(ValueError):  # noqa: N818 - reads as the fact it is
    """The environment holds settings that cannot be used; `faults` has a sentence for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("The settings are not usable:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = faults


def _setting(variable: str, default: T, doc: str, parse: Callable[[str], T]) -> T:
    """Declare one setting: its variable, its default, what it means, and how its text is read."""
    return cast("T", field(default=cast("Any", default), metadata={"variable": variable, "doc": doc, "parse": parse}))


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; give it a value or unset it")
    return value.strip()


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.strip().isascii() or not value.strip().isdigit() or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low:,} to {high:,}")
        return int(value)

    return parse


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return number

    return parse


def _flag(value: str) -> bool:
    if value.lower() in {"1", "true", "yes"}:
        return True
    if value.lower() in {"0", "false", "no"}:
        return False
    raise ValueError("must be true or false")


_MB = 1_000_000
_PLACES = ("REVIEWMILL_MODELS", "REVIEWMILL_UPLOADS", "REVIEWMILL_RESULTS")


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be configured. Times are seconds, sizes bytes, names are without `projects/…/`."""

    project: str = _setting("GOOGLE_CLOUD_PROJECT", "reviewmill-local", "Google Cloud project id.", _text)
    models: str = _setting(
        "REVIEWMILL_MODELS", "gs://reviewmill-models", "Where the models are: gs://bucket, or a folder.", _text
    )
    uploads: str = _setting(
        "REVIEWMILL_UPLOADS", "gs://reviewmill-uploads", "Bucket that CSVs are dropped into.", _text
    )
    results: str = _setting(
        "REVIEWMILL_RESULTS", "gs://reviewmill-results", "Bucket that predictions and rejections go to.", _text
    )
    reviews_topic: str = _setting("REVIEWMILL_REVIEWS_TOPIC", "reviews", "Topic of review requests.", _text)
    reviews_subscription: str = _setting(
        "REVIEWMILL_REVIEWS_SUBSCRIPTION", "reviews-worker", "Subscription the worker pulls requests from.", _text
    )
    uploads_topic: str = _setting(
        "REVIEWMILL_UPLOADS_TOPIC",
        "uploads",
        "Topic of bucket notifications, and of the ranges of large uploads.",
        _text,
    )
    uploads_subscription: str = _setting(
        "REVIEWMILL_UPLOADS_SUBSCRIPTION", "uploads-worker", "Subscription the worker pulls notifications from.", _text
    )
    dead_letter_topic: str = _setting(
        "REVIEWMILL_DEAD_LETTER_TOPIC", "dead-letters", "Topic that both subscriptions dead-letter to.", _text
    )
    completions_topic: str = _setting(
        "REVIEWMILL_COMPLETIONS_TOPIC", "completions", "Topic told of every finished CSV job.", _text
    )
    batch_messages: int = _setting(
        "REVIEWMILL_BATCH_MESSAGES", 1_000, "A batch is full at this many messages.", _whole(1, 10_000)
    )
    batch_bytes: int = _setting(
        "REVIEWMILL_BATCH_BYTES", 4 * _MB, "A batch is full at this many bytes of message data.", _whole(1, 64 * _MB)
    )
    batch_age_s: float = _setting(
        "REVIEWMILL_BATCH_AGE_S", 0.2, "A batch is full when its first message waited this long.", _number(0, 60)
    )
    buffer_messages: int = _setting(
        "REVIEWMILL_BUFFER_MESSAGES",
        4_000,
        "Pulling pauses while so many messages wait or are worked on.",
        _whole(1, 1_000_000),
    )
    buffer_bytes: int = _setting(
        "REVIEWMILL_BUFFER_BYTES",
        32 * _MB,
        "Pulling pauses while so many bytes of message data wait or are worked on.",
        _whole(1, 4_000 * _MB),
    )
    breaker_share: float = _setting(
        "REVIEWMILL_BREAKER_SHARE",
        0.5,
        "The worker gives up when more than this share of recent messages is rejected; 1 never.",
        _number(0, 1),
    )
    breaker_window_s: float = _setting(
        "REVIEWMILL_BREAKER_WINDOW_S", 60.0, "What counts as recent for that share.", _number(1, 3600)
    )
    breaker_messages: int = _setting(
        "REVIEWMILL_BREAKER_MESSAGES",
        1_000,
        "That share is not judged before so many recent messages.",
        _whole(1, 1_000_000),
    )
    watchdog_s: float = _setting(
        "REVIEWMILL_WATCHDOG_S",
        300.0,
        "The worker gives up when a batch takes longer, a CSV job makes no storage call for longer, a call to Pub/Sub "
        "hangs for longer, or all of a backlog is given back for longer.",
        _number(1, 86_400),
    )
    outage_s: float = _setting(
        "REVIEWMILL_OUTAGE_S",
        600.0,
        "How long work is kept while storage does not answer; then its messages are given back.",
        _number(0, 86_400),
    )
    chunk_rows: int = _setting(
        "REVIEWMILL_CHUNK_ROWS",
        50_000,
        "The most rows of a CSV job that are scored and stored as one part, which also ends at 3.5 MiB.",
        _whole(1, 1_000_000),
    )
    range_bytes: int = _setting(
        "REVIEWMILL_RANGE_BYTES",
        128 * _MB,
        "A larger CSV, TSV or JSONL upload is cut into ranges of about so many bytes, which workers share; 0 for none.",
        _whole(0, 1_000_000 * _MB),
    )
    max_rejections: float | None = _setting(
        "REVIEWMILL_MAX_REJECTIONS",
        cast("float | None", 0.5),
        "A CSV job fails when rejections exceed this: a share of its rows, such as 0.5 or 50%, or a number of them.",
        rejection_limit,
    )
    model_check_s: float = _setting(
        "REVIEWMILL_MODEL_CHECK_S",
        5.0,
        "How often at most a model's alias is checked for a new version.",
        _number(0, 3600),
    )
    storage_timeout_s: float = _setting(
        "REVIEWMILL_STORAGE_TIMEOUT_S", 8.0, "Deadline of one storage operation with its retries.", _number(0.1, 120)
    )
    threads: int = _setting("REVIEWMILL_THREADS", 0, "Scoring threads; 0 for one per core.", _whole(0, 256))
    push_audience: str = _setting(
        "REVIEWMILL_PUSH_AUDIENCE",
        "",
        "Audience of the tokens that pushes to the event functions must carry; unset where the platform checks them.",
        _text,
    )
    push_email: str = _setting(
        "REVIEWMILL_PUSH_EMAIL", "", "Service account that those tokens must be of; needed with the audience.", _text
    )
    push_keys: str = _setting(
        "REVIEWMILL_PUSH_KEYS",
        "https://www.googleapis.com/oauth2/v1/certs",
        "Where the keys are that those tokens are signed with.",
        _text,
    )
    model_public_key: str = _setting(
        "REVIEWMILL_MODEL_PUBLIC_KEY",
        "",
        "PEM file of the public key that every model must be signed with; empty where signatures are not asked for.",
        str.strip,
    )
    log_level: str = _setting("REVIEWMILL_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR.", _text)
    production: bool = _setting(
        "REVIEWMILL_PRODUCTION", False, "Refuse to start when an emulator variable is set.", _flag
    )


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings in `environment`. Raises InvalidSettings with every fault, not only the first."""
    values: dict[str, Any] = {}
    faults: list[str] = []
    for item in fields(Settings):
        variable = item.metadata["variable"]
        if variable in environment:
            try:
                values[item.name] = item.metadata["parse"](environment[variable])
            except ValueError as error:
                faults.append(f"{variable}={environment[variable]!r} {error}.")
    settings = Settings(**values)
    faults += _contradictions(settings, environment)
    if faults:
        raise InvalidSettings(faults)
    return settings


def _contradictions(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    values = {item.metadata["variable"]: getattr(settings, item.name) for item in fields(Settings)}
    faults = place_faults({variable: values[variable] for variable in _PLACES}, os.path.realpath)
    faults += name_faults(values)
    if settings.log_level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        faults.append(f"REVIEWMILL_LOG_LEVEL={settings.log_level!r} must be DEBUG, INFO, WARNING or ERROR.")
    if bool(settings.push_audience) != bool(settings.push_email):
        faults.append("REVIEWMILL_PUSH_AUDIENCE and REVIEWMILL_PUSH_EMAIL go together: set both, or neither.")
    if not settings.push_keys.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        faults.append(f"REVIEWMILL_PUSH_KEYS={settings.push_keys!r} must begin with https://.")
    host = environment.get("STORAGE_EMULATOR_HOST", "")
    if host and not host.startswith(("http://", "https://")):
        faults.append(f"STORAGE_EMULATOR_HOST={host!r} must begin with http://.")
    if settings.production:
        faults += [
            f"{name} is set although REVIEWMILL_PRODUCTION is true: unset one of the two."
            for name in ("PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST")
            if environment.get(name)
        ]
    return faults


def describe_settings() -> list[tuple[str, str, str]]:
    """Return (variable, default, meaning) of every setting, in order of declaration."""
    return [(item.metadata["variable"], str(item.default), item.metadata["doc"]) for item in fields(Settings)]
