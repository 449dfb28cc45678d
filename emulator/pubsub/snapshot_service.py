"""`google.pubsub.v1.Subscriber`, the rest: snapshots and seek."""

from collections.abc import Mapping
from typing import ClassVar

from emulator.pubsub.broker import Broker, SavedSnapshot
from emulator.pubsub.clock import now_s
from emulator.pubsub.errors import already_exists, invalid
from emulator.pubsub.masks import apply_update
from emulator.pubsub.names import check_name, check_project, page
from emulator.pubsub.rpc import Context
from emulator.pubsub.wire import Empty, ListSnapshotsResponse, Message, SeekResponse, Snapshot

_LIFETIME_S = 7 * 24 * 3600
_MUTABLE = frozenset({"expire_time", "labels"})


class SnapshotService:
    """The methods of the service by their names in the API."""

    REQUESTS: ClassVar[Mapping[str, str]] = {
        "CreateSnapshot": "CreateSnapshotRequest",
        "GetSnapshot": "GetSnapshotRequest",
        "UpdateSnapshot": "UpdateSnapshotRequest",
        "DeleteSnapshot": "DeleteSnapshotRequest",
        "ListSnapshots": "ListSnapshotsRequest",
        "Seek": "SeekRequest",
    }

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def CreateSnapshot(self, request: Message, _context: Context) -> Message:
        """Keep what a subscription has not acknowledged, and from now on what its topic publishes."""
        check_name("snapshots", request.name)
        if request.name in self._broker.snapshots:
            raise already_exists("Snapshot")
        channel = self._broker.channel(request.subscription)
        channel.check_usable()
        config = Snapshot(name=request.name, topic=channel.config.topic, labels=dict(request.labels))
        config.expire_time.FromSeconds(int(now_s()) + _LIFETIME_S)
        self._broker.snapshots[request.name] = SavedSnapshot(config, channel.state.unacknowledged())
        return config

    async def GetSnapshot(self, request: Message, _context: Context) -> Message:
        """Return a snapshot."""
        return self._broker.snapshot(request.snapshot).config

    async def UpdateSnapshot(self, request: Message, _context: Context) -> Message:
        """Change the labels or the expiry that a snapshot tells; the server itself keeps snapshots until deleted."""
        config = self._broker.snapshot(request.snapshot.name).config
        config.CopyFrom(apply_update(config, request.snapshot, request.update_mask, _MUTABLE))
        return config

    async def DeleteSnapshot(self, request: Message, _context: Context) -> Message:
        """Delete a snapshot."""
        self._broker.snapshot(request.snapshot)
        del self._broker.snapshots[request.snapshot]
        return Empty()

    async def ListSnapshots(self, request: Message, _context: Context) -> Message:
        """List the snapshots of a project by name."""
        prefix = check_project(request.project) + "/"
        names = sorted(name for name in self._broker.snapshots if name.startswith(prefix))
        some, token = page(names, request.page_size, request.page_token)
        configs = [self._broker.snapshots[name].config for name in some]
        return ListSnapshotsResponse(snapshots=configs, next_page_token=token)

    async def Seek(self, request: Message, _context: Context) -> Message:
        """Set a subscription back or forth to a time or a snapshot."""
        channel = self._broker.channel(request.subscription)
        channel.check_usable()
        target = request.WhichOneof("target")
        if target == "time":
            channel.seek_to_time(request.time.ToNanoseconds() / 1e9)
        elif target == "snapshot":
            saved = self._broker.snapshot(request.snapshot)
            if saved.config.topic != channel.config.topic:
                raise invalid("The snapshot and the subscription belong to different topics")
            channel.replace(saved.entries)
        else:
            raise invalid("No target was specified in the SeekRequest. Must specify either a time or a snapshot")
        return SeekResponse()
