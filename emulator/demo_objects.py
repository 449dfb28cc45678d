"""Shows where the local cloud keeps what the demo stored."""

from __future__ import annotations

import os
from pathlib import Path

from emulator.demo_steps import StepFailed, shown
from worker.settings import load_settings


def print_objects(folder: Path) -> None:
    """Print the URI and size of every object of the uploads and results buckets, and the models' names.

    Uses the storage emulator of this process's environment. Raises StepFailed when it does not answer.
    """
    # The storage client takes a second to import: `reviewmill demo --help` answers without it.
    from cloud.connect import open_objects  # noqa: PLC0415 - see above
    from cloud.objects import CloudSetupError, TransientError  # noqa: PLC0415 - see above

    settings = load_settings(os.environ)
    try:
        for uri in (settings.uploads, settings.results, settings.models):
            objects = open_objects(uri)
            for info in objects.listing(""):
                print(f"  {info.size:>12,} bytes  {uri.rstrip('/')}/{info.name}")
            objects.close()
    except (CloudSetupError, TransientError) as error:
        raise StepFailed(f"the stored objects cannot be listed: {error}") from error
    print(f"  on this disk: {shown(str(folder / 'storage'))} (file names are digests of object names)", flush=True)
