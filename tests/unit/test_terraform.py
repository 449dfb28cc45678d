"""The Terraform agrees with the program: names, numbers, variables, grants. `terraform` itself checks the format.

The provider cannot be had everywhere, so nothing here plans or applies.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cloud.gcs_compose import TEMPORARY_PREFIX
from emulator.topology import SubscriptionPlan, plan
from worker.core.naming import reviews_folder, sealed_folder
from worker.settings import Settings, describe_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DEPLOY.glob("*.tf")))


def _blocks(kind: str) -> dict[str, str]:
    """Return the bodies of the resources of a type by their local name (formatted, a block ends with `}` at margin)."""
    found = re.findall(rf'^resource "{kind}" "(\w+)" \{{\n(.*?)^\}}', TEXT, re.MULTILINE | re.DOTALL)
    return dict(found)


def _value(body: str, key: str) -> str:
    match = re.search(rf'^\s*{key}\s*= (?:"([^"]*)"|(\S+))', body, re.MULTILINE)
    assert match, f"{key} is not in {body}"
    return match[1] if match[1] is not None else match[2]


def _local(name: str) -> str:
    return _value(TEXT, name)


def test_format_is_terraforms() -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not on the path")
    done = subprocess.run(
        [terraform, "fmt", "-check", "-recursive", str(DEPLOY)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_topics_are_those_of_the_plan() -> None:
    topics = {_value(body, "name") for body in _blocks("google_pubsub_topic").values()}
    assert topics == set(plan(Settings()).topics)


def test_there_are_as_many_subscriptions_as_in_the_plan() -> None:
    names = {_value(body, "name") for body in _blocks("google_pubsub_subscription").values()}
    assert names == {each.name for each in plan(Settings()).subscriptions}


@pytest.mark.parametrize("wanted", plan(Settings()).subscriptions, ids=lambda each: each.name)
def test_subscription_has_the_plans_topic_retries_and_dead_letters(wanted: SubscriptionPlan) -> None:
    body = _blocks("google_pubsub_subscription")[wanted.name.replace("-", "_")]
    topic = wanted.topic.replace("-", "_")
    assert f"google_pubsub_topic.{topic}.id" in _value(body, "topic")
    assert _value(body, "ack_deadline_seconds") == "local.ack_deadline_s"
    if wanted.backs_off:
        assert _value(body, "minimum_backoff") == "local.min_backoff"
        assert _value(body, "maximum_backoff") == "local.max_backoff"
    else:
        assert "retry_policy" not in body
    assert 'ttl = ""' in body, "an idle subscription would expire with its messages"
    if wanted.dead_letter_topic is None:
        assert "dead_letter_policy" not in body
    else:
        assert _value(body, "dead_letter_topic") == "google_pubsub_topic.dead_letters.id"
        assert _value(body, "max_delivery_attempts") == "local.max_attempts"


def test_numbers_are_the_plans() -> None:
    pulled = next(each for each in plan(Settings()).subscriptions if each.dead_letter_topic)
    assert _local("ack_deadline_s") == str(pulled.ack_deadline_s)
    assert _local("max_attempts") == str(pulled.max_attempts)
    assert _local("min_backoff") == f"{pulled.min_backoff_s}s"
    assert _local("max_backoff") == f"{pulled.max_backoff_s}s"


def test_pubsubs_agent_may_forward_dead_letters() -> None:
    forward = _blocks("google_pubsub_topic_iam_member")["agent_forwards_dead_letters"]
    assert _value(forward, "role") == "roles/pubsub.publisher"
    taken = {
        re.sub(r".*\.(\w+)\[0\]\.id", r"\1", _value(body, "subscription"))
        for body in _blocks("google_pubsub_subscription_iam_member").values()
        if _value(body, "member") == "local.pubsub_agent" and _value(body, "role") == "roles/pubsub.subscriber"
    }
    pulled = {each.name.replace("-", "_") for each in plan(Settings()).subscriptions if each.dead_letter_topic}
    assert taken == pulled


def test_uploads_are_announced_and_storage_may_announce_them() -> None:
    body = _blocks("google_storage_notification")["uploads"]
    assert _value(body, "bucket") == "google_storage_bucket.uploads.name"
    assert _value(body, "topic") == "google_pubsub_topic.uploads.id"
    assert 'event_types    = ["OBJECT_FINALIZE"]' in body
    grant = _blocks("google_pubsub_topic_iam_member")["storage_announces_uploads"]
    assert "google_storage_project_service_account" in _value(grant, "member")


def test_buckets_are_the_settings_with_the_project_before_them() -> None:
    buckets = {_value(body, "name") for name, body in _blocks("google_storage_bucket").items() if name != "source"}
    assert buckets == {f"${{var.project}}-{bucket}" for bucket in plan(Settings()).buckets}
    for body in _blocks("google_storage_bucket").values():
        assert _value(body, "public_access_prevention") == "enforced"


def test_the_only_objects_that_expire_are_those_that_joining_leaves() -> None:
    rules = {
        name: re.findall(r"^  lifecycle_rule \{\n(.*?)^  \}", body, re.MULTILINE | re.DOTALL)
        for name, body in _blocks("google_storage_bucket").items()
    }
    assert [name for name, found in rules.items() if found] == ["results"]
    [rule] = rules["results"]
    assert (_value(rule, "age"), _value(rule, "type")) == ("1", "Delete")
    assert re.findall(r"^ +matches_prefix += \[(.*)\]", rule, re.MULTILINE) == [f'"{TEMPORARY_PREFIX}"']
    assert set(re.findall(r"^ +(\w+) +=", rule, re.MULTILINE)) == {"age", "matches_prefix", "type"}


def test_environment_names_settings_that_exist() -> None:
    body = re.search(r"^  environment = \{\n(.*?)^  \}", TEXT, re.MULTILINE | re.DOTALL)
    assert body
    names = set(re.findall(r"^ +(\w+) +=", body[1], re.MULTILINE))
    assert {"REVIEWMILL_MODELS", "REVIEWMILL_UPLOADS", "REVIEWMILL_RESULTS", "REVIEWMILL_PRODUCTION"} <= names
    assert names <= {variable for variable, _, _ in describe_settings()}


def test_functions_are_entry_points_and_retry() -> None:
    tree = ast.parse((ROOT / "main.py").read_text(encoding="utf-8"))
    entry_points = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    triggered = set(re.findall(r"^    (\w+) = \{\n      name ", TEXT, re.MULTILINE))
    assert triggered == {"score_message", "score_upload"}
    assert triggered | {"classify"} == entry_points
    functions = _blocks("google_cloudfunctions2_function")
    assert _value(functions["triggered"], "retry_policy") == "RETRY_POLICY_RETRY"
    assert _value(functions["classify"], "entry_point") == "classify"


def test_functions_archive_holds_what_the_entry_points_import() -> None:
    patterns = re.findall(r'fileset\(local\.root, "([^"]+)"\)', TEXT)
    files = {path for pattern in patterns for path in ROOT.glob(pattern)}
    for package in ("schemas", "cloud", "worker"):
        assert set((ROOT / package).rglob("*.py")) <= files, package


def test_scorer_may_not_change_or_delete_results() -> None:
    grants = re.findall(r'google_storage_bucket\.(\w+)\.name, role = "([^"]+)", member = local\.scorer', TEXT)
    assert set(grants) == {
        ("models", "roles/storage.objectViewer"),
        ("uploads", "roles/storage.objectViewer"),
        ("results", "roles/storage.objectViewer"),
        ("results", "roles/storage.objectCreator"),
    }


def test_only_the_compactor_may_delete_results_and_only_those_of_messages() -> None:
    grants = re.findall(r'google_storage_bucket\.results\.name, role = "([^"]+)", member = local\.(\w+)', TEXT)
    deleting = {"roles/storage.objectUser", "roles/storage.objectAdmin", "roles/storage.legacyBucketWriter"}
    assert not {(role, who) for role, who in grants if role in deleting}
    body = _blocks("google_storage_bucket_iam_member")["compactor_seals"]
    assert (_value(body, "role"), _value(body, "member")) == ("roles/storage.objectUser", "local.compactor")
    folders = set(re.findall(r"objects/([^\"]+)\"", body))
    kinds = ("reviews", "rejections")
    assert folders == {reviews_folder(kind) for kind in kinds} | {"sealed/v1/"}
    assert all(sealed_folder(kind).startswith("sealed/v1/") for kind in kinds)
    assert [name for name in _blocks("google_storage_bucket_iam_member") if name != "granted"] == ["compactor_seals"]


def _grants_on(kind: str, where: str, who: str) -> set[tuple[str, str]]:
    """Return what an account is granted on the resources of a kind: their local names, with the role."""
    return {
        (re.sub(r"google_pubsub_\w+\.(\w+)(\[0\])?\.id", r"\1", _value(body, where)), _value(body, "role"))
        for body in _blocks(kind).values()
        if _value(body, "member") == who
    }


def test_operator_may_redrive_and_nothing_else() -> None:
    topology = plan(Settings())
    keep = {each.name.replace("-", "_") for each in topology.subscriptions if each.dead_letter_topic is None}
    sources = {each.topic for each in topology.subscriptions if each.dead_letter_topic is not None}
    subscriptions = _grants_on("google_pubsub_subscription_iam_member", "subscription", "local.operator")
    assert subscriptions == {(name, "roles/pubsub.subscriber") for name in keep}
    topics = _grants_on("google_pubsub_topic_iam_member", "topic", "local.operator")
    assert topics == {(name, "roles/pubsub.publisher") for name in sources}
    # Each grant names the account once; the last two are its definition: no bucket, no project, no other account.
    assert TEXT.count("local.operator") == len(keep) + len(sources)
    assert TEXT.count("google_service_account.operator") == 1


def test_project_wide_grants_are_only_those_that_cannot_be_narrower() -> None:
    assert set(_blocks("google_project_iam_member")) == {"trigger_receives", "storage_publishes_events"}


def test_nobody_grants_more_than_a_job() -> None:
    roles = set(re.findall(r'role\s*= "(roles/[^"]+)"', TEXT))
    assert not {role for role in roles if re.search(r"(owner|editor|admin)$", role, re.IGNORECASE)}
    assert "allUsers" not in TEXT
