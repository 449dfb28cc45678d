"""Messages → reviews to score, and rejections for those that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schemas.errors import InvalidInput
from schemas.names import canonical_model
from schemas.outcomes import Rejection, Stage, text_digest
from schemas.requests import decode_review
from worker.core.envelope import Envelope
from worker.core.naming import partition


@dataclass(frozen=True, slots=True)
class Review:
    """A valid request with what its result line needs."""

    origins: tuple[int, ...]
    """Positions in the batch of the messages that this one review answers."""
    key: str
    text: str
    text_sha256: str
    model: str
    version: str | None
    message_id: str
    publish_time: str
    partition: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejection with the partition and the messages it belongs to."""

    origins: tuple[int, ...]
    partition: str
    rejection: Rejection


def admit(batch: Sequence[Envelope]) -> tuple[list[Review], list[Rejected]]:
    """Decode every message; each position of the batch is an origin of exactly one of the results.

    The same request delivered or published twice within a batch (same key, text, model and version) becomes one
    review, under the message that was published first, so that its line does not depend on the order of delivery.
    """
    reviews: dict[tuple[str, str, str, str | None], Review] = {}
    rejected: list[Rejected] = []
    for position, envelope in enumerate(batch):
        try:
            review = _review(position, envelope)
        except InvalidInput as error:
            stage: Stage = "model" if error.code == "unknown_model" else "decode"
            rejected.append(_rejected(position, envelope, error, stage))
            continue
        identity = (review.key, review.text_sha256, review.model, review.version)
        twin = reviews.get(identity)
        reviews[identity] = review if twin is None else _merged(twin, review)
    return list(reviews.values()), rejected


def reject(review: Review, error: InvalidInput, stage: Stage, version: str | None = None) -> Rejected:
    """Return the rejection of a review that was valid but could not be scored."""
    rejection = Rejection(
        key=review.key,
        code=error.code,
        stage=stage,
        reason=error.reason,
        model=review.model,
        version=version or review.version,
        text_sha256=review.text_sha256,
        message_id=review.message_id,
        publish_time=review.publish_time,
    )
    return Rejected(review.origins, review.partition, rejection)


def _review(position: int, envelope: Envelope) -> Review:
    request = decode_review(envelope.data)
    key = request.id if request.id is not None else _message_key(envelope)
    try:
        model = canonical_model(request.model)
    except InvalidInput as error:
        raise InvalidInput(error.code, error.reason, key=key) from None
    return Review(
        origins=(position,),
        key=key,
        text=request.text,
        text_sha256=text_digest(request.text),
        model=model,
        version=request.version,
        message_id=envelope.message_id,
        publish_time=envelope.publish_time,
        partition=_partition(envelope),
    )


def _rejected(position: int, envelope: Envelope, error: InvalidInput, stage: Stage) -> Rejected:
    rejection = Rejection(
        key=error.key or _message_key(envelope),
        code=error.code,
        stage=stage,
        reason=error.reason,
        message_id=envelope.message_id,
        publish_time=envelope.publish_time,
    )
    return Rejected((position,), _partition(envelope), rejection)


def _merged(one: Review, other: Review) -> Review:
    first = min(one, other, key=lambda review: (review.publish_time, review.message_id))
    return replace(first, origins=one.origins + other.origins)


def _message_key(envelope: Envelope) -> str:
    return f"m:{envelope.message_id}"


def _partition(envelope: Envelope) -> str:
    return partition(envelope.attributes.get("enqueued_at"), envelope.publish_time)
