"""Each decoder on sound documents of its own, damaged at random: it reads them, or raises its one kind of error.

10,000 cases for each decoder in CI (`.ci/run` says so by setting CI), 300 elsewhere.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.push_tokens import PushVerifier
from schemas.codec import decode, encode
from schemas.errors import InvalidInput
from schemas.events import decode_push, is_notification, upload_from_cloud_event, upload_from_notification
from schemas.jobs import Dialect
from schemas.ranges import decode_range_task
from schemas.requests import decode_classify, decode_review
from tests.unit import mutation_seeds as seeds
from tests.unit.mutations import damaged_archive, damaged_bytes, damaged_json, damaged_lines, damaged_value
from tests.unit.test_security_push_tokens import AUDIENCE, EMAIL, PUBLIC, SIGNER, claims
from worker.core.compiled import unpack
from worker.core.compiled_errors import InvalidModel
from worker.core.model_files import read_manifest
from worker.core.rows import open_rows
from worker.model_archive import read_schema

EXAMPLES = 10_000 if os.environ.get("CI") else 300
TOGETHER = 100
"""Cases for each seed that Hypothesis draws: its own work for a seed takes longer than a case."""

MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Door:
    """One decoder: how to read, sound documents, how to damage them, and the one kind of error that may come."""

    read: Callable[[Any], object]
    sound: tuple[Any, ...]
    damage: Callable[[Any, Random], Any] = damaged_json
    error: type[Exception] = InvalidInput


def stored(name: str) -> Door:
    """Return the door of stored documents: each is read as the type that it was written as."""

    def read(case: tuple[type[msgspec.Struct], bytes]) -> object:
        kind, data = case
        return decode(data, kind, max_bytes=MAX_BYTES)

    def damage(case: tuple[type[msgspec.Struct], bytes], random: Random) -> object:
        return case[0], damaged_json(case[1], random)

    return Door(read, tuple((type(document), encode(document)) for document in seeds.DOCUMENTS[name]), damage)


def read_rows(dialect: Dialect, data: bytes) -> object:
    """Read a file's rows; each record is one row or one bad row, by ascending numbers."""
    rows = list(open_rows([data], dialect))
    assert [item.row for item in rows] == list(range(1, len(rows) + 1))
    return rows


def damaged_gzip(data: bytes, random: Random) -> bytes:
    """Return damaged gzip, or sound gzip of damaged bytes, or several members."""
    way = random.randrange(4)
    if way == 0:
        return gzip.compress(damaged_bytes(gzip.decompress(data), random), 1)
    if way == 1:
        return data * 2 + damaged_bytes(data, random)
    return damaged_bytes(data, random)


def read_notification(attributes: dict[str, str]) -> object:
    """Return the upload that a notification names, which is fit to be a part of object names and log lines."""
    is_notification(attributes)
    upload = upload_from_notification(attributes)
    assert upload is None or (upload.name.isprintable() and upload.bucket and 0 <= upload.generation < 10**19)
    return upload


def damaged_attributes(attributes: dict[str, str], random: Random) -> dict[str, str]:
    """Return attributes that are strings still, as they come out of Pub/Sub: whole ones, or with damaged characters."""
    changed = damaged_value(attributes, random) if random.random() < 0.5 else dict(attributes)
    made = {str(name): str(value) for name, value in changed.items()} if isinstance(changed, dict) else {}
    for name in [name for name in made if random.random() < 0.3]:
        made[name] = damaged_bytes(made[name].encode(), random).decode(errors=random.choice(("replace", "ignore")))
    return made


SIGNED: set[str] = set()
"""What the key has signed: of all tokens, only these may prove a caller."""
VERIFIER = PushVerifier(audience=AUDIENCE, email=EMAIL, fetch_keys=lambda: {"k1": PUBLIC}, now=lambda: 0.0)


def signed(header: bytes, body: bytes) -> str:
    """Return a push's header with a token that the right key signed, whatever its parts are."""
    parts = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, body))
    SIGNED.add(parts.decode())
    signature = base64.urlsafe_b64encode(SIGNER.sign(parts)).rstrip(b"=")
    return f"Bearer {parts.decode()}.{signature.decode()}"


