"""Words are cut and lower-cased as Python's `re` and `str.lower` do, for any characters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from worker.core.compiled import CompiledModel

MakePipeline = Callable[[TfidfVectorizer, Sequence[str]], Pipeline]
MakeModel = Callable[[Pipeline], CompiledModel]

PLANE = 0x10000
GROUP = 64
ODD = "aZ_9 .-\x00\x1c\x85İıΣσςßẞǅK\u0301\u0345\u200d\u2028٣²½Ⅳ的ａＺ𝐀𐐀🏽é\udc80"
characters = st.one_of(st.sampled_from(ODD), st.characters(), st.characters(codec="ascii"))
texts_of_any_kind = st.lists(st.text(characters, max_size=150), min_size=1, max_size=8)


def same(model: CompiledModel, vectorizer: TfidfVectorizer, texts: Sequence[str]) -> bool:
    ours, theirs = model.transform(texts), vectorizer.transform(texts)
    return (
        np.array_equal(ours.indptr, theirs.indptr)
        and np.array_equal(ours.indices, theirs.indices)
        and ours.data.tobytes() == theirs.data.tobytes()
    )


@settings(max_examples=300)
@given(texts=texts_of_any_kind, lowercase=st.booleans(), longest=st.integers(1, 3))
def test_any_texts(
    with_classifier: MakePipeline, make_model: MakeModel, texts: list[str], lowercase: bool, longest: int
) -> None:
    vectorizer = TfidfVectorizer(ngram_range=(1, longest), lowercase=lowercase)
    # The words of the first half are the vocabulary, so that the second half has unknown ones.
    known = [*texts[: len(texts) // 2 + 1], "anchor word"]
    # Lone surrogates cannot be stored in a vocabulary, and are no word characters anyway.
    pipeline = with_classifier(vectorizer, known)
    assert same(make_model(pipeline), vectorizer, [*texts, "".join(texts), "anchor word"])


@pytest.mark.slow
@pytest.mark.parametrize("plane", range(17))
def test_every_character_alone_and_between_letters(
    plane: int, with_classifier: MakePipeline, make_model: MakeModel
) -> None:
    every = [chr(code) for code in range(plane * PLANE, (plane + 1) * PLANE)]
    groups = [every[start : start + GROUP] for start in range(0, PLANE, GROUP)]
    shapes = ("{0}", "{0}{0}", "q{0}", "{0}q", "q{0}z", "Ab{0}cD{0}")
    texts = [" ".join(shape.format(character) for character in group) for group in groups for shape in shapes]
    vectorizer = TfidfVectorizer()
    pipeline = with_classifier(vectorizer, [*texts, "anchor word"])
    assert same(make_model(pipeline), vectorizer, texts)
