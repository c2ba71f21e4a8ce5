"""A running gateway's sinks, archive and questions, on the real bucket."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.audit.record import parse
from gateway.audit.segments import read_lines

pytestmark = pytest.mark.integration


class Receiver:
    """Takes webhooks, unless it is told to fail."""

    def __init__(self):
        self.uids, self.fails, self.asked = [], True, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                """Keep quiet."""

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.asked += 1
                if not outer.fails:
                    outer.uids += [json.loads(line)["metadata"]["uid"] for line in body.splitlines()]
                self.send_response(500 if outer.fails else 200)
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def served(start_gateway, receiver, tmp_path):
    """A gateway that ships to a receiver which fails, to a file and to the archive."""
    secret = tmp_path / "secret"
    secret.write_text("made-up-secret-of-32-bytes------")
    url = f"http://127.0.0.1:{receiver.server.server_port}/"
    sinks = [
        {"name": "soc", "kind": "webhook", "url": url, "secret_file": str(secret)},
        {"name": "file", "kind": "file", "path": str(tmp_path / "events.ndjson")},
        {"name": "archive", "kind": "archive", "linger": 0},
    ]
    return start_gateway({"sinks": sinks})


def wait_until(holds, within=30):
    end = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def standing(api, served, name):
    return next(one for one in api("otto", served).get("/v1/audit/sinks").json()["sinks"] if one["name"] == name)


def uids(served):
    return [parse(line).read_event()["metadata"]["uid"] for line in read_lines(served.journal)]


def test_a_receiver_that_fails_holds_nothing_up_and_gets_everything_later(served, receiver, sdk, api, name, folder):
    person = sdk("ada", served)
    person.push(folder({"a": b"a"}), name)
    person.link(f"{name}/a")
    wait_until(lambda: receiver.asked > 1)
    assert standing(api, served, "soc")["fault"] == "The receiver answers 500."
    before = uids(served)
    receiver.fails = False
    wait_until(lambda: set(before) <= set(receiver.uids))
    assert standing(api, served, "soc")["fault"] == ""
    assert (served.folder / "gateway.log").read_text().count("sink soc is away") == 1


def test_questions_find_what_is_archived_and_what_is_not_yet(served, sdk, api, cli, s3, bucket, name, folder):
    sdk("ada", served).push(folder({"a": b"a"}), name)
    assert api("ivan", served).get(f"/v1/{name}").status_code == 403
    wait_until(lambda: standing(api, served, "archive")["seq"] > 5)
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix="events/")["Contents"]]
    assert all(key.endswith(".parquet") for key in keys)
    answer = api("otto", served).get("/v1/audit/events:search", params={"resource": name, "refused": "true"}).json()
    assert [(one["who"], one["code"]) for one in answer["events"]] == [("ivan", "access-denied")]
    found = cli("otto", "audit", "search", "--resource", name, "--json", served=served)
    assert found.returncode == 0, found.stderr
    assert {json.loads(line)["who"] for line in found.stdout.splitlines()} == {"ada", "ivan"}
    report = cli("otto", "audit", "report", name, served=served).stdout.decode()
    assert sorted(row.split(",")[1] for row in report.splitlines()[1:]) == ["ada", "ivan"]
    assert cli("ada", "audit", "search", served=served).returncode == 30


def test_detection_runs_beside_requests(served, api, name):
    for _ in range(20):
        assert api("ivan", served).get(f"/v1/{name}").status_code == 403
    found = wait_until(
        lambda: [
            event
            for event in (parse(line).read_event() for line in read_lines(served.journal))
            if event["class_uid"] == 2004
        ]
    )
    assert "refusal-burst" in {kind for event in found for kind in event["finding_info"]["types"]}
