"""Follows objects to where they were moved. Manifests never change, so they know an object by its first id for ever."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.model import FileEntry
from gateway.ports import ReencryptionStore


async def follow(moves: ReencryptionStore, resource_id: str, entries: Sequence[FileEntry]) -> list[FileEntry]:
    """Return the entries with the ids, epochs and key checks that their objects have now."""
    moved = await moves.current(resource_id, {entry.object_id for entry in entries})
    if not moved:
        return list(entries)
    return [
        replace(entry, object_id=found.current_id, epoch=found.epoch, key_check=found.key_check)
        if (found := moved.get(entry.object_id))
        else entry
        for entry in entries
    ]
