"""Several pull workers share one large file over Pub/Sub, and store what one worker alone stores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from cloud import connect
from cloud.queue import Topic
from emulator.provision import provision
from emulator.topology import plan
from schemas.codec import encode
from schemas.events import Upload
from schemas.ranges import RangeTask
from tests.runs import without_run
from worker.core.naming import job_id
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.models import ModelStore

from .conftest import LocalCloud, wait_until

ROWS = 3_000
FILE = b"id,text\n" + b"".join(
    b'%d,"A great phone,\nreally the %dth."\n' % (row, row) if row % 50 else b"%d,\n" % row for row in range(ROWS)
)
RANGE_BYTES = 20_000
CHUNK_ROWS = 250


@pytest.fixture
def fresh(cloud: LocalCloud) -> LocalCloud:
    """The cloud with topics, subscriptions and buckets of this test's own, and the same models."""
    mark = uuid4().hex[:8]
    settings = replace(
        cloud.settings,
        reviews_topic=f"reviews-{mark}",
        reviews_subscription=f"reviews-worker-{mark}",
        uploads_topic=f"uploads-{mark}",
        uploads_subscription=f"uploads-worker-{mark}",
        uploads=f"gs://uploads-{mark}",
        results=f"gs://results-{mark}",
        range_bytes=RANGE_BYTES,
        chunk_rows=CHUNK_ROWS,
    )
    topology = plan(settings)
    provision(replace(topology, buckets=(*topology.buckets, f"alone-{mark}")), cloud.environment, wait_s=60)
    return replace(cloud, settings=settings)


@pytest.fixture
def topic(fresh: LocalCloud) -> Iterator[Topic]:
    topic = connect.open_topic(fresh.settings.project, fresh.settings.uploads_topic)
    yield topic
    topic.close()


def upload(fresh: LocalCloud) -> Upload:
    """Drop the file; the bucket's notification reaches the workers."""
    bucket = fresh.bucket(fresh.settings.uploads)
    info = bucket.put("in.csv", FILE, content_type="text/csv", if_generation=0)
    bucket.close()
    return Upload(fresh.settings.uploads.removeprefix("gs://"), info.name, info.generation)


def objects_of(fresh: LocalCloud, results: str, upload: Upload) -> dict[str, bytes]:
    folder = f"jobs/{job_id(upload.bucket, upload.name, upload.generation)}/"
    return {name.removeprefix(folder): data for name, data in fresh.stored(results, folder).items()}


def compared(objects: dict[str, bytes]) -> dict[str, bytes]:
    """Return what must not differ: all but the plan, attempts, and what the run took."""
    kept = {name: data for name, data in objects.items() if name != "ranges.json" and "attempts/" not in name}
    return without_run(kept)


def run_alone(fresh: LocalCloud, upload: Upload) -> dict[str, bytes]:
    """Have one worker without a topic do the same job, in a bucket of its own."""
    settings = fresh.settings
    results = settings.results.replace("results-", "alone-")
    models = ModelStore(fresh.bucket(settings.models), check_every_s=5, now=time.monotonic)
    manifest = run_job(
        upload,
        JobPlaces(fresh.bucket(settings.uploads), fresh.bucket(results), models),
        JobRules(chunk_rows=CHUNK_ROWS, max_rejections=settings.max_rejections, range_bytes=RANGE_BYTES),
        publish_completion=lambda _: None,
        clock=time.monotonic,
    )
    assert (manifest.state, manifest.counts.rows) == ("done", ROWS)
    return objects_of(fresh, results, upload)


def test_three_workers_share_a_file_and_store_what_one_alone_stores(fresh: LocalCloud, topic: Topic) -> None:
    results = fresh.settings.results
    with fresh.worker(), fresh.worker(), fresh.worker():
        dropped = upload(fresh)
        # Pub/Sub may deliver everything twice.
        for number in (3, 0):
            task = RangeTask(dropped.bucket, dropped.name, dropped.generation, number)
            topic.publish(encode(task), task.attributes()).result(timeout=30)
        wait_until(lambda: "manifest.json" in objects_of(fresh, results, dropped))
    shared = objects_of(fresh, results, dropped)
    assert compared(shared) == compared(run_alone(fresh, dropped))
    ranges = {name for name in shared if name.startswith("finished/")}
    assert len(ranges) > 4
    # Every range was a message of its own.
    assert {f"ranges/{name[9:15]}/attempts/000001.json" for name in ranges} <= set(shared)
