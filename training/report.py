"""What training and the registry tell people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas.models import Alias, ModelManifest
from training.console import say
from training.load import Loaded
from training.split import TEST_SHARE
from training.train import Prepared, Trained
from worker.core.kernel import why_never
from worker.core.model_files import CANONICAL, COMPILED
from worker.core.naming import model_folder


def account(loaded: Loaded, prepared: Prepared) -> None:
    """Say how the data was read and what became of every row."""
    data = prepared.data
    say(f"  {loaded.note}")
    say(f"  {data.rows_read:,} rows read, {sum(data.rows_dropped.values()):,} dropped{_causes(data.rows_dropped)}")
    say(
        f"  {data.rows_train + data.rows_test:,} distinct texts: {data.rows_train:,} to train, {data.rows_test:,} "
        f"held out ({TEST_SHARE:.0%} of each label), none on both sides"
    )


def _causes(dropped: dict[str, int]) -> str:
    return ": " + ", ".join(f"{cause} {count:,}" for cause, count in dropped.items()) if dropped else ""


def table(trained: Sequence[Trained], uri: str) -> None:
    """Print a row for each trained classifier, with its scores on held-out rows."""
    rows = Table(title="Scores on held-out rows", title_justify="left", box=SIMPLE_HEAD)
    rows.add_column("classifier", no_wrap=True)
    for heading in ("accuracy", "F1 macro", "log loss", "Brier", "KB"):
        rows.add_column(heading, justify="right", no_wrap=True)
    for one in trained:
        manifest = one.export.manifest
        scores = (_number(manifest.metrics.get(name)) for name in ("accuracy", "f1_macro", "log_loss", "brier"))
        size = manifest.files.get(COMPILED, manifest.files[CANONICAL]).size
        rows.add_row(manifest.name, *scores, f"{size / 1000:,.0f}")
    rows.add_row("(most frequent label)", _number(trained[0].export.manifest.metrics["majority_accuracy"]))
    Console().print(rows)
    print(f"In {uri}:")
    for one in trained:
        manifest = one.export.manifest
        print(
            f"  {model_folder(manifest.name)}/versions/{manifest.version}: "
            f"{'stored' if one.new else 'was there already, unchanged'}, "
            f"{'current' if one.current else 'not current'}, scored by {scored_by(manifest)}"
        )


def scored_by(manifest: ModelManifest) -> str:
    """Say which path a model is scored by, and why when it is not ours."""
    if COMPILED in manifest.files:
        return "the compiled scorer"
    return f"scikit-learn ({manifest.not_compiled or 'no compiled form was exported'})"


def version_table(rows: Iterable[tuple[ModelManifest, bool]]) -> Table:
    """Return the versions of the models, the current one of each marked."""
    made = Table(box=SIMPLE_HEAD)
    for heading in ("", "model", "version", "accuracy", "scored by"):
        made.add_column(heading, no_wrap=True)
    for manifest, is_current in rows:
        made.add_row(
            "*" if is_current else "",
            manifest.name,
            manifest.version,
            _number(manifest.metrics.get("accuracy")),
            "compiled" if COMPILED in manifest.files else "scikit-learn",
        )
    return made


def details(manifest: ModelManifest, alias: Alias | None) -> list[tuple[str, str]]:
    """Return everything worth knowing of one version, as names and values."""
    data = manifest.data
    return [
        ("model", manifest.name),
        ("version", manifest.version),
        ("current", "yes" if alias and alias.version == manifest.version else "no"),
        ("scored by", _scored_here(manifest)),
        ("labels", ", ".join(manifest.labels)),
        *((f"held-out {name}", _number(value)) for name, value in manifest.metrics.items()),
        ("data", f"{data.source} (SHA-256 {data.sha256})"),
        ("rows read", f"{data.rows_read:,}"),
        ("rows dropped", f"{sum(data.rows_dropped.values()):,}{_causes(data.rows_dropped)}"),
        ("rows to train", f"{data.rows_train:,}"),
        ("rows held out", f"{data.rows_test:,}"),
        ("label shares", ", ".join(f"{k} {v:.3f}" for k, v in manifest.profile.label_shares.items())),
        ("mean words", f"{manifest.profile.mean_words:.1f}"),
        ("golden examples", str(len(manifest.golden))),
        *((file, f"{stored.size:,} bytes, SHA-256 {stored.sha256}") for file, stored in manifest.files.items()),
        ("vectoriser", _options(manifest.vectoriser)),
        ("classifier", _options(manifest.classifier)),
        ("scikit-learn", manifest.scikit_learn),
    ]


def _scored_here(manifest: ModelManifest) -> str:
    """Say what `scored_by` says, and why this machine is slower where it is."""
    reason = why_never() if COMPILED in manifest.files else None
    here = "" if reason is None else f"; on this machine in plain Python, slower, with the same results: {reason}"
    return f"{scored_by(manifest)}{here}"


def _options(options: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items() if value is not None)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
