"""Publishing over HTTP: what a push may take over, move and repeat, and how it ends when somebody goes away."""

import base64
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway import envelope
from gateway.broker.access import Guard
from gateway.broker.browse import Browse
from gateway.broker.layout import object_key_in_bucket
from gateway.broker.publish import PART_BYTES, Publish
from gateway.errors import StateUnavailable, StorageUnavailable
from gateway.model import ResourceName
from gateway.policy import PolicySet
from gateway.policy.document import Dialect
from gateway.policy.grammar import read_document
from gateway.ports import WrappedKey
from gateway.state.keys import SqlWrappedKeys

pytestmark = pytest.mark.anyio

NAME = "dataset/vision/digits"
PUSHES = f"/v1/{NAME}/pushes"
SHA256 = "ab" * 32
POLICIES = {
    "stewards": {"Effect": "Allow", "Principal": {"User": "ada"}, "Action": "gateway:*", "Resource": "*"},
    "publishers": {
        "Effect": "Allow",
        "Principal": {"User": "ivan"},
        "Action": ["gateway:PublishVersion", "gateway:ListFiles"],
        "Resource": "dataset/vision/*",
    },
    "quarantine": {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "gateway:MoveTag",
        "Resource": "dataset/vision/digits/v2",
    },
    "readers": {
        "Effect": "Allow",
        "Principal": {"User": "ivan"},
        "Action": "gateway:ReadFile",
        "Resource": "dataset/vision/*/public/*",
    },
}


def read(name, statement):
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    document, faults = read_document(text, name, Dialect.GATEWAY)
    assert document, faults
    return document


class Publisher:
    """Somebody who pushes by hand, and puts what S3 would have been sent."""

    def __init__(self, house, name):
        self.house = house
        self.name = name

    async def ask(self, method, path, body=None):
        return await self.house.ask(self.name, method, path, body)

    async def open(self):
        answer = await self.ask("POST", PUSHES, {})
        assert answer.status_code == 201, answer.text
        return f"{PUSHES}/{answer.json()['push_id']}"

    async def upload(self, push, content):
        """Reserve an object, and put it; return the line that names it."""
        answer = await self.ask("POST", f"{push}/objects", {"sizes": [len(content)]})
        assert answer.status_code == 200, answer.text
        (slot,) = answer.json()["objects"]
        key = base64.urlsafe_b64decode(slot["object_key"] + "=")
        await self.house.objects.put(await self.key(push, slot["number"]), envelope.seal(key, content))
        return {"path": "a.csv", "size": len(content), "sha256": SHA256, "object": slot["number"]}

    async def key(self, push, number):
        resource = await self.house.catalog.find_resource(ResourceName.parse(NAME))
        return object_key_in_bucket(resource.id, f"{push.rpartition('/')[2]}/{number}")

    async def commit(self, push, *lines, **params):
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        async with self.house.as_person(self.name) as client:
            return await client.post(f"{push}/commit", content=body, params=params)


@pytest.fixture
def publisher(house):
    """Lets people publish in a house that can."""
    policy = PolicySet([read(name, statement) for name, statement in POLICIES.items()])
    guard = Guard(policy, house.journal, house.time)
    publish = Publish(
        guard,
        house.catalog,
        house.objects,
        house.signer,
        house.keys,
        house.pages_of,
        house.time,
        link_ttl=timedelta(hours=1),
    )
    browse = Browse(guard, house.catalog, house.pages_of)
    house.app.state.broker = replace(house.app.state.broker, publish=publish, browse=browse)
    return lambda name: Publisher(house, name)


def told(answer):
    return answer.status_code, answer.json().get("code")


FILES = {"public/a.csv": b"for all", "private/b.csv": b"for few"}


@pytest.mark.parametrize("path", ["public/b.csv", "private/b.csv"])
async def test_a_file_is_kept_only_by_who_may_read_it(house, publisher, path):
    await house.publish(NAME, FILES)
    ivan = publisher("ivan")
    answer = await ivan.commit(await ivan.open(), {"path": path, "from": {"version": 1, "path": "private/b.csv"}})
    assert told(answer) == (403, "access-denied")
    assert len(await house.catalog.list_versions(await house.catalog.find_resource(ResourceName.parse(NAME)))) == 1


