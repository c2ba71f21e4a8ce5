"""What a push has done so far, in a file on this machine, so that the next one goes on where it was killed.

    {"push": "…", "part_bytes": 67108864}                                  the push, once it is open
    {"sent": "…", "object": 7, "sha256": "…"}                              a file that is whole in S3
    {"begun": "…", "object": 8, "header": "…"}                             a file that is sent in parts
    {"object": 8, "part": 1, "prefix": "…"}                                a part that is about to be sent
    {"object": 8, "part": 1, "etag": "…"}                                  a part that S3 has

A file is named by where it is and what it was: another size, time or inode is another file. There is no key here: the
gateway gives an object's key again, to the same caller and for the same push.

A part is written down before its first byte leaves, with the SHA-256 of all plaintext up to its end, and only these
very bytes are ever encrypted in its place. So no nonce meets two plaintexts, whatever is done to the file meanwhile.
"""

import hashlib
import json
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.client.answers import PushSession
from gateway.client.locking import try_lock
from gateway.client.source import LocalFile
from gateway.model import ResourceName

_OWNER_ONLY = 0o600


@dataclass(slots=True)
class Multipart:
    """An object that is sent in parts, as far as it has come."""

    number: int
    header: bytes
    """What the ciphertext begins with."""
    prefixes: dict[int, str] = field(default_factory=dict)
    """For each part that has left, or may have: the hex SHA-256 of the plaintext up to its end."""
    etags: dict[int, str] = field(default_factory=dict)


class Journal:
    """The record of one push. Threads may share it."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._held = ExitStack()
        self._out: int | None = None
        self._forget()

    def open(self) -> PushSession | None:
        """Return the push to go on with, if any. Where another process is at it, or no disk, nothing is kept."""
        if self._file is None:
            return None
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._held.enter_context(try_lock(self._file.with_suffix(".lock"))):
                return None
            self._out = os.open(self._file, os.O_RDWR | os.O_CREAT, _OWNER_ONLY)
        except OSError:
            return None
        return self._read()

    def begin(self, session: PushSession) -> None:
        """Start anew, with another push."""
        self._forget()
        if self._out is not None:
            os.lseek(self._out, 0, os.SEEK_SET)
            os.truncate(self._out, 0)
        self._write(push=session.id, part_bytes=session.part_bytes)

    def close(self, *, done: bool) -> None:
        """Let go of it; remove it if the push is done."""
        if self._out is not None:
            os.close(self._out)
            self._out = None
            if done and self._file is not None:
                self._file.unlink(missing_ok=True)
        self._held.close()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that the next push could use."""
        return self._out is None or not (self._sent or self._begun)

    def find(self, file: LocalFile) -> tuple[int, str] | None:
        """Return object and SHA-256 of a file that was sent already."""
        return self._sent.get(_identity(file))

    def sent(self, file: LocalFile, number: int, sha256: str) -> None:
        """Write down that the file is whole in S3."""
        self._sent[_identity(file)] = (number, sha256)
        self._write(sent=_identity(file), object=number, sha256=sha256)

    def begun(self, file: LocalFile) -> Multipart | None:
        """Return how far the file has come in parts."""
        return self._begun.get(_identity(file))

    def begin_parts(self, file: LocalFile, number: int, header: bytes) -> Multipart:
        """Write down that the file is sent in parts of this object."""
        found = self._begun[_identity(file)] = Multipart(number, header)
        self._write(begun=_identity(file), object=number, header=header.hex())
        return found

    def begin_part(self, at: Multipart, part: int, prefix: str) -> None:
        """Write down what a part holds, and wait until it is on the disk."""
        at.prefixes[part] = prefix
        self._write(object=at.number, part=part, prefix=prefix)
        if self._out is not None:
            os.fsync(self._out)

    def end_part(self, at: Multipart, part: int, etag: str) -> None:
        """Write down that S3 has the part."""
        at.etags[part] = etag
        self._write(object=at.number, part=part, etag=etag)

    def _forget(self) -> None:
        self._sent: dict[str, tuple[int, str]] = {}
        self._begun: dict[str, Multipart] = {}

    def _write(self, **record: object) -> None:
        if self._out is not None:
            with self._lock:
                os.write(self._out, json.dumps(record).encode() + b"\n")

    def _read(self) -> PushSession | None:
        """Read as far as it is whole: a line that was cut by the kill, and what follows it, never was."""
        assert self._out is not None  # noqa: S101 -- `open` has opened it
        session, good = None, 0
        with open(self._out, "rb", closefd=False) as lines:
            for line in lines:
                try:
                    record = json.loads(line) if line.endswith(b"\n") else {}
                    if session is None:
                        session = PushSession(record["push"], None, record["part_bytes"])
                    else:
                        self._take(record)
                except (ValueError, KeyError, TypeError):
                    break
                good += len(line)
        os.truncate(self._out, good)
        os.lseek(self._out, good, os.SEEK_SET)
        return session

    def _take(self, record: dict[str, Any]) -> None:
        if "sent" in record:
            self._sent[record["sent"]] = (record["object"], record["sha256"])
        elif "begun" in record:
            self._begun[record["begun"]] = Multipart(record["object"], bytes.fromhex(record["header"]))
        else:
            at = next(one for one in self._begun.values() if one.number == record["object"])
            if "prefix" in record:
                at.prefixes[record["part"]] = record["prefix"]
            else:
                at.etags[record["part"]] = record["etag"]


def journal_place(home: Path, url: str, name: ResourceName) -> Path:
    """Return where the journal of pushes to a resource is."""
    return home / "pushes" / hashlib.sha256(f"{url}\0{name}".encode()).hexdigest()[:32]


def _identity(file: LocalFile) -> str:
    return hashlib.sha256(f"{file.place}\0{file.size}\0{file.stamp}".encode(errors="surrogateescape")).hexdigest()[:32]
