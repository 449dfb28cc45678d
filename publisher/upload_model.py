"""Asks the models bucket, before an upload, whether the job's model is there: a worker would find out too late."""

from __future__ import annotations

from cloud.objects import CloudSetupError, ObjectNotFound, TransientError
from publisher.console import Unusable, say
from publisher.doors import open_bucket
from worker.core.model_files import MANIFEST
from worker.core.naming import model_alias, model_file
from worker.settings import Settings


def check_model(model: str, version: str | None, settings: Settings) -> None:
    """Raise Unusable where the models bucket has no such version of the model; of none, no current one. Blocks.

    Where the bucket cannot be asked, as by accounts that may only upload, one line says so: workers look in any case.
    """
    name = model_alias(model) if version is None else model_file(model, version, MANIFEST)
    try:
        with open_bucket(settings.models, settings) as models:
            models.info(name)
    except ObjectNotFound:
        raise Unusable(_missing(model, version, settings.models)) from None
    except (CloudSetupError, TransientError, Unusable) as error:
        said = " ".join(str(error).split())
        say(f"note: whether there is a {_wanted(model, version)} is left to the worker: {said}")


def _wanted(model: str, version: str | None) -> str:
    return f"current version of {model}" if version is None else f"version {version} of {model}"


def _missing(model: str, version: str | None, bucket: str) -> str:
    if version is None:
        fix = "Train one with 'reviewmill train', or promote one with 'reviewmill models promote'"
    else:
        fix = "Name a version that 'reviewmill models list' shows, or none for the current one"
    return (
        f"{bucket} (REVIEWMILL_MODELS) holds no {_wanted(model, version)}; nothing was uploaded. {fix}. With "
        "--no-check the file is uploaded without looking."
    )
