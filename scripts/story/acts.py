"""The seven acts: log in, publish, pull, train, be refused, rotate, audit. Each goes through the public CLI and SDK."""

import contextlib
import gzip
import hashlib
import importlib.resources
import json
import math
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config

from gateway import settings
from gateway.devstack import browser
from scripts.story.stage import Person, StoryError, act, check, say

DIGITS = "dataset/vision/digits"
MODEL = "model/vision/digits-logreg"
BULK = "dataset/vision/bulk"
BULK_BYTES = 64 << 20
CIPHERTEXT_ENTROPY = 7.9
"""Bits a byte; random bytes have 8, and text, images or Parquet far fewer."""


class Cast:
    """Who is in the story, and what they share."""

    def __init__(self, stack: Mapping[str, Any], home: Path) -> None:
        self.stack = stack
        self.home = home
        self.passwords = {user["name"]: Path(user["password_file"]) for user in stack["users"]}
        self.ada, self.ivan, self.grace, self.otto = (
            Person(name, home / name, stack["url"]) for name in ("ada", "ivan", "grace", "otto")
        )
        self.trainer = Person(
            "trainer", home / "trainer", stack["url"], GATEWAY_WORKLOAD_TOKEN_FILE=stack["workload_token_file"]
        )
        self.originals = home / "originals"


