"""Pushes as a client makes them, a step at a time."""

import hashlib
import json
import os

import pytest

from gateway import envelope
from gateway.broker.layout import object_key_in_bucket
from gateway.identity.encoding import decode_base64url
from gateway.model import ResourceName

NAME = "dataset/vision/digits"
PATHS = [f"train/{number:04}.csv" for number in range(200)]


class Pushing:
    """A push as a client makes it, a step at a time."""

    def __init__(self, house, name=NAME, by="ada"):
        self.house = house
        self.by = by
        self.name = name
        self.lines = []

    async def ask(self, path, body):
        answer = await self.house.ask(self.by, "POST", f"/v1/{self.name}/pushes{path}", body)
        assert answer.is_success, answer.text
        return answer.json()

    async def open(self):
        self.id = (await self.ask("", {}))["push_id"]
        found = await self.house.catalog.find_resource(ResourceName.parse(self.name))
        self.resource_id = found.id
        return self

    async def upload(self, files):
        if not files:
            return self
        reserved = (await self.ask(f"/{self.id}/objects", {"sizes": [len(c) for c in files.values()]}))["objects"]
        for slot, (path, content) in zip(reserved, files.items(), strict=True):
            key = object_key_in_bucket(self.resource_id, f"{self.id}/{slot['number']}")
            await self.house.objects.put(key, envelope.seal(decode_base64url(slot["object_key"]), content))
            sha256 = hashlib.sha256(content).hexdigest()
            self.lines.append({"path": path, "size": len(content), "sha256": sha256, "object": slot["number"]})
        return self

    def keep(self, version, paths):
        self.lines += [{"path": path, "from": {"version": version, "path": path}} for path in paths]
        return self

    async def commit(self, **params):
        async with self.house.as_person(self.by) as client:
            body = b"".join(json.dumps(line).encode() + b"\n" for line in self.lines)
            return await client.post(f"/v1/{self.name}/pushes/{self.id}/commit", content=body, params=params)


@pytest.fixture
def pushing(house):
    """Opens a push."""
    return lambda name=NAME, by="ada": Pushing(house, name, by).open()


@pytest.fixture
def publish(house):
    """Publishes new files, by content, and files kept of versions, by path; returns the version's number."""

    async def run(new, *, name=NAME, kept=None, **params):
        push = await Pushing(house, name).open()
        await push.upload(new)
        for version, paths in (kept or {}).items():
            push.keep(version, paths)
        answer = await push.commit(**params)
        assert answer.status_code == 201, answer.text
        return answer.json()["version"]["number"]

    return run


@pytest.fixture
def contents():
    """Makes new files."""
    return lambda paths=PATHS: {path: os.urandom(50) for path in paths}


@pytest.fixture
def lines(house):
    """Returns the lines that a question about the dataset is answered with."""

    async def ask(path, name="ada"):
        answer = await house.ask(name, "GET", f"/v1/{NAME}/{path}")
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    return ask
