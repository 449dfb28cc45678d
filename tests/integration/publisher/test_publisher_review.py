"""`reviewmill publish review TEXT`."""

from __future__ import annotations

import pytest

from publisher.command import main
from schemas.requests import decode_review
from tests.integration.publisher.conftest import LocalCloud, StandInWorker, pull_all


def test_a_review_is_published_under_its_id(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", "Great film", "--id", "mine", "--model", "LinearSVC", "--version", "v7"]) == 0
    message = pull_all(local_cloud.reviews, 1)[0]
    assert message.data == b'{"text":"Great film","id":"mine","model":"linear_svc","version":"v7"}'
    assert capsys.readouterr().out == f"published mine (message {message.message_id})\n"


def test_an_id_is_made_up(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", "Great film"]) == 0
    made_up = decode_review(pull_all(local_cloud.reviews, 1)[0].data).id
    assert made_up is not None
    assert made_up.endswith("-000001")
    assert made_up in capsys.readouterr().out


def test_waiting_shows_the_prediction(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    with StandInWorker(local_cloud):
        assert main(["review", "Great film", "--id", "mine", "--wait"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["mine", "good", "0.7500", "logistic_regression", "v1"]


def test_waiting_shows_the_rejection(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    with StandInWorker(local_cloud):
        assert main(["review", "Great film", "--version", "none", "--wait"]) == 1
    captured = capsys.readouterr()
    assert "unknown_version" in captured.out
    assert "rejected" in captured.err


def test_another_text_under_the_id_is_a_conflict(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    with StandInWorker(local_cloud):
        assert main(["review", "Great film", "--id", "mine", "--wait"]) == 0
        assert main(["review", "Great film", "--id", "mine", "--wait"]) == 0
        capsys.readouterr()
        assert main(["review", "Awful film", "--id", "mine", "--wait"]) == 1
    assert "mine is in conflict: outcomes of different texts" in capsys.readouterr().err


@pytest.mark.usefixtures("local_cloud")
def test_waiting_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", "Great film", "--id", "mine", "--wait", "0.2"]) == 1
    assert "reviewmill results reviews --id mine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["review", ""], "'text' is empty"),
        (["review", "x" * 100_001], "longer than 100,000"),
        (["review", "text", "--id", "not an id"], "'id' must be"),
        (["review", "text", "--model", "oracle"], "--model oracle"),
        (["review", "half \ud83d"], "not valid Unicode. Write it in UTF-8"),
    ],
)
def test_a_bad_review_is_not_published(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert main(arguments) == 2
    assert reason in capsys.readouterr().err
    assert local_cloud.reviews.pull(1, timeout_s=0.1) == []
