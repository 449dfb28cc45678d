"""Updates by field mask: which fields change, and that they may."""

from emulator.pubsub.errors import invalid
from emulator.pubsub.wire import Message


def apply_update(current: Message, wanted: Message, mask: Message, mutable: frozenset[str]) -> Message:
    """Return a copy of `current` with the fields of `mask` taken from `wanted`.

    Raises INVALID_ARGUMENT for an empty mask, an unknown field, or one outside `mutable`. A path may go below a field
    (`push_config.push_endpoint`).
    """
    kind = current.DESCRIPTOR.name
    if not mask.paths:
        raise invalid(
            f"The update_mask in the Update{kind}Request must be set, and must contain a non-empty paths list."
        )
    for path in mask.paths:
        field = path.split(".", 1)[0]
        if field not in current.DESCRIPTOR.fields_by_name:
            raise invalid(f"Invalid update_mask: {path} is not a known {kind} field.")
        if field not in mutable:
            raise invalid(f"Invalid update_mask: the {field} field in the {kind} is not mutable.")
    updated = type(current)()
    updated.CopyFrom(current)
    for path in mask.paths:
        if "." in path:
            _copy_below(updated, wanted, path)
        else:
            _copy_field(updated, wanted, path)
    return updated


def _copy_below(updated: Message, wanted: Message, path: str) -> None:
    target, source = updated, wanted
    *parents, leaf = path.split(".")
    for parent in parents:
        field = target.DESCRIPTOR.fields_by_name.get(parent)
        if field is None or field.message_type is None or not hasattr(getattr(target, parent), "DESCRIPTOR"):
            raise invalid(f"Invalid update_mask: {path} does not name a field.")
        target, source = getattr(target, parent), getattr(source, parent)
    if leaf not in target.DESCRIPTOR.fields_by_name:
        raise invalid(f"Invalid update_mask: {path} does not name a field.")
    target.SetInParent()
    _copy_field(target, source, leaf)


def _copy_field(target: Message, source: Message, name: str) -> None:
    """Make the field of `target` equal to that of `source`, unset where it is unset there; maps are replaced."""
    target.ClearField(name)
    part = type(source)()
    part.CopyFrom(source)
    for field in source.DESCRIPTOR.fields_by_name:
        if field != name:
            part.ClearField(field)
    target.MergeFrom(part)
