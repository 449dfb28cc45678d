"""The worker of the local cloud: started when there are classifiers, started again when it dies, ended in order."""

from __future__ import annotations

import os
import shlex
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Console


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_worker_that_is_killed_is_started_again_and_scores(console: Console) -> None:
    cloud = console.start("local", "--folder", "cloud", "--train")
    cloud.wait_for("^ready; Ctrl-C ends it$")
    cloud.wait_for("^worker-1: starting")
    log = console.folder / "cloud" / "worker-1.log"
    console.until(
        lambda: log.exists() and "ready: pulling" in log.read_text(encoding="utf-8"), "no worker", cloud.output
    )
    (worker,) = console.pids("reviewmill worker")
    os.kill(worker, signal.SIGKILL)
    cloud.wait_for("^worker-1: ended with status -9; starting it again$")
    lines = (console.folder / "cloud" / "env.sh").read_text(encoding="utf-8").splitlines()
    variables = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    published = console.run("publish", "review", "A fine day", "--wait", "60", **variables)
    assert published.returncode == 0, published.stdout + published.stderr + log.read_text(encoding="utf-8")
    assert "logistic_regression" in published.stdout
    cloud.signal(signal.SIGTERM)
    assert cloud.wait() == 0, cloud.output()
    assert "was killed" not in cloud.output()
    assert "stopped" in log.read_text(encoding="utf-8")
    console.assert_nothing_is_left()
