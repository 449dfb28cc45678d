"""The classifiers of a CSV job: the current ones when the job begins, the very same whenever it goes on."""

from __future__ import annotations

from typing import Protocol

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import JobSpec, PinnedModel
from schemas.names import MODEL_NAMES
from worker.model_load import LoadedModel, ModelMissing


class Models(Protocol):
    """Where classifiers come from."""

    def resolve(self, model: str | None, version: str | None) -> LoadedModel:
        """Return the classifier; InvalidInput when the upload is at fault, else TransientError or ModelUnavailable."""


class JobModel:
    """One job's classifiers, loaded when they are first asked for: a job whose parts are all there needs none."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._model: LoadedModel | None = None
        self._of_rows: dict[str, LoadedModel] = {}

    def choose(self, model: str | None, version: str | None) -> LoadedModel:
        """Return what a new job is to use. Raises as `Models.resolve`."""
        self._model = self._models.resolve(model, version)
        return self._model

    def of(self, spec: JobSpec) -> LoadedModel:
        """Return the very model that the spec fixed, whatever is current now.

        Raises as `Models.resolve`, and InvalidInput("model_changed") where somebody replaced a version.
        """
        if self._model is None or (self._model.name, self._model.version) != (spec.model, spec.version):
            self._model = self._models.resolve(spec.model, spec.version)
        return _as_pinned(self._model, spec.manifest_sha256)

    def choose_for_rows(self, own: LoadedModel) -> list[PinnedModel]:
        """Return the models that the rows of a new job may name, each in its current version; of `own` that one.

        A model that was never trained is left out. Raises as `Models.resolve` where it cannot be told now.
        """
        chosen = []
        for name in MODEL_NAMES:
            try:
                model = own if name == own.name else self._models.resolve(name, None)
            except ModelMissing:
                continue
            chosen.append(PinnedModel(model.name, model.version, model.manifest_sha256))
        return chosen

    def of_rows(self, spec: JobSpec) -> dict[str, LoadedModel]:
        """Return the models that rows may name, by name, each as the spec fixed it; empty for a job of one model.

        Raises as `of`.
        """
        if spec.row_models is not msgspec.UNSET and not self._of_rows:
            for one in spec.row_models:
                self._of_rows[one.model] = _as_pinned(self._models.resolve(one.model, one.version), one.manifest_sha256)
        return self._of_rows


def _as_pinned(model: LoadedModel, manifest_sha256: str) -> LoadedModel:
    if model.manifest_sha256 != manifest_sha256:
        raise InvalidInput(
            "model_changed",
            f"Version {model.version} of {model.name} is not the one that the job started with, although versions "
            "never change. Find out who replaced it, and upload the file again.",
        )
    return model