async def test_a_file_that_its_publisher_may_read_is_kept_under_any_path(house, publisher):
    await house.publish(NAME, FILES)
    ivan = publisher("ivan")
    lines = [{"path": path, "from": {"version": 1, "path": "public/a.csv"}} for path in ("a", "public/a.csv")]
    answer = await ivan.commit(await ivan.open(), *lines)
    assert (answer.status_code, answer.json()["version"]["file_count"]) == (201, 2)


@pytest.mark.parametrize("source", ["../a", "", "public//a.csv", "public/a\u202e.csv"])
async def test_a_kept_file_is_named_by_a_right_path(house, publisher, source):
    await house.publish(NAME, FILES)
    ada = publisher("ada")
    answer = await ada.commit(await ada.open(), {"path": "a", "from": {"version": 1, "path": source}})
    assert told(answer) == (400, "invalid-path")


async def test_a_kept_file_of_a_version_that_is_not_there_is_named(house, publisher):
    await house.publish(NAME, FILES)
    ada = publisher("ada")
    answer = await ada.commit(await ada.open(), {"path": "a", "from": {"version": 7, "path": "public/a.csv"}})
    assert told(answer) == (404, "unknown-version")


async def test_a_commit_moves_no_tag_that_its_author_may_not_move(house, publisher):
    await house.publish(NAME, FILES)
    ivan = publisher("ivan")
    push = await ivan.open()
    line = await ivan.upload(push, b"new")
    assert told(await ivan.commit(push, line, tag="prod")) == (403, "access-denied")
    denied = [event for event in await house.events() if event.get("action") == "Denied"]
    assert [event["api"]["operation"] for event in denied] == ["gateway:MoveTag"]
    assert (await ivan.commit(push, line)).status_code == 201
    assert await house.catalog.tags(await house.catalog.find_resource(ResourceName.parse(NAME))) == {"latest": 2}


async def test_a_commit_moves_the_tags_that_its_author_may_move_and_says_so_of_each(house, publisher):
    ada = publisher("ada")
    push = await ada.open()
    line = await ada.upload(push, b"new")
    assert (await ada.commit(push, line, tag=["prod", "stable", "prod"])).status_code == 201
    tags = await house.catalog.tags(await house.catalog.find_resource(ResourceName.parse(NAME)))
    assert tags == {"latest": 1, "prod": 1, "stable": 1}
    moves = [event for event in await house.events() if event.get("api", {}).get("operation") == "gateway:MoveTag"]
    assert {event["resources"][0]["uid"] for event in moves} == {f"{NAME}/prod", f"{NAME}/stable"}


@pytest.mark.parametrize("ref", ["v2", "latest"])
async def test_a_deny_on_a_version_keeps_every_tag_off_it_by_whatever_name(house, publisher, ref):
    for content in (b"1", b"2"):
        await house.publish(NAME, {"a.csv": content})
    ada = publisher("ada")
    assert told(await ada.ask("PUT", f"/v1/{NAME}/tags/prod", {"version": ref})) == (403, "access-denied")
    assert (await ada.ask("PUT", f"/v1/{NAME}/tags/prod", {"version": "v1"})).status_code == 200


async def test_a_link_to_upload_ends_with_the_login(house, publisher):
    house.people["ada"] = replace(house.people["ada"], expires_at=house.time() + timedelta(seconds=90.5))
    ada = publisher("ada")
    push = await ada.open()
    answer = await ada.ask("POST", f"{push}/objects", {"sizes": [1, PART_BYTES]})
    whole, parted = answer.json()["objects"]
    assert parse_qs(urlsplit(whole["upload"]["url"]).query)["X-Amz-Expires"] == ["90"]
    answer = await ada.ask("POST", f"{push}/objects/{parted['number']}/parts", {"size": PART_BYTES, "parts": [1]})
    assert parse_qs(urlsplit(answer.json()["links"][0]["url"]).query)["X-Amz-Expires"] == ["90"]


