"""Every hand-made bad file, dropped in as a job: the counts are those of its rows, or the job says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.csv_job.conftest import World, predictions, rejections

CASES = sorted((Path(__file__).parents[2] / "cases" / "csv").glob("*.yaml"))


def metadata_of(dialect: dict[str, object]) -> dict[str, str]:
    words = {None: "none", True: "true", False: "false"}
    return {key: words.get(value, str(value)) for key, value in dialect.items()}  # type: ignore[call-overload]


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
@pytest.mark.parametrize("chunk_rows", [1, 100])
def test_a_bad_file_becomes_a_job_that_accounts_for_it(path: Path, chunk_rows: int) -> None:
    expected = yaml.safe_load(path.read_text())
    expected = expected.get("job", expected) | {"dialect": expected.get("dialect", {})}
    (file,) = (file for file in path.parent.glob(f"{path.stem}.*") if file != path)
    world = World()
    upload = world.upload(file.read_bytes(), file.name, **metadata_of(expected["dialect"]))
    manifest = world.run(upload, chunk_rows=chunk_rows)
    if "error" in expected:
        assert manifest.state == "failed"
        assert str(manifest.reason).startswith(f"{expected['error']}: ")
        return
    stored = world.stored(upload)
    assert (manifest.state, manifest.reason) == ("done", None)
    assert [int(list(row.values())[-5]) for row in predictions(stored)] == [row[0] for row in expected["rows"]]
    assert [[row["row"], row["line"], row["code"]] for row in rejections(stored)] == [
        [row, line, code] for row, line, _, code in expected["bad"]
    ]
    assert manifest.counts.rows == len(expected["rows"]) + len(expected["bad"])
