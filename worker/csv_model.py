"""The classifier of a CSV job: the current one when the job begins, the very same whenever it goes on."""

from __future__ import annotations

from typing import Protocol

from schemas.errors import InvalidInput
from schemas.jobs import JobSpec
from worker.model_load import LoadedModel


class Models(Protocol):
    """Where classifiers come from."""

    def resolve(self, model: str | None, version: str | None) -> LoadedModel:
        """Return the classifier; InvalidInput when the upload is at fault, else TransientError or ModelUnavailable."""


class JobModel:
    """One job's classifier, loaded when it is first asked for: a job whose parts are all there needs none."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._model: LoadedModel | None = None

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
        if self._model.manifest_sha256 != spec.manifest_sha256:
            raise InvalidInput(
                "model_changed",
                f"Version {spec.version} of {spec.model} is not the one that the job started with, although versions "
                "never change. Find out who replaced it, and upload the file again.",
            )
        return self._model
