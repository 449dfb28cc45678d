"""Reads a results bucket for the ledger, without the readers that are under test: workers' objects and sealed ones."""

from __future__ import annotations

import json

from cloud.objects import Objects
from tests.faults.ledger import Ledger


def read_all(results: Objects, ledger: Ledger) -> None:
    """Give the ledger every row that is stored. Nobody may write or seal meanwhile.

    Of what is sealed, only objects that a manifest lists count; an object whose rows are sealed counts once: as sealed.
    """
    infos = {info.name: info for info in results.listing("")}
    sealed: set[str] = set()
    for name in infos:
        if not (name.startswith("sealed/v1/") and name.endswith("/manifest.json")):
            continue
        manifest = json.loads(results.get(name)[0])
        folder = name.removesuffix("manifest.json")
        for item in manifest["objects"]:
            data, info = results.get(folder + item["object"])
            assert (info.size, info.crc32c, data.count(b"\n")) == (item["size"], item["crc32c"], item["rows"])
            ledger.stored(f"{manifest['kind']}/v1/{manifest['partition']}/{item['object']}", data)
        for source in manifest["sources"]:
            written = f"{manifest['kind']}/v1/{manifest['partition']}/{source['object']}"
            if written in infos and infos[written].generation == source["generation"]:
                sealed.add(written)
    for name in infos.keys() - sealed:
        if name.startswith(("reviews/", "rejections/")):
            ledger.stored(name, results.get(name)[0])
