"""What a start costs: the default path imports nothing of training, nor what checks signatures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from training.command import main as train

ROOT = Path(__file__).parents[3]

CODE = """
import json, sys, time
from pathlib import Path
from cloud.folder import FolderObjects
from worker.models import ModelStore
store = ModelStore(FolderObjects(Path(sys.argv[1])), check_every_s=5.0, now=time.monotonic)
labels = store.resolve(None, None).score(["a great film", "an awful film"]).labels
print(json.dumps([labels, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_the_default_path_imports_no_training_library(tmp_path: Path) -> None:
    assert train(["--models", str(tmp_path), "--classifier", "logistic_regression"]) == 0
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    labels, modules = json.loads(done.stdout)
    assert labels == ["1", "0"]
    assert not {"sklearn", "skops", "scipy", "pandas", "training"} & set(modules)
    assert not {"model_signing", "sigstore", "pydantic", "cryptography", "OpenSSL"} & set(modules)
