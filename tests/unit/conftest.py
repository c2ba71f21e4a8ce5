"""A gateway and an S3 in small, on loopback: the API's answers with real ciphertext, and faults to order."""

import base64
import hashlib
import json
import re
import secrets
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from gateway import envelope
from gateway.client import Gateway, StaticToken

TOKEN = "made-up-token"


@dataclass
class Stored:
    size: int
    sha256: str
    object: str


@dataclass
class Fault:
    """What one request gets instead of its answer."""

    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    cut_at: int | None = None
    """Send the right answer, and close the connection after so many bytes of it."""
    hold: threading.Event | None = None
    """Set when they are sent; then the rest follows drop by drop."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Keep quiet: clients that leave in the middle are what some tests are about."""


class Simulator:
    """The state, and what tests may look at or spoil."""

    def __init__(self):
        self.objects = {}
        self.keys = {}
        self.given_keys = {}  # what links say instead of the right key
        self.versions = defaultdict(list)
        self.tags = defaultdict(dict)
        self.resource_tags = defaultdict(dict)
        self.pushes = {}
        self.requests = []
        self.faults = []
        self.part_bytes = 64 << 20
        self.expires_at = "2026-01-01T00:05:00+00:00"
        self.hook = lambda *_: None  # is told of each request; what it raises breaks the connection
        self.sent = 0  # bytes of objects
        self.puts = []  # (object, part, SHA-256) of each
        self.page = 1000
        self.lock = threading.RLock()
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.sim = self
        self.server.api = Api(self)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def fault(self, method, pattern, times=1, **what):
        """Let the next matching requests fail."""
        self.faults += [(method, re.compile(pattern), Fault(**what))] * times

    def take_fault(self, method, path):
        with self.lock:
            for number, (wanted, pattern, fault) in enumerate(self.faults):
                if wanted == method and pattern.search(path):
                    del self.faults[number]
                    return fault
        return None

    def asked(self, method, pattern):
        """How many requests were like this."""
        return sum(m == method and bool(re.search(pattern, path)) for m, path in self.requests)

    def publish(self, name, files):
        """Make a version as a push would; return its number."""
        version = {path: self.store(content) for path, content in files.items()}
        self.versions[name].append(version)
        self.tags[name]["latest"] = len(self.versions[name])
        return len(self.versions[name])

    def store(self, content, object_id=None):
        object_id = object_id or f"obj/{secrets.token_hex(8)}"
        self.keys.setdefault(object_id, secrets.token_bytes(32))
        self.objects[object_id] = envelope.seal(self.keys[object_id], content)
        return Stored(len(content), hashlib.sha256(content).hexdigest(), object_id)

    def spoil(self, name, path, change):
        """Replace the ciphertext of the newest version's file by `change(ciphertext)`."""
        object_id = self.versions[name][-1][path].object
        self.objects[object_id] = change(self.objects[object_id])


class Problem(Exception):
    def __init__(self, status, code, detail="It is so."):
        self.status, self.code, self.detail = status, code, detail


def b64(key):
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


