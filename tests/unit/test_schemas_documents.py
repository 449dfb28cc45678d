from __future__ import annotations

import jsonschema
import msgspec
import pytest

from schemas.codec import encode
from schemas.generate import DOCUMENTS, FOLDER, schema_text
from schemas.outcomes import Prediction
from schemas.requests import ReviewRequest


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_stored_schema_is_the_types(name: str) -> None:
    stored = (FOLDER / f"{name}.schema.json").read_text()
    assert stored == schema_text(DOCUMENTS[name]), "run 'make schemas' and commit what it writes"


def test_no_schema_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.schema.json" for name in DOCUMENTS}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_schema_is_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(msgspec.json.decode(schema_text(DOCUMENTS[name])))


def test_documents_fit_their_schema_and_strangers_do_not() -> None:
    schema = msgspec.json.decode(schema_text(ReviewRequest))
    jsonschema.validate(msgspec.json.decode(encode(ReviewRequest(text="fine", id="a1"))), schema)
    for bad in ({}, {"text": ""}, {"text": "a", "more": 1}, {"text": "a", "id": "a b"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


def test_equal_values_give_equal_bytes_without_empty_fields() -> None:
    prediction = Prediction(
        key="a1", label="1", probability=0.1 + 0.2, model="linear_svc", version="v1", text_sha256="0" * 64
    )
    assert encode(prediction) == (
        b'{"key":"a1","label":"1","probability":0.30000000000000004,"model":"linear_svc","version":"v1",'
        b'"text_sha256":"' + b"0" * 64 + b'"}'
    )