async def test_a_link_to_upload_writes_its_length_and_only_once(publisher):
    ada = publisher("ada")
    answer = await ada.ask("POST", f"{await ada.open()}/objects", {"sizes": [1]})
    (slot,) = answer.json()["objects"]
    assert slot["upload"]["headers"] == {"content-length": str(slot["ciphertext_size"]), "if-none-match": "*"}


async def test_a_login_at_its_end_gets_no_link_to_upload(house, publisher):
    ada = publisher("ada")
    push = await ada.open()
    house.people["ada"] = replace(house.people["ada"], expires_at=house.time() + timedelta(seconds=0.5))
    assert told(await ada.ask("POST", f"{push}/objects", {"sizes": [1]})) == (401, "token-expired")


class Parted:
    """A push of one object in parts, of which the store has what a test gives it."""

    def __init__(self, publisher):
        self.publisher = publisher

    async def begin(self):
        self.push = await self.publisher.open()
        answer = await self.publisher.ask("POST", f"{self.push}/objects", {"sizes": [PART_BYTES]})
        self.number = answer.json()["objects"][0]["number"]
        self.key = await self.publisher.key(self.push, self.number)
        self.upload_id = await self.publisher.house.catalog.find_upload(self.push.rpartition("/")[2], self.number)
        return self

    async def complete(self, *etags):
        path = f"{self.push}/objects/{self.number}/complete"
        return await self.publisher.ask("POST", path, {"etags": etags})


async def test_parts_that_are_missing_are_said_to_be(publisher):
    parted = await Parted(publisher("ada")).begin()
    assert told(await parted.complete('"x"')) == (409, "incomplete-upload")


async def test_joining_parts_may_be_repeated_when_the_answer_was_lost(house, publisher):
    parted = await Parted(publisher("ada")).begin()
    etag = house.objects.put_part(parted.key, parted.upload_id, 1, b"x")
    assert [(await parted.complete(etag)).status_code for _ in range(2)] == [204, 204]


@pytest.mark.parametrize("etag", ["", "a b", "a\n", "a\x00", "é", "x" * 257])
async def test_what_is_no_etag_never_reaches_s3(publisher, etag):
    parted = await Parted(publisher("ada")).begin()
    assert told(await parted.complete(etag)) == (422, "invalid-input")


async def test_an_abort_that_s3_interrupts_may_be_repeated_until_nothing_is_left(house, publisher, monkeypatch):
    parted = await Parted(publisher("ada")).begin()
    house.objects.put_part(parted.key, parted.upload_id, 1, b"x")

    async def away(key, upload_id):
        raise StorageUnavailable("S3 is away.")

    with monkeypatch.context() as patch:
        patch.setattr(house.objects, "abort_multipart", away)
        assert told(await parted.publisher.ask("DELETE", parted.push)) == (503, "storage-unavailable")
    assert [(await parted.publisher.ask("DELETE", parted.push)).status_code for _ in range(2)] == [204, 204]
    assert told(await parted.complete('"x"')) == (409, "push-closed")
    with pytest.raises(KeyError):
        house.objects.put_part(parted.key, parted.upload_id, 1, b"x")


async def test_an_upload_that_cannot_be_remembered_is_dropped(house, publisher, monkeypatch):
    ada = publisher("ada")
    push = await ada.open()
    dropped = []

    async def away(push_id, number, upload_id):
        raise StateUnavailable("The database is away.")

    async def drop(key, upload_id):
        dropped.append(key)

    monkeypatch.setattr(house.catalog, "add_upload", away)
    monkeypatch.setattr(house.objects, "abort_multipart", drop)
    assert told(await ada.ask("POST", f"{push}/objects", {"sizes": [PART_BYTES]})) == (503, "state-unavailable")
    assert dropped == [await ada.key(push, 0)]