def read_header(authorization: str) -> object:
    """Verify a push's header; who passes holds a token that was signed, of the right account."""
    refusal = VERIFIER.refusal(authorization)
    if refusal is not None:
        assert len(refusal) < 400
        raise InvalidInput("refused", refusal)
    parts = authorization.partition(" ")[2].rpartition(".")[0]
    assert parts in SIGNED
    assert f'"email": "{EMAIL}"' in base64.urlsafe_b64decode(parts.partition(".")[2] + "==").decode()
    return parts


HEADER = b'{"typ": "JWT", "alg": "RS256", "kid": "k1"}'
CLAIMS = json.dumps(claims()).encode()


def damaged_header(authorization: str, random: Random) -> str:
    """Return a damaged header, or damaged parts under the old signature or, rarely because it is slow, a new one."""
    way = random.randrange(10)
    if way < 5:
        return damaged_bytes(authorization.encode(), random).decode("latin-1")
    header = HEADER if random.random() < 0.5 else damaged_json(HEADER, random)
    body = CLAIMS if random.random() < 0.2 else damaged_json(CLAIMS, random)
    if way == 5:
        return signed(header, body)
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, body))
    return f"Bearer {'.'.join(parts)}.{authorization.rpartition('.')[2]}"


def read_compiled(data: bytes) -> object:
    """Return the scores of a text: an archive that passes is a model that scores."""
    return unpack(data).score(["good"])


TSV = Dialect(delimiter="\t", quote=None)
DOORS: dict[str, Door] = {
    "review request": Door(decode_review, seeds.REVIEWS),
    "classify request": Door(decode_classify, seeds.CLASSIFY),
    "push envelope": Door(decode_push, seeds.PUSHES),
    "storage event": Door(upload_from_cloud_event, seeds.EVENTS),
    "range task": Door(decode_range_task, seeds.TASKS),
    "notification attributes": Door(read_notification, (seeds.NOTIFICATION,), damaged_attributes),
    "push token header": Door(read_header, (signed(HEADER, CLAIMS),), damaged_header),
    "CSV": Door(partial(read_rows, Dialect()), seeds.CSV, damaged_bytes),
    "TSV": Door(partial(read_rows, TSV), seeds.TSV, damaged_bytes),
    "JSON lines": Door(partial(read_rows, Dialect(format="jsonl")), seeds.JSONL, damaged_lines),
    "gzip": Door(
        partial(read_rows, Dialect(compression="gzip")),
        tuple(gzip.compress(data, 1, mtime=0) for data in seeds.CSV),
        damaged_gzip,
    ),
    "model manifest": Door(
        partial(read_manifest, name=seeds.MODEL, version=seeds.VERSION, expected_sha256=None),
        (encode(seeds.MANIFEST),),
        error=InvalidModel,
    ),
    **{name: stored(name) for name in seeds.DOCUMENTS},
    "npz archive": Door(
        read_compiled, seeds.NPZ, partial(damaged_archive, documents=frozenset({"settings.npy"})), InvalidModel
    ),
    "skops archive": Door(
        read_schema, seeds.SKOPS, partial(damaged_archive, documents=frozenset({"schema.json"})), InvalidModel
    ),
}
"""The gate behind the skops archive is slower: tests/integration/models/test_model_gate_fuzz.py."""


def refusal(door: Door, case: object) -> Exception | None:
    """Return the error with which a case is refused; any other kind fails the test."""
    try:
        door.read(case)
    except door.error as error:
        return error
    return None


@pytest.mark.parametrize("name", DOORS)
def test_what_the_mutations_start_from_is_read(name: str) -> None:
    for sound in DOORS[name].sound:
        assert DOORS[name].read(sound) is not None


def one_case(door: Door, seed: int, number: int) -> None:
    """Damage a sound document and read it; a failure's traceback names the seed and the number."""
    random = Random(f"{seed}, {number}")
    error = refusal(door, door.damage(random.choice(door.sound), random))
    assert not isinstance(error, InvalidInput) or (error.code.isidentifier() and len(error.reason) < 400)


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # of NumPy and zipfile, about what was damaged
@pytest.mark.parametrize("name", DOORS)
@given(seed=st.integers(0, 2**64 - 1))
@settings(max_examples=EXAMPLES // TOGETHER)
def test_what_is_damaged_is_read_or_refused_with_the_one_error(name: str, seed: int) -> None:
    for number in range(TOGETHER):
        one_case(DOORS[name], seed, number)
