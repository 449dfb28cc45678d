"""One model version from the bucket to an object that scores, with every check on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cloud.objects import ObjectNotFound, Objects, TransientError
from cloud.signatures import SignatureVerifier
from schemas.models import MAX_MANIFEST_BYTES, ModelManifest, Profile
from worker.core.compiled import CompiledModel, InvalidModel, unpack
from worker.core.kernel import KernelSupply
from worker.core.model_files import (
    CANONICAL,
    COMPILED,
    MANIFEST,
    Scorer,
    check_all_signed,
    check_file,
    check_scorer,
    read_manifest,
    sha256,
)
from worker.core.naming import model_file
from worker.core.report_part import Explain
from worker.core.scorer import Scores
from worker.model_trust import file_names, trusted_files, unknown_version

Path = Literal["compiled", "scikit-learn"]


class ModelUnavailable(TransientError):  # noqa: N818 - reads as the fact it is
    """A model cannot be served for a reason that is ours, not the request's; the sentence says which and why.

    Transient for the message that asked: it is given back, and can be scored once the model is mended or replaced.
    """


class ModelMissing(ModelUnavailable):
    """The models bucket has no current version of this model."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A verified model version. Immutable; any number of threads may score with it."""

    name: str
    version: str
    manifest_sha256: str
    labels: tuple[str, ...]
    """In the order of the columns of `Scores.probabilities`."""
    path: Path
    """Which code scores: ours from plain arrays, or scikit-learn for what has no compiled form."""
    scorer: Scorer
    profile: Profile | None = None
    """What held-out rows looked like under the model."""

    @property
    def explain(self) -> Explain | None:
        """What tells which terms counted for what; None for what has no compiled form."""
        return self.scorer.explain if isinstance(self.scorer, CompiledModel) else None

    @property
    def score_bytes(self) -> Callable[..., Scores] | None:
        """What scores texts that are UTF-8 in memory, as `CompiledModel.score_located`; None where there is none."""
        return self.scorer.score_located if isinstance(self.scorer, CompiledModel) else None

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        """Return the scores of the texts, in their order. `threads` is a maximum."""
        return self.scorer.score(texts, threads=threads)


def load_version(
    objects: Objects,
    name: str,
    version: str,
    *,
    expected_sha256: str | None = None,
    kernel: KernelSupply | None = None,
    signatures: SignatureVerifier | None = None,
) -> LoadedModel:
    """Return a model version whose digests, labels and golden scores are all as its manifest says.

    `expected_sha256` is the manifest's digest in the alias; None for a version that a request names. With `signatures`,
    nothing of the version is read before its signature is verified, and nothing that is not signed. Blocks for the
    downloads. Raises InvalidInput("unknown_version"), ModelUnavailable and other TransientErrors.
    """
    try:
        with trusted_files(objects, name, version, signatures) as trusted:
            data = _manifest(trusted, name, version)
            manifest = read_manifest(data, name=name, version=version, expected_sha256=expected_sha256)
            if signatures is not None:
                check_all_signed(manifest, file_names(trusted, name, version))
            path, scorer = _scorer(trusted, manifest, kernel)
        check_scorer(manifest, scorer)
    except InvalidModel as error:
        raise ModelUnavailable(
            f"Version {version} of {name} in {objects.uri} is refused: {error.reason}. "
            "Train or upload it again, or promote another version."
        ) from error
    return LoadedModel(name, version, sha256(data), scorer.labels, path, scorer, manifest.profile)


def _manifest(objects: Objects, name: str, version: str) -> bytes:
    try:
        return _get(objects, model_file(name, version, MANIFEST), MAX_MANIFEST_BYTES)
    except ObjectNotFound:
        raise unknown_version(name, version) from None


def _scorer(objects: Objects, manifest: ModelManifest, kernel: KernelSupply | None) -> tuple[Path, Scorer]:
    """Return what scores the version: from `scorer.npz` where there is one, else through the gate of `model.skops`."""
    if COMPILED in manifest.files:
        return "compiled", unpack(_file(objects, manifest, COMPILED), kernel=kernel)
    data = _file(objects, manifest, CANONICAL)
    # Costs seconds of imports and needs the `train` extra: only models without a compiled form pay for it.
    try:
        from worker.model_gate import open_skops  # noqa: PLC0415
    except ImportError as error:
        raise InvalidModel(
            f"it has no compiled form, and scikit-learn or skops is not installed here ({error.name})"
        ) from None
    return "scikit-learn", open_skops(data)


def _file(objects: Objects, manifest: ModelManifest, file: str) -> bytes:
    """Return a file's bytes, checked before anything parses them."""
    listed = manifest.files.get(file)
    if listed is None:
        raise InvalidModel(f"{MANIFEST} lists no {file}")
    try:
        data = _get(objects, model_file(manifest.name, manifest.version, file), listed.size)
    except ObjectNotFound:
        raise InvalidModel(f"{file} is missing") from None
    check_file(manifest, file, data)
    return data


def _get(objects: Objects, name: str, max_bytes: int) -> bytes:
    """Return an object, unless it is larger than it may be: then raise InvalidModel without reading it."""
    info = objects.info(name)
    if info.size > max_bytes:
        raise InvalidModel(f"{name.rpartition('/')[2]} has {info.size:,} bytes instead of {max_bytes:,} at most")
    return objects.get(name, generation=info.generation)[0]