async def test_a_commit_may_be_repeated_after_the_push_has_run_out(house, publisher):
    ada = publisher("ada")
    push = await ada.open()
    line = await ada.upload(push, b"new")
    first = await ada.commit(push, line)
    house.time.advance(86_400)
    again = await ada.commit(push, line)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()


async def test_a_push_that_ran_out_takes_nothing_more(house, publisher):
    ada = publisher("ada")
    push = await ada.open()
    line = await ada.upload(push, b"new")
    house.time.advance(86_400)
    assert told(await ada.commit(push, line)) == (409, "push-closed")


async def test_a_commit_uses_the_epoch_of_its_push_though_a_newer_one_came(house, publisher):
    ada = publisher("ada")
    push = await ada.open()
    line = await ada.upload(push, b"new")
    resource = await house.catalog.find_resource(ResourceName.parse(NAME))
    await SqlWrappedKeys(house.database).add(WrappedKey(resource.id, 2, f"vault:v1:{'07' * 32}", house.time()))
    assert (await house.keys.current(resource.id))[0] == 2
    assert (await ada.commit(push, line)).status_code == 201
    answer = await house.links("ada", {"paths": ["a.csv"]})
    (link,) = answer.json()["links"]
    key = base64.urlsafe_b64decode(link["object_key"] + "=")
    assert envelope.open_sealed(key, await house.objects.get(await ada.key(push, 0))) == b"new"


@pytest.mark.parametrize("text", ["\x1b]0;mine\x07", "a\x00b", "a\rb", "\u202egnp.exe", "\x9b2J"])
@pytest.mark.parametrize("where", ["message", "description"])
async def test_what_is_shown_to_others_has_no_control_characters(publisher, where, text):
    ada = publisher("ada")
    if where == "description":
        answer = await ada.ask("POST", PUSHES, {"description": text})
    else:
        push = await ada.open()
        answer = await ada.commit(push, await ada.upload(push, b"new"), message=text)
    assert told(answer) == (400, "invalid-input")


async def test_a_message_may_have_lines_and_any_script(publisher):
    ada = publisher("ada")
    push = await ada.open()
    answer = await ada.commit(push, await ada.upload(push, b"new"), message="größer\n\n\t数字 🎉")
    assert answer.json()["version"]["message"] == "größer\n\n\t数字 🎉"


async def test_a_client_that_leaves_within_a_commit_is_no_failure_of_ours(house, publisher, caplog):
    ada = publisher("ada")
    push = await ada.open()
    line = await ada.upload(push, b"new")
    sent = []

    async def receive():
        if sent:
            return {"type": "http.disconnect"}
        sent.append(1)
        return {"type": "http.request", "body": json.dumps(line).encode(), "more_body": True}

    async with here(house, "ada", f"{push}/commit") as scope:
        answers = []

        async def send(message):
            answers.append(message)

        await house.app(scope, receive, send)
    assert answers[0]["status"] == 400
    assert not caplog.records
    assert (await house.events())[-1]["status_code"] == "invalid-input"
    assert (await ada.commit(push, line)).status_code == 201


@asynccontextmanager
async def here(house, name, path):
    """Yield the ASGI scope of a POST by somebody."""
    async with house.as_person(name):
        yield {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"gateway.example.org"), (b"authorization", f"Bearer {name}".encode())],
            "scheme": "https",
            "server": ("gateway.example.org", 443),
            "client": ("10.1.2.3", 1),
        }


async def test_a_line_may_come_in_pieces_and_the_last_need_not_end(house, publisher):
    ada = publisher("ada")
    push = await ada.open()
    lines = json.dumps(await ada.upload(push, b"new")).encode()

    async def pieces():
        for at in range(0, len(lines), 7):
            yield lines[at : at + 7]

    async with house.as_person("ada") as client:
        answer = await client.post(f"{push}/commit", content=pieces())
    assert answer.status_code == 201


async def test_a_line_without_an_end_is_given_up(house, publisher):
    ada = publisher("ada")
    push = await ada.open()
    async with house.as_person("ada") as client:
        answer = await client.post(f"{push}/commit", content=b"x" * 20_000)
    assert told(answer) == (400, "invalid-input")
