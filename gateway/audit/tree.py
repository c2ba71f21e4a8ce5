"""The tree of a journal on disk, as C2SP tlog-tiles lays it out: grown by the one writer, read by anybody.

Whatever is lost or damaged here is made anew from the journal; the signatures alone cannot be.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import rmtree

from gateway.audit.checkpoint import read_history
from gateway.audit.cosignature import WitnessKey
from gateway.audit.merkle import Hash, NodeSource, frontier_of, leaf_hash
from gateway.audit.note import VerifierKey
from gateway.audit.record import Head
from gateway.audit.tiles import HASH_BYTES, WIDTH, Tile, bundle, nodes_of, split, tile_in, tiles_between, whole_root
from gateway.errors import InvalidProof

FOLDER = "tree"
"""Its place in the journal's folder."""

_ENTRY_BYTES = 2 + HASH_BYTES


class Tree:
    """The tree in a folder, for reading."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def newest(self) -> bytes | None:
        """Return the newest checkpoint's note, unchecked; none if none was signed."""
        return self._read("checkpoint") or None

    def notes(self) -> Iterator[bytes]:
        """Yield every checkpoint that was signed, as a note, in the order of signing."""
        if (self.folder / "checkpoints").exists():
            with (self.folder / "checkpoints").open("rb") as file:
                yield from read_history(file)

    def keys(self) -> list[VerifierKey]:
        """Return the keys that the writer signed with, by its own word.

        Raises:
            InvalidProof: there are none, or they are damaged.
        """
        return [VerifierKey.parse(line) for line in self._read("keys").decode(errors="replace").splitlines()]

    def cosigned(self) -> bytes | None:
        """Return the newest checkpoint's note that a witness has cosigned, unchecked; none if none was."""
        return self._read("cosigned") or None

    def witnesses(self) -> list[WitnessKey]:
        """Return the keys of the witnesses who cosigned it, by the writer's own word. Raises `InvalidProof`."""
        return [WitnessKey.parse(line) for line in self._read("witnesses").decode(errors="replace").splitlines()]

    def nodes(self, size: int) -> NodeSource:
        """Return the hashes of the tree of `size`. They are to be held against a signed root."""
        return nodes_of(size, self.read_tile)

    def root(self, size: int, *, within: int | None = None) -> Hash:
        """Return the root over the first `size` entries, from the tiles of a tree of this size or a larger one.

        Raises:
            InvalidProof: a tile is missing or damaged.
        """
        return frontier_of(size, self.nodes(within or size)).root()

    def leaves(self, size: int, *, start: int) -> Iterable[Hash]:
        """Yield the hashes of the entries from `start` to `size` (exclusive), counted from 0."""
        for index in range(start // WIDTH, -(-size // WIDTH)):
            hashes = split(self.read_tile(tile_in(size, 0, index)))
            yield from hashes[max(0, start - index * WIDTH) :]

    def read_tile(self, tile: Tile) -> bytes:
        """Return a tile's bytes: its own file's, or the first of the full one, which replaces partial ones."""
        return self.read_served(tile, tile.path, HASH_BYTES)

    def read_bundle(self, tile: Tile) -> bytes:
        """Return the entries of a tile of level 0, as they are served."""
        return self.read_served(tile, tile.entries_path, _ENTRY_BYTES)

    def read_served(self, tile: Tile, path: str, each: int) -> bytes:
        """Return the first `width` pieces of the file at the path."""
        data = self._read(path) or self._read(path.partition(".p/")[0])
        if len(data) < tile.width * each:
            raise InvalidProof(f"{path} is missing or damaged.")
        return data[: tile.width * each]

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return b""


class GrowingTree(Tree):
    """The tree in a folder, with its one writer. It holds less than a tile of each level in memory."""

    def __init__(self, folder: Path, size: int = 0) -> None:
        super().__init__(folder)
        self.size = size
        self._edges: list[list[Hash]] = []
        """For each level, the hashes of its last tile, which is partial or empty."""
        self._entries: list[bytes] = []
        """Of the last bundle."""
        level = 0
        while size >> 8 * level:
            tile = tile_in(size, level, (size >> 8 * level) // WIDTH)
            self._edges.append(split(self.read_tile(tile)) if tile.width else [])
            level += 1
        if size % WIDTH:
            data = self.read_bundle(tile_in(size, 0, size // WIDTH))
            self._entries = [data[at + 2 : at + _ENTRY_BYTES] for at in range(0, len(data), _ENTRY_BYTES)]

    def head(self) -> Head | None:
        """Return the place in the chain up to which the tree goes; none before the first record."""
        if not self.size:
            return None
        last = (self.size - 1) // WIDTH
        return Head(self.size, self.read_bundle(tile_in(self.size, 0, last))[-HASH_BYTES:].hex().encode())

    def extend(self, entries: Iterable[bytes]) -> None:
        """Add entries, write every tile that they fill, and at the end the partial ones."""
        before = self.size
        for entry in entries:
            self._entries.append(entry)
            self._add(0, leaf_hash(entry))
            self.size += 1
        for tile in tiles_between(before, self.size):
            if tile.width < WIDTH:
                self._write(tile.path, b"".join(self._edges[tile.level]))
                if tile.level == 0:
                    self._write(tile.entries_path, bundle(self._entries))

    def publish(self, note: bytes, keys: Iterable[VerifierKey]) -> None:
        """Add a signed checkpoint to the history, and make it the newest. Afterwards both are on disk."""
        self._write("keys", "".join(f"{key}\n" for key in keys).encode())
        with (self.folder / "checkpoints").open("ab") as file:
            file.write(note + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._write("checkpoint", note)

    def cosign(self, note: bytes, witnesses: Iterable[WitnessKey]) -> None:
        """Put a note with cosignatures in the place of the newest checkpoint's."""
        self._write("witnesses", "".join(f"{key}\n" for key in witnesses).encode())
        self._write("cosigned", note)
        self._write("checkpoint", note)

    def mend_history(self) -> None:
        """Cut what a kill left half written at the end of the history."""
        whole = sum(len(note) + 1 for note in self.notes())
        if whole or (self.folder / "checkpoints").exists():
            os.truncate(self.folder / "checkpoints", whole)

    def _add(self, level: int, one: Hash) -> None:
        if level == len(self._edges):
            self._edges.append([])
        edge = self._edges[level]
        edge.append(one)
        if len(edge) == WIDTH:
            self._finish(level)

    def _finish(self, level: int) -> None:
        edge, self._edges[level] = self._edges[level], []
        tile = Tile(level, self.size // WIDTH ** (level + 1), WIDTH)
        self._write(tile.path, b"".join(edge))
        if level == 0:
            self._write(tile.entries_path, bundle(self._entries))
            self._entries = []
        self._add(level + 1, whole_root(edge))

    def _write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all, and drop the partial ones that it replaces."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)  # the journal's folder keeps others out
        draft = path.with_name(f"{path.name}.new")
        draft.write_bytes(data)
        draft.replace(path)
        rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)
