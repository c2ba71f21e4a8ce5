"""`gateway://dataset/ns/name@v3/path` for fsspec, and so for pandas, PyArrow, DuckDB, Dask, datasets and zarr.

Reads fetch the segments that they touch. A name without a version is the newest one, and stays the same version until
`invalidate_cache`. Writes make the next version: one each, or one for all within `with fs.transaction:`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK, Callback

from gateway.client.python_errors import ExistingFile, python_errors
from gateway.client.reading import ReadingFileSystem
from gateway.client.reference import Reference
from gateway.client.transaction import PushTransaction, StagedFile, StagedText, writable
from gateway.errors import InvalidInput


class GatewayFileSystem(ReadingFileSystem):
    """Datasets and models as folders. Fork it, pickle it, or open it in many threads: each process connects by itself.

    Which gateway, and as whom, is found as `Gateway` does: `gateway login`, the environment, or the job's platform.
    No option takes a token, so that none ends up in a pickle or in a task's description.

    Args:
        url: the gateway.
        profile: one of the logins that `gateway login` keeps.
        lease: the id of a lease to ask for links under.
        cache: a folder, to keep ciphertext on disk between runs and processes (`DiskCache`); also `GATEWAY_CACHE`.
        cache_bytes: how large that may become.
        options: fsspec's own, such as `use_listings_cache` and `skip_instance_cache`.

    >>> import fsspec
    >>> fs = fsspec.filesystem("gateway", url="https://gateway.example")
    >>> fs.unstrip_protocol("dataset/vision/digits@v3/digits.csv")
    'gateway://dataset/vision/digits@v3/digits.csv'
    """

    protocol = "gateway"
    transaction_type = PushTransaction

    @contextmanager
    def one_version(self) -> Iterator[PushTransaction]:
        """Give the transaction that we are in, else one of its own: all changes inside become one version."""
        with nullcontext(self.transaction) if self._intrans else self.transaction as transaction:
            yield transaction

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:  # noqa: ANN401 -- fsspec's
        """Open a file for reading, or for writing the next version of it; see `StagedFile`."""
        if "b" in mode or "r" in mode:
            return super().open(path, mode, **options)
        text = {name: options.pop(name) for name in ("encoding", "errors", "newline") if name in options}
        return StagedText(self.open(path, f"{mode.replace('t', '')}b", **options), **text)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,  # noqa: FBT001, FBT002 -- fsspec's
        cache_options: dict[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 -- fsspec's
    ) -> Any:  # noqa: ANN401 -- fsspec's files have no types
        if mode == "rb":
            return super()._open(path, mode, block_size, autocommit, cache_options, **options)
        with python_errors():
            writable(path)
            if mode not in {"wb", "xb"}:
                raise InvalidInput(f"A file cannot be opened with mode {mode!r}.", hint="Write it anew: 'wb'.")
        if mode == "xb":
            self._require_new(path)
        return StagedFile(self, path, autocommit=autocommit)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: object) -> None:
        """Write a file; with `mode="create"`, only a new one."""
        with self.open(path, "xb" if mode == "create" else "wb") as file:
            file.write(value)

    def pipe(self, path: str | dict[str, bytes], value: bytes | None = None, **options: Any) -> None:  # noqa: ANN401
        """Write one file, or many as one version."""
        with self.one_version():
            super().pipe(path, value, **options)

    def put_file(
        self,
        lpath: str | os.PathLike[str],
        rpath: str,
        callback: Callback = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **_: object,
    ) -> None:
        """Publish a local file, which must stay as it is meanwhile."""
        place, path = Path(lpath), self._strip_protocol(rpath)
        if place.is_dir():
            return
        if mode == "create":
            self._require_new(path)
        with python_errors(), self.one_version() as transaction:
            wanted = writable(path)
            transaction.edit(wanted.resource).put(wanted.path, place)
        callback.set_size(place.stat().st_size)
        callback.relative_update(place.stat().st_size)

    def put(self, lpath: Any, rpath: Any, **options: Any) -> None:  # noqa: ANN401 -- fsspec's
        """Publish local files as one version."""
        with self.one_version():
            super().put(lpath, rpath, **options)

    def cp_file(self, path1: str, path2: str, **_: object) -> None:
        """Publish a file under another path; within a resource, also from an older version, no byte is sent."""
        source, target = (self._strip_protocol(path) for path in (path1, path2))
        with python_errors():
            found, wanted = Reference.parse(source), writable(target)
            if self.info(source)["type"] == "directory":
                return
            if found.resource == wanted.resource:
                version = self._session.snapshot(found).version.number
                with self.one_version() as transaction:
                    transaction.edit(wanted.resource).copy(wanted.path, version=version, source=found.path)
                return
        with self.open(source, "rb") as original, self.open(target, "wb") as copy:
            while piece := original.read(self.blocksize):
                copy.write(piece)

    def copy(self, path1: Any, path2: Any, **options: Any) -> None:  # noqa: ANN401 -- fsspec's
        """Publish files under other paths, as one version."""
        with self.one_version():
            super().copy(path1, path2, **options)

    def rm_file(self, path: str) -> None:
        """Publish a version without a file. Earlier versions keep it."""
        self.rm(path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:  # noqa: ANN401, FBT001, FBT002
        """Publish a version without some files; earlier versions keep them."""
        paths = self.expand_path(path, recursive=recursive, maxdepth=maxdepth)
        if not recursive and (folder := next((one for one in paths if self.isdir(one)), None)):
            raise IsADirectoryError(f"{folder!r} is a folder: rm(…, recursive=True) removes what is in it.")
        with python_errors(), self.one_version() as transaction:
            for wanted in map(writable, paths):
                transaction.edit(wanted.resource).remove(wanted.path)

    def mv(self, path1: Any, path2: Any, **options: Any) -> None:  # noqa: ANN401 -- fsspec's
        """Publish files under other paths and not under their own any more, as one version."""
        with self.one_version():
            super().mv(path1, path2, **options)

    def mkdir(self, path: str, create_parents: bool = True, **_: object) -> None:  # noqa: FBT001, FBT002
        """Do nothing: folders are where files are."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002 -- fsspec's
        """Do nothing: folders are where files are."""

    def rmdir(self, path: str) -> None:
        """Do nothing: a folder goes with its last file."""

    def _require_new(self, path: str) -> None:
        if self.exists(path):
            raise ExistingFile(f"{path!r} is there already.", hint="Open it with 'wb' to write it anew.")
