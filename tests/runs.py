"""What of a CSV job's objects differs from run to run, taken out, so that the rest can be compared to the byte."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from cloud.crc import crc32c

_RUN = re.compile(rb'<td class="number run">[^<]*</td>')
_FIGURES = 6


def without_run(objects: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return a job's objects, by their names in its folder, without what one run of the job took.

    That is the manifest's timings and cost, the report's six cells that show them, and so the report's checksum in the
    manifest: it is that of the report as it was stored, and becomes that of the rest.
    """
    found = dict(objects)
    whole = found.get("report.html")
    if whole is not None:
        found["report.html"], count = _RUN.subn(b"<td></td>", whole)
        assert count == _FIGURES
    if "manifest.json" in found:
        manifest = json.loads(found["manifest.json"])
        for stored in manifest["objects"]:
            if stored["name"].endswith("/report.html"):
                assert whole is not None
                assert (stored["size"], stored["crc32c"]) == (len(whole), crc32c(whole))
                rest = found["report.html"]
                stored["size"], stored["crc32c"] = len(rest), crc32c(rest)
        found["manifest.json"] = json.dumps({**manifest, "timings": {}, "cost": {}}).encode()
    return found