class Api:
    """The API's routes: (method, pattern, function of the match, query and body)."""

    def __init__(self, sim):
        self.sim = sim
        name = r"/v1/((?:dataset|model)/[^/]+/[^/:]+)"
        self.routes = [
            ("GET", r"/v1/whoami", self.whoami),
            ("GET", r"/v1/resources", self.resources),
            ("GET", r"/v1/audit/events", self.events),
            ("GET", name, self.describe),
            ("GET", name + r"/versions/([^/]+)/files", self.files),
            ("POST", name + r"/versions/([^/]+)/links", self.links),
            ("POST", r"/v1/links:batch", self.batch),
            ("POST", name + r"/pushes", self.open_push),
            ("POST", name + r"/pushes/(\w+)/objects", self.add_objects),
            ("POST", name + r"/pushes/(\w+)/objects/(\d+)/parts", self.parts),
            ("POST", name + r"/pushes/(\w+)/objects/(\d+)/complete", self.complete),
            ("POST", name + r"/pushes/(\w+)/commit", self.commit),
            ("DELETE", name + r"/pushes/(\w+)", self.abort),
            ("PUT", name + r"/tags/([^/]+)", self.tag),
            ("PATCH", name + r"/resource-tags", self.tag_resource),
            ("POST", name + r"/keys:rotate", self.rotate),
        ]

    def answer(self, authorization, method, path, query, body):
        if authorization != f"Bearer {TOKEN}":
            raise Problem(401, "unauthenticated")
        for wanted, pattern, route in self.routes:
            if wanted == method and (match := re.fullmatch(pattern, path)):
                return route(match, query, body)
        raise Problem(404, "not-found")

    def whoami(self, match, query, body):
        return {
            "issuer": "people",
            "subject": "s-1",
            "kind": "user",
            "name": "ada",
            "groups": ["ml-research"],
            "expires_at": None,
        }

    def resources(self, match, query, body):
        wanted = "/".join(query[one][0] for one in ("kind", "namespace") if query.get(one))
        names = [name for name in sorted(self.sim.versions) if name.startswith(wanted)]
        return {
            "resources": [{"name": n, "description": "", "latest": self.version(n, "latest")[1]} for n in names],
            "next": None,
        }

    def describe(self, match, query, body):
        name = match[1]
        self.known(name)
        return {
            "name": name,
            "description": "",
            "created_at": "2026-01-01T00:00:00+00:00",
            "created_by": "ada",
            "versions": [self.version(name, f"v{n}")[1] for n in reversed(range(1, len(self.sim.versions[name]) + 1))],
            "tags": self.sim.tags[name],
            "resource_tags": self.sim.resource_tags[name],
        }

    def known(self, name):
        if name not in self.sim.versions:
            raise Problem(404, "unknown-resource", f"There is no {name}.")

    def version(self, name, ref):
        self.known(name)
        number = int(ref[1:]) if re.fullmatch(r"v\d+", ref) else self.sim.tags[name].get(ref)
        if not number or number > len(self.sim.versions[name]):
            raise Problem(404, "unknown-version", f"{name} has no version {ref}.")
        files = self.sim.versions[name][number - 1]
        digest = hashlib.sha256(repr(sorted((p, f.sha256) for p, f in files.items())).encode()).hexdigest()
        return files, {
            "number": number,
            "digest": f"sha256:{digest}",
            "file_count": len(files),
            "total_bytes": sum(f.size for f in files.values()),
            "published_at": "2026-01-01T00:00:00+00:00",
            "published_by": "ada",
            "message": "",
        }

    def files(self, match, query, body):
        files, version = self.version(match[1], unquote(match[2]))
        limit = min(int(query.get("limit", ["1000"])[0]), self.sim.page)
        prefix, after = query.get("prefix", [""])[0], query.get("after", [""])[0]
        paths = [p for p in sorted(files, key=str.encode) if p.startswith(prefix) and p.encode() > after.encode()]
        chosen = paths[:limit]
        return {
            "version": version,
            "files": [{"path": p, "size": files[p].size, "sha256": files[p].sha256} for p in chosen],
            "next": chosen[-1] if len(paths) > limit else None,
        }

    def links(self, match, query, body):
        files, version = self.version(match[1], unquote(match[2]))
        missing = [path for path in body["paths"] if path not in files]
        if missing:
            raise Problem(404, "unknown-path", f"There is no file {missing[0]!r}.")
        return {"version": version, "links": [self.link(p, files[p], body["mode"]) for p in body["paths"]]}

    def batch(self, match, query, body):
        files, version = self.version(body["resource"], body["version"])
        prefix, after, limit = body["prefix"], body["after"], min(body["limit"], self.sim.page)
        paths = [p for p in sorted(files, key=str.encode) if p.startswith(prefix) and p.encode() > after.encode()]
        chosen = paths[:limit]
        end = {"links": len(chosen), "refused": 0, "next": chosen[-1] if len(paths) > limit else None}
        given = [self.link(p, files[p], body["mode"]) for p in chosen]
        answer = [{"version": version, "mode": body["mode"]}, *given, end]
        return b"".join(json.dumps(line).encode() + b"\n" for line in answer)

    def link(self, path, file, mode):
        key = self.sim.keys[file.object]
        url = f"{self.sim.url}/s3/{file.object}?signature={secrets.token_hex(4)}"
        return {
            "path": path,
            "size": file.size,
            "sha256": file.sha256,
            "mode": mode,
            "url": url,
            "head_url": url,
            "expires_at": self.sim.expires_at,
            "object_key": b64(self.sim.given_keys.get(file.object, key)) if mode == "direct" else None,
            "key_check": envelope.key_check(key),
            "ciphertext_size": envelope.ciphertext_size(file.size),
        }

    def open_push(self, match, query, body):
        push_id = secrets.token_hex(16)
        base = self.version(match[1], "latest")[1] if match[1] in self.sim.versions else None
        self.sim.pushes[push_id] = {"sizes": [], "parts": defaultdict(dict)}
        return {
            "push_id": push_id,
            "expires_at": "2026-01-02T00:00:00+00:00",
            "base": base,
            "part_bytes": self.sim.part_bytes,
        }

    def add_objects(self, match, query, body):
        return {"objects": [self.slot(match[2], size) for size in body["sizes"]]}

    def open_one(self, push_id):
        if push_id not in self.sim.pushes:
            raise Problem(404, "unknown-push")
        return self.sim.pushes[push_id]

    def slot(self, push_id, size):
        push = self.open_one(push_id)
        push["sizes"].append(size)
        number = len(push["sizes"]) - 1
        object_id = f"{push_id}/{number}"
        self.sim.keys[object_id] = secrets.token_bytes(32)
        total = envelope.ciphertext_size(size)
        parts = -(-total // self.sim.part_bytes)
        return {
            "number": number,
            "object_key": b64(self.sim.keys[object_id]),
            "ciphertext_size": total,
            "parts": parts,
            "upload": self.put(object_id, total) if parts == 1 else None,
        }

    def put(self, object_id, size, part=None):
        query = f"signature=x&size={size}" + (f"&partNumber={part}" if part else "")
        return {
            "url": f"{self.sim.url}/s3/{object_id}?{query}",
            "headers": {"content-length": str(size)},
            "expires_at": self.sim.expires_at,
        }

    def parts(self, match, query, body):
        self.open_one(match[2])
        total, step = envelope.ciphertext_size(body["size"]), self.sim.part_bytes
        links = []
        for part in body["parts"]:
            size = min(step, total - (part - 1) * step)
            links.append({"part": part, "size": size, **self.put(f"{match[2]}/{match[3]}", size, part)})
        return {"object_key": b64(self.sim.keys[f"{match[2]}/{match[3]}"]), "links": links}

    def complete(self, match, query, body):
        object_id = f"{match[2]}/{match[3]}"
        parts = self.open_one(match[2])["parts"][object_id]
        chosen = [parts[number] for number in range(1, len(body["etags"]) + 1)]
        if [f'"{hashlib.md5(part).hexdigest()}"' for part in chosen] != body["etags"]:  # noqa: S324 -- as S3 does
            raise Problem(409, "incomplete-upload")
        self.sim.objects[object_id] = b"".join(chosen)

    def commit(self, match, query, body):
        name, push_id = match[1], match[2]
        self.open_one(push_id)
        version = dict(self.entry(name, push_id, json.loads(line)) for line in body.splitlines())
        newest = self.sim.versions[name][-1] if self.sim.versions.get(name) else None
        if newest is not None and {p: f.sha256 for p, f in newest.items()} == {p: f.sha256 for p, f in version.items()}:
            raise Problem(409, "version-exists", "This very content is published already.")
        self.sim.versions[name].append(version)
        for tag in ["latest", *query.get("tag", [])]:
            self.sim.tags[name][tag] = len(self.sim.versions[name])
        del self.sim.pushes[push_id]
        return {"version": self.version(name, "latest")[1]}

    def entry(self, name, push_id, line):
        if "from" in line:
            return line["path"], self.sim.versions[name][line["from"]["version"] - 1][line["from"]["path"]]
        object_id = f"{push_id}/{line['object']}"
        plaintext = envelope.open_sealed(self.sim.keys[object_id], self.sim.objects[object_id])
        if (len(plaintext), hashlib.sha256(plaintext).hexdigest()) != (line["size"], line["sha256"]):
            raise Problem(409, "incomplete-upload")
        return line["path"], Stored(line["size"], line["sha256"], object_id)

    def abort(self, match, query, body):
        del self.sim.pushes[match[2]]

    def tag(self, match, query, body):
        number = self.version(match[1], body["version"])[1]["number"]
        self.sim.tags[match[1]][match[2]] = number
        return {"tag": match[2], "number": number}

    def tag_resource(self, match, query, body):
        tags = self.sim.resource_tags[match[1]]
        tags.update(body["put"])
        for key in body["remove"]:
            tags.pop(key, None)
        return {"resource_tags": tags}

    def rotate(self, match, query, body):
        return {"kek_version": 2, "rewrapped": 1}

    def events(self, match, query, body):
        return '{"seq":1,"note":"a\u2028b"}\n{"seq":2}\n'.encode()


class _Handler(BaseHTTPRequestHandler):
    """HTTP: the API below /v1, S3 below /s3."""

    protocol_version = "HTTP/1.1"
    timeout = 10
    disable_nagle_algorithm = True  # else every answer waits 40 ms for the acknowledgement of its first half

    def log_message(self, *args):
        """Keep quiet."""

    def handle_one(self):
        with self.server.sim.lock:
            self.server.sim.requests.append((self.command, self.path))
        body = self._body()
        self.server.sim.hook(self.command, self.path)
        fault = self.server.sim.take_fault(self.command, self.path)
        if fault is not None and fault.cut_at is None:
            self._send(fault.status, fault.body, fault.headers)
            return
        status, headers, answer = self._right(body)
        self._send(status, answer, headers, cut_at=fault.cut_at if fault else None, slow=fault and fault.hold)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815 -- as http.server calls them

    def _body(self):
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _right(self, body):
        parts = urlsplit(self.path)
        with self.server.sim.lock:
            if parts.path.startswith("/s3/"):
                return self._s3(parts.path.removeprefix("/s3/"), parse_qs(parts.query), body)
            return self._api(parts, body)

    def _api(self, parts, body):
        try:
            is_json = (self.headers.get("content-type") or "").startswith("application/json")
            given = json.loads(body) if is_json else body
            answer = self.server.api.answer(
                self.headers.get("authorization"), self.command, unquote(parts.path), parse_qs(parts.query), given
            )
        except Problem as problem:
            text = {"detail": problem.detail, "code": problem.code, "hint": "Do this.", "status": problem.status}
            return problem.status, {"content-type": "application/problem+json"}, json.dumps(text).encode()
        if isinstance(answer, bytes):
            return 200, {"content-type": "application/x-ndjson"}, answer
        return (200, {}, json.dumps(answer).encode()) if answer is not None else (204, {}, b"")

    def _s3(self, object_id, query, body):
        if self.command == "PUT":
            return self._s3_put(object_id, query, body)
        if object_id not in self.server.sim.objects:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        content = self.server.sim.objects[object_id]
        if wanted := self.headers.get("range"):
            start, end = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", wanted).groups())
            self.server.sim.sent += end + 1 - start
            return 206, {}, content[start : end + 1]
        self.server.sim.sent += len(content)
        return 200, {}, content

    def _s3_put(self, object_id, query, body):
        if len(body) != int(query["size"][0]):
            return 403, {}, b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
        md5 = self.headers.get("content-md5")
        if md5 and base64.b64decode(md5) != hashlib.md5(body).digest():  # noqa: S324 -- as S3 does
            return 400, {}, b"<Error><Code>BadDigest</Code></Error>"
        part = query.get("partNumber", ["0"])[0]
        self.server.sim.puts.append((object_id, int(part), hashlib.sha256(body).hexdigest()))
        if "partNumber" in query:
            push = self.server.sim.pushes[object_id.partition("/")[0]]
            push["parts"][object_id][int(query["partNumber"][0])] = body
        else:
            self.server.sim.objects[object_id] = body
        return 200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}, b""  # noqa: S324 -- as S3 does

    def _send(self, status, body, headers, cut_at=None, slow=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut_at])
        for start in range(cut_at, len(body), 1000) if slow else ():
            slow.set()
            time.sleep(0.01)
            self.wfile.write(body[start : start + 1000])
        self.close_connection = self.close_connection or cut_at is not None


@pytest.fixture
def sim():
    simulator = Simulator()
    thread = threading.Thread(target=simulator.server.serve_forever, args=(0.02,))
    thread.start()
    yield simulator
    simulator.server.shutdown()
    thread.join()
    simulator.server.server_close()


@pytest.fixture
def gateway(sim):
    with Gateway(sim.url, token_source=StaticToken(TOKEN)) as client:
        yield client
