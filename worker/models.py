"""The model store: which loaded model answers a request, kept current while it runs."""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from cloud.objects import CloudSetupError, ObjectNotFound, Objects, TransientError
from cloud.signatures import SignatureVerifier
from schemas.codec import decode
from schemas.errors import InvalidInput
from schemas.models import Alias
from schemas.names import MODEL_NAMES, VERSION_NAME, canonical_model
from worker.core.kernel import KernelSupply
from worker.core.naming import model_alias
from worker.model_load import LoadedModel, ModelMissing, ModelUnavailable, load_version
from worker.model_trust import unknown_version

__all__ = ["LoadedModel", "ModelMissing", "ModelStore", "ModelUnavailable"]

log = logging.getLogger("reviewmill.models")

_MAX_ALIAS_BYTES = 10_000
_MAX_UNKNOWN = 1_000


class ModelStore:
    """Models of one bucket. Safe to use from several threads; each version is loaded by one of them.

    `now` is a monotonic clock in seconds; an alias is looked at once in `check_every_s` at most. `keep_versions` loaded
    versions are kept beside the current ones for requests that name a version. With `signatures`, every version must be
    signed.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        check_every_s: float,
        now: Callable[[], float],
        kernel: KernelSupply | None = None,
        keep_versions: int = 4,
        signatures: SignatureVerifier | None = None,
    ) -> None:
        load = partial(load_version, objects, kernel=kernel, signatures=signatures)
        versions = _Versions(load, keep=keep_versions, check_every_s=check_every_s, now=now)
        self._versions = versions
        self._current = {name: _Current(objects, name, versions, check_every_s, now) for name in MODEL_NAMES}

    def resolve(self, model: str | None, version: str | None) -> LoadedModel:
        """Return the model that a request names; the default classifier and its current version where it names none.

        Blocks while a version loads. Raises InvalidInput("unknown_model" | "unknown_version") for the request's fault,
        and ModelUnavailable or another TransientError for ours.
        """
        name = canonical_model(model)
        if version is None:
            return self._current[name].get()
        loaded = self._current[name].loaded
        if loaded is not None and loaded.version == version:
            return loaded
        return self._versions.get(name, version)


class _Versions:
    """Loaded versions, the least recently used of which leave."""

    def __init__(
        self,
        load: Callable[..., LoadedModel],
        *,
        keep: int,
        check_every_s: float,
        now: Callable[[], float],
    ) -> None:
        self._load_version = load
        self._keep = keep
        self._check_every_s = check_every_s
        self._now = now
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[str, str], LoadedModel] = OrderedDict()
        self._loading: dict[tuple[str, str], threading.Lock] = {}
        self._unknown: dict[tuple[str, str], float] = {}

    def get(self, name: str, version: str, *, expected_sha256: str | None = None) -> LoadedModel:
        """Return a version, loaded by one thread while the others wait. Raises as `load_version`."""
        key = (name, version)
        if not re.fullmatch(VERSION_NAME, version):
            raise unknown_version(name, version)
        with self._lock:
            # An alias is proof that the version was written, perhaps since a request named it in vain.
            if expected_sha256 is None and self._unknown.get(key, float("-inf")) > self._now():
                raise unknown_version(name, version)
            turn = self._loading.setdefault(key, threading.Lock())
        with turn:
            model = self._kept(key) or self._load(key, expected_sha256)
        if expected_sha256 is not None and model.manifest_sha256 != expected_sha256:
            raise ModelUnavailable(f"Version {version} of {name} is refused: its manifest is not the alias's.")
        return model

    def _kept(self, key: tuple[str, str]) -> LoadedModel | None:
        with self._lock:
            model = self._loaded.get(key)
            if model is not None:
                self._loaded.move_to_end(key)
            return model

    def _load(self, key: tuple[str, str], expected_sha256: str | None) -> LoadedModel:
        try:
            model = self._load_version(*key, expected_sha256=expected_sha256)
        except InvalidInput:
            self._remember_unknown(key)
            raise
        else:
            with self._lock:
                self._loaded[key] = model
                while len(self._loaded) > self._keep:
                    self._loaded.popitem(last=False)
        finally:
            with self._lock:
                self._loading.pop(key, None)
        log.info("Loaded %s version %s (%s).", model.name, model.version, model.path)
        return model

    def _remember_unknown(self, key: tuple[str, str]) -> None:
        """Spare the bucket a question for each message that names the same version in vain."""
        with self._lock:
            if len(self._unknown) >= _MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[key] = self._now() + self._check_every_s


class _Current:
    """The current version of one model: the last one that passed every check."""

    def __init__(
        self, objects: Objects, name: str, versions: _Versions, check_every_s: float, now: Callable[[], float]
    ) -> None:
        self.loaded: LoadedModel | None = None
        self._objects = objects
        self._name = name
        self._versions = versions
        self._check_every_s = check_every_s
        self._now = now
        self._lock = threading.Lock()
        self._checked = float("-inf")
        self._seen_generation = 0
        """Of the alias that was last acted on, accepted or refused: it is not tried again."""

    def get(self) -> LoadedModel:
        """Return the current version. Raises ModelUnavailable and TransientError only before the first success."""
        loaded = self.loaded
        if loaded is None:
            with self._lock:
                if self.loaded is None:
                    self._checked = self._now()
                    self.loaded = self._load()
                return self.loaded
        if self._now() - self._checked < self._check_every_s:
            return loaded
        # One thread looks and loads; the others go on with what there is.
        if self._lock.acquire(blocking=False):
            try:
                self._refresh(loaded)
            finally:
                self._lock.release()
        return self.loaded or loaded

    def _load(self) -> LoadedModel:
        """Return the version that the alias names, and remember the alias's generation."""
        try:
            data, info = self._objects.get(model_alias(self._name))
        except ObjectNotFound:
            raise ModelMissing(
                f"{self._objects.uri} has no current version of {self._name}. "
                "Train one with 'reviewmill train', or set REVIEWMILL_MODELS to the bucket that has one."
            ) from None
        self._seen_generation = info.generation
        try:
            alias = decode(data, Alias, max_bytes=_MAX_ALIAS_BYTES)
            return self._versions.get(self._name, alias.version, expected_sha256=alias.manifest_sha256)
        except InvalidInput as error:
            raise ModelUnavailable(
                f"The alias of {self._name} in {self._objects.uri} cannot be followed: {error.reason}"
            ) from None

    def _refresh(self, last_good: LoadedModel) -> None:
        """Switch to the alias's version if it changed and passes; else the last good model goes on."""
        self._checked = self._now()
        before = self._seen_generation
        try:
            if self._objects.info(model_alias(self._name)).generation == before:
                return
            self.loaded = self._load()
            log.info("%s: now serving version %s.", self._name, self.loaded.version)
        except (ModelUnavailable, ObjectNotFound) as error:
            log.error("%s: version %s goes on. %s", self._name, last_good.version, error)  # noqa: TRY400 - no bug of ours
        except (TransientError, CloudSetupError) as error:
            self._seen_generation = before  # look again at the next check
            log.warning("%s: version %s goes on, the alias could not be read: %s", self._name, last_good.version, error)
