"""Stream links in Chromium: they download under their own name, and a page of an allowed origin fetches ranges.

Run by `.ci/run --with-browser`, which installs Debian's Chromium where there is none: no Python package brings one.
"""

import json
import re
import shutil
import subprocess
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = pytest.mark.integration

CONTENT = bytes(range(256)) * 400
PAGE = """<!doctype html><pre id=said></pre><script>
const url = URL_HERE;
async function ask(headers) {
  try {
    const answer = await fetch(url, {headers});
    const body = new Uint8Array(await answer.arrayBuffer());
    return [answer.status, answer.headers.get("content-range"), Array.from(body.slice(0, 4)), body.length];
  } catch (error) { return [error.name]; }
}
(async () => {
  const found = [await ask({}), await ask({range: "bytes=100-199"}), await ask({range: "bytes=-4", "if-range": '"x"'}),
                 await ask({range: "bytes=999999-"})];
  document.getElementById("said").textContent = JSON.stringify(found);
})();
</script>"""


@pytest.fixture
def chromium(tmp_path):
    """Runs Chromium without a window, and ends it."""
    started = []

    def run(*arguments, **options):
        profile = tmp_path / f"profile-{len(started)}"
        (profile / "Default").mkdir(parents=True)
        preferences = {"download": {"default_directory": str(tmp_path / "downloads"), "prompt_for_download": False}}
        (profile / "Default" / "Preferences").write_text(json.dumps(preferences))
        program = shutil.which("chromium")
        assert program, "There is no Chromium: '.ci/run --with-browser' installs it."
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server"]
        process = subprocess.Popen(
            [program, *flags, f"--user-data-dir={profile}", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def pages(tmp_path):
    """Serves pages on loopback, each server an origin of its own."""
    servers = []

    def serve():
        folder = tmp_path / f"pages-{len(servers)}"
        folder.mkdir()
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", folder

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def url(start_gateway, sdk, tmp_path, pages):
    """A stream link of a gateway that allows the first page's origin, and that page's place."""
    origin, folder = pages()
    served = start_gateway({"links": {"cors_origins": [origin]}})
    data = tmp_path / "data"
    data.mkdir()
    (data / "größe 1.bin").write_bytes(CONTENT)
    ada = sdk("ada", served)
    ada.push(data, "dataset/vision/browsed")
    return ada.link("dataset/vision/browsed@v1/größe 1.bin").url, origin, folder


def said(process):
    """What the page wrote, once it has."""
    out, _ = process.communicate(timeout=60)
    return json.loads(re.search(r'<pre id="said">(.*?)</pre>', out)[1])


def test_a_page_of_another_origin_cannot_read_a_link(chromium, url, pages):
    link, _, _ = url
    origin, folder = pages()
    (folder / "page.html").write_text(PAGE.replace("URL_HERE", json.dumps(link)))
    process = chromium("--virtual-time-budget=10000", "--dump-dom", f"{origin}/page.html")
    assert said(process) == [["TypeError"]] * 4


def test_a_page_of_an_allowed_origin_fetches_ranges(chromium, url):
    link, origin, folder = url
    (folder / "page.html").write_text(PAGE.replace("URL_HERE", json.dumps(link)))
    process = chromium("--virtual-time-budget=10000", "--dump-dom", f"{origin}/page.html")
    whole, part, other, none = said(process)
    assert whole == [200, None, [0, 1, 2, 3], len(CONTENT)]
    assert part == [206, f"bytes 100-199/{len(CONTENT)}", [100, 101, 102, 103], 100]
    assert other == [200, None, [0, 1, 2, 3], len(CONTENT)]
    assert none[:2] == [416, f"bytes */{len(CONTENT)}"]


def test_a_link_downloads_under_its_own_name(chromium, url, tmp_path):
    link, _, _ = url
    chromium(link)
    saved = tmp_path / "downloads" / "größe 1.bin"
    deadline = time.monotonic() + 60
    while not saved.exists() or saved.stat().st_size < len(CONTENT):
        assert time.monotonic() < deadline, list((tmp_path / "downloads").glob("*"))
        time.sleep(0.1)
    assert saved.read_bytes() == CONTENT