def log_in(cast: Cast, person: Person) -> None:
    """Log somebody in: `gateway login` as anyone types it, with us as the browser that it would open."""
    say(f"{person.name}$ gateway login --no-browser")
    process = subprocess.Popen(
        person.command("login", "--no-browser", "--timeout", "30", "--json"),
        env=person.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101 -- asked for above
    where = json.loads(process.stdout.readline())["authorize_url"]
    browser.log_in(where, name=person.name, password_file=cast.passwords[person.name])
    if process.wait(30):
        raise StoryError(f"{person.name} could not log in")
    me = person.does("whoami", "--json").json
    check(me["name"] == person.name, f"the gateway knows {me['name']}, in {', '.join(me['groups'])}")


def first(cast: Cast) -> None:
    """Ada logs in."""
    act(1, "ada logs in: OIDC code + PKCE, at OpenBao's provider")
    log_in(cast, cast.ada)


def second(cast: Cast) -> None:
    """She publishes, and S3 holds ciphertext."""
    act(2, f"She publishes {DIGITS}: encrypted before it leaves her machine")
    csv = _make_originals(cast.originals)
    published = cast.ada.does("push", str(cast.originals), DIGITS, "-m", "UCI handwritten digits", "--json").json
    check(published["version"]["number"] == 1, f"{DIGITS}@v1 is published: {published['version']['digest'][:19]}…")
    again = cast.ada.types("push", str(cast.originals), DIGITS, "--json")
    check(again.problem["code"] == "version-exists", f"a second time is refused: {again.problem['detail']}")
    stored = _bucket_contents(cast.stack)
    # A short object's entropy says little: it has fewer bytes than there are values.
    entropy = min(_entropy(body) for body in stored if len(body) > 16 << 10)
    check(entropy > CIPHERTEXT_ENTROPY, f"S3 holds {len(stored)} objects, of {entropy:.3f} bits a byte: noise")
    known = [csv[:64], b"PAR1", b"digits.csv", b"digits.parquet"]
    check(not any(text in body for text in known for body in stored), "no known plaintext, nor a file's name, in any")


def third(cast: Cast) -> None:
    """She pulls, directly and through a stream link."""
    act(3, "She pulls it: signed links straight to S3, then one stream link with curl")
    target = cast.ada.home / "pulled"
    cast.ada.does("pull", f"{DIGITS}@v1", str(target), "--json")
    check(_hashes(target) == _hashes(cast.originals), "what she pulled has the original's SHA-256")
    url = cast.ada.does("link", f"{DIGITS}@v1/digits.csv", "--mode", "stream").out.decode().strip()
    fetched = cast.ada.home / "curled.csv"
    _fetch(url, fetched)
    check(_sha256(fetched) == _sha256(cast.originals / "digits.csv"), "so does what the stream link gave")


def fourth(cast: Cast) -> None:
    """A workload trains and publishes."""
    act(4, "A training job, with its workload token, trains on it and publishes the weights")
    job = Path(__file__).with_name("train.py")
    done = subprocess.run(
        [sys.executable, str(job), str(cast.trainer.home / "work")],
        env=cast.trainer.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise StoryError(f"the training job failed: {done.stderr.strip()}")
    accuracy = float(done.stdout)
    check(accuracy > 0.9, f"the classifier's accuracy is {accuracy:.3f}")
    files = [json.loads(line) for line in cast.ada.does("ls", f"{MODEL}@latest", "--json").out.splitlines()]
    check([f["path"] for f in files] == ["model.safetensors"], f"{MODEL}@v1 holds model.safetensors")


def fifth(cast: Cast) -> None:
    """Ivan is refused, and so are stale and altered links."""
    act(5, "ivan, an intern, is refused; so are an expired and an altered link")
    log_in(cast, cast.ivan)
    refused = cast.ivan.types("pull", f"{DIGITS}@v1", "--json")
    check(refused.problem["code"] == "access-denied", refused.problem["detail"])
    unknown = cast.ivan.types("pull", "dataset/vision/no-such@v1", "--json")
    check(unknown.problem["code"] == "access-denied", "asked for what does not exist, he learns just as much")
    for mode in ("stream", "direct"):
        link = cast.ada.does("link", f"{DIGITS}@v1/digits.csv", "--mode", mode, "--ttl", "1", "--json").json
        check(_status(_altered(link["url"])) == 403, f"an altered {mode} link answers 403")
        time.sleep(2.1)
        wanted = 410 if mode == "stream" else 403
        check(_status(link["url"]) == wanted, f"an expired {mode} link answers {wanted}")


def sixth(cast: Cast) -> None:
    """The KEK rotates under a running pull."""
    act(6, "grace, a data steward, rotates the key while a pull is running")
    log_in(cast, cast.grace)
    bulk = cast.home / "bulk"
    bulk.mkdir()
    (bulk / "noise.bin").write_bytes(np.random.default_rng(0).bytes(BULK_BYTES))
    cast.ada.does("push", str(bulk), BULK)
    with _pulling(cast.ada, f"{BULK}@v1", wanted=_hashes(bulk)) as pulls:
        pulls.wait_for_first()
        rotation = cast.grace.does("keys", "rotate", BULK, "--json").json
    check(
        pulls.done > 0, f"the key is now version {rotation['kek_version']}; {pulls.done} pulls ran meanwhile, all whole"
    )
    (bulk / "more.bin").write_bytes(b"written after the rotation")
    cast.ada.does("push", str(bulk), BULK)
    cast.ada.does("pull", f"{BULK}@v2", str(cast.ada.home / "bulk2"))
    check(_hashes(cast.ada.home / "bulk2") == _hashes(bulk), "old and new files still open")


def seventh(cast: Cast) -> None:
    """The journal is whole, and tells the story."""
    act(7, "otto, an auditor, verifies the journal and reads what happened")
    log_in(cast, cast.otto)
    report = cast.otto.does("audit", "verify", "--list", "--json").json
    check(report["whole"], f"{report['records']} events; the hash chain holds from the first to the last")
    told = {(event["who"], event["action"], event["decision"]): event for event in reversed(report["events"])}
    for who, action, decision in (
        ("ada", "Logon", "Authentication"),
        ("ada", "gateway:PublishVersion", "Allowed"),
        ("ada", "gateway:ReadFile", "Allowed"),
        ("trainer", "gateway:ReadFile", "Allowed"),
        ("trainer", "gateway:PublishVersion", "Allowed"),
        ("ivan", "gateway:ListFiles", "Denied"),
        ("grace", "gateway:RotateKey", "Allowed"),
    ):
        event = told.get((who, action, decision), {})
        check(bool(event), f"{event.get('time', '')[:19]}  {who}  {action}  {event.get('resource')}  {decision}")


ACTS = (first, second, third, fourth, fifth, sixth, seventh)


class _Pulls(threading.Thread):
    """Pulls again and again, so that whatever happens meanwhile happens during a pull."""

    def __init__(self, person: Person, ref: str, wanted: Mapping[str, str]) -> None:
        super().__init__()
        self._person, self._ref, self._wanted = person, ref, wanted
        self._begun, self.stopping = threading.Event(), threading.Event()
        self.done = 0
        self.failure = ""

    def run(self) -> None:
        while not (self.stopping.is_set() or self.failure):
            self._begun.set()
            target = self._person.home / f"bulk-{self.done}"
            answer = self._person.types("pull", self._ref, str(target), quietly=True)
            if answer.code or _hashes(target) != self._wanted:
                self.failure = answer.err or f"{target} has other bytes"
            shutil.rmtree(target, ignore_errors=True)
            self.done += 1

    def wait_for_first(self) -> None:
        """Return when a pull has begun."""
        self._begun.wait()


@contextlib.contextmanager
def _pulling(person: Person, ref: str, *, wanted: Mapping[str, str]) -> Iterator[_Pulls]:
    """Pull throughout the block; every pull must succeed, also the one that the block's end finds under way."""
    pulls = _Pulls(person, ref, wanted)
    pulls.start()
    try:
        yield pulls
    finally:
        pulls.stopping.set()
        pulls.join()
    if pulls.failure:
        raise StoryError(f"a pull failed during the rotation: {pulls.failure.strip()}")


def _make_originals(folder: Path) -> bytes:
    """Write the digits as scikit-learn ships them, and as Parquet; return the CSV."""
    folder.mkdir()
    shipped = importlib.resources.files("sklearn.datasets") / "data" / "digits.csv.gz"
    csv = gzip.decompress(shipped.read_bytes())
    (folder / "digits.csv").write_bytes(csv)
    rows = np.loadtxt(csv.decode().splitlines(), delimiter=",", dtype=np.uint8)
    names = [*(f"pixel_{i}" for i in range(rows.shape[1] - 1)), "digit"]
    pq.write_table(pa.table(dict(zip(names, rows.T, strict=True))), folder / "digits.parquet")
    return csv


def _bucket_contents(stack: Mapping[str, Any]) -> list[bytes]:
    """Return every object, read as whoever holds the bucket's key would."""
    storage = settings.load(Path(stack["config"])).storage
    s3 = boto3.client(
        "s3",
        endpoint_url=storage.endpoint,
        region_name=storage.region,
        aws_access_key_id=storage.access_key_id_file.read_text().strip(),
        aws_secret_access_key=storage.secret_access_key_file.read_text().strip(),
        config=Config(s3={"addressing_style": "path"}),
    )
    listed = s3.list_objects_v2(Bucket=storage.bucket)["Contents"]
    return [s3.get_object(Bucket=storage.bucket, Key=item["Key"])["Body"].read() for item in listed]


def _entropy(body: bytes) -> float:
    """Return the Shannon entropy of the bytes, in bits a byte."""
    return -sum(n / len(body) * math.log2(n / len(body)) for n in Counter(body).values())


def _hashes(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): _sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _fetch(url: str, target: Path) -> None:
    curl = shutil.which("curl")
    if curl:
        subprocess.run([curl, "-fsS", "-o", str(target), url], check=True, timeout=60)
        return
    say("(there is no curl on this machine, so Python fetches it)")
    target.write_bytes(httpx.get(url).raise_for_status().content)


def _status(url: str) -> int:
    return httpx.get(url).status_code


def _altered(url: str) -> str:
    """Return the URL with one character of its signature changed."""
    last = url[-1]
    return url[:-1] + ("A" if last != "A" else "B") if "/d/" in url else url[:-1] + ("0" if last != "0" else "1")
