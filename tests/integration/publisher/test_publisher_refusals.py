"""What the publisher says when the cloud does not take its messages; nothing is lost on the way."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from publisher.command import main
from tests.integration.publisher.conftest import LocalCloud


@pytest.mark.usefixtures("local_cloud")
@pytest.mark.parametrize("arguments", [["review", "text"], ["reviews", "in.jsonl"], ["csv", "in.csv"]])
def test_an_emulator_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    Path("in.jsonl").write_text('{"text": "one"}\n')
    Path("in.csv").write_text("text\none\n")
    with socket.socket() as taken:
        # Bound and not listening: a connection is refused, and no one else gets the port meanwhile.
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{address}")
        assert main(arguments) == 2
    error = capsys.readouterr().err
    assert address in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.usefixtures("local_cloud")
def test_a_missing_topic_fails_every_line_and_keeps_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVIEWMILL_REVIEWS_TOPIC", "no-such-topic")
    Path("in.jsonl").write_text("".join(f'{{"text": "n {number}"}}\n' for number in range(50)))
    assert main(["reviews", "in.jsonl", "--timeout", "20"]) == 1
    captured = capsys.readouterr()
    assert "read 50 = accepted 0 + failed 50 + repeats 0" in captured.out
    assert "no-such-topic" in captured.err
    (failures,) = Path().glob("*.failures.jsonl")
    kept = [json.loads(line) for line in failures.read_text().splitlines()]
    assert [line["text"] for line in kept] == [f"n {number}" for number in range(50)]
    assert all(line["id"].endswith(f"-{number:06d}") for number, line in enumerate(kept, 1))


@pytest.mark.usefixtures("local_cloud")
def test_one_review_for_a_missing_topic_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVIEWMILL_REVIEWS_TOPIC", "no-such-topic")
    assert main(["review", "text", "--timeout", "20"]) == 1
    error = capsys.readouterr().err
    assert "no-such-topic" in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.usefixtures("local_cloud")
def test_contradicting_settings_are_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEWMILL_PRODUCTION", "true")
    assert main(["review", "text"]) == 2
    assert "PUBSUB_EMULATOR_HOST" in capsys.readouterr().err


@pytest.mark.usefixtures("local_cloud")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["review", "text", "--id", ""], "The 'id' must be"),
        (["csv", "in.csv", "--name", ""], "--name"),
    ],
)
def test_an_empty_option_is_not_taken_for_none(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    Path("in.csv").write_text("text\none\n")
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("local_cloud")
@pytest.mark.parametrize("limit", ["1.0", "1.5", "-1", "nan", "inf", "few", "", "101%"])
def test_a_rejection_limit_that_no_worker_takes_is_refused_before_the_upload(
    capsys: pytest.CaptureFixture[str], limit: str
) -> None:
    Path("in.csv").write_text("text\none\n")
    with pytest.raises(SystemExit) as ended:
        main(["csv", "in.csv", f"--max-rejections={limit}"])
    assert ended.value.code == 2
    assert "--max-rejections" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--receipt", "--failures"])
def test_nothing_is_published_that_could_not_be_accounted_for(
    capsys: pytest.CaptureFixture[str], local_cloud: LocalCloud, option: str
) -> None:
    Path("in.jsonl").write_text('{"text": "one"}\n')
    assert main(["reviews", "in.jsonl", option, "no/such/folder/file"]) == 2
    assert f"no/such/folder/file cannot be written: No such file or directory. Name another file with {option}" in (
        capsys.readouterr().err
    )
    assert local_cloud.reviews.pull(1, timeout_s=1) == []
    assert [path.name for path in Path().iterdir()] == ["in.jsonl"]
