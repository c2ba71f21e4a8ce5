import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from gateway.cli import main

NAME = "dataset/vision/digits"


@pytest.fixture
def sim(sim, monkeypatch):
    monkeypatch.setenv("GATEWAY_URL", sim.url)
    monkeypatch.setenv("GATEWAY_TOKEN", "made-up-token")
    return sim


@pytest.fixture
def published(sim):
    sim.publish(NAME, {"train/a.csv": b"1,2,3\n", "train/b.csv": b"4,5,6\n", "readme.md": b"digits"})
    return sim


def lines(capsys):
    return capsys.readouterr().out.splitlines()


class TestRefusals:
    def test_a_mistyped_name_gets_a_suggestion(self, published, capsys):
        assert main(["ls", "dataset/vision/digit"]) == 41
        assert f"hint: Did you mean {NAME}?" in capsys.readouterr().err

    def test_a_mistyped_path_gets_a_suggestion(self, published, capsys):
        assert main(["cat", f"{NAME}@v1/train/a.cvs"]) == 44
        assert f"Did you mean {NAME}@v1/train/a.csv" in capsys.readouterr().err

    def test_no_close_name_keeps_the_gateways_hint(self, published, capsys):
        assert main(["ls", "dataset/x/y"]) == 41
        assert "hint: Do this." in capsys.readouterr().err

    def test_a_suggestion_that_fails_does_not_hide_the_failure(self, published, capsys):
        published.fault("GET", "/v1/resources", status=403, body=b'{"code":"access-denied","detail":"No."}')
        assert main(["ls", "dataset/vision/digit"]) == 41

    @pytest.mark.parametrize("text", ["datset", "datset/vision"])
    def test_a_mistyped_kind_gets_a_suggestion(self, sim, capsys, text):
        assert main(["ls", text]) == 11
        assert "Did you mean 'dataset/…'?" in capsys.readouterr().err

    @pytest.mark.parametrize(("text", "code"), [("x", 10), ("5-2", 10), ("-", 10), ("7-", 14), ("-0", 14)])
    def test_a_wrong_range_is_refused(self, published, text, code, capsys):
        assert main(["cat", f"{NAME}/readme.md", "--range", text]) == code

    def test_a_link_of_no_or_too_much_time_is_refused(self, sim, capsys):
        assert main(["link", f"{NAME}/a", "--ttl", "0"]) == 2
        assert main(["link", f"{NAME}/a", "--ttl", "3601"]) == 2
        assert sim.requests == []

    def test_no_gateway_has_its_own_code(self, sim, capsys):
        assert main(["ls", "--url", "http://127.0.0.1:1"]) == 76
        assert "http://127.0.0.1:1" in capsys.readouterr().err

    def test_a_version_that_exists_has_its_own_code(self, sim, tmp_path, capsys):
        (tmp_path / "a").write_bytes(b"x")
        assert main(["push", str(tmp_path), NAME]) == 0
        assert main(["push", str(tmp_path), NAME]) == 51


class TestListing:
    def test_resources(self, published, capsys):
        assert main(["ls"]) == 0
        assert lines(capsys) == [f"{NAME}\tv1\t3\t18\t2026-01-01 00:00\t"]
        assert main(["ls", "dataset/vision/", "--json"]) == 0
        assert json.loads(lines(capsys)[0])["latest"]["number"] == 1

    def test_files_of_a_folder(self, published, capsys):
        assert main(["ls", f"{NAME}@v1/train"]) == 0
        digest = hashlib.sha256(b"1,2,3\n").hexdigest()
        assert lines(capsys)[0] == f"6\t{digest}\ttrain/a.csv"

    def test_files_as_json_lines(self, published, capsys):
        assert main(["ls", NAME, "--json"]) == 0
        assert [json.loads(line)["path"] for line in lines(capsys)] == ["readme.md", "train/a.csv", "train/b.csv"]

    def test_versions_and_tags(self, published, capsys):
        published.publish(NAME, {"a": b""})
        assert main(["ls", NAME, "--versions"]) == 0
        assert [line.split("\t")[0] for line in lines(capsys)] == ["v2", "v1"]
        assert main(["ls", NAME, "--versions", "--json"]) == 0
        assert json.loads(lines(capsys)[0])["tags"] == {"latest": 2}

    def test_a_table_on_a_terminal_has_heads(self, published):
        import pty  # noqa: PLC0415 -- not on every system

        shown, terminal = pty.openpty()
        environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
        command = [sys.executable, "-m", "gateway", "ls"]
        subprocess.run(command, stdout=terminal, env=environment, timeout=60, check=True)
        os.close(terminal)
        text = os.read(shown, 10_000).decode()
        os.close(shown)
        assert "LATEST" in text
        assert NAME in text


class TestTransfer:
    def test_an_interrupted_pull_leaves_nothing_half(self, sim, tmp_path):
        sim.publish(NAME, {"a.bin": os.urandom(3 << 20)})
        under_way = threading.Event()
        sim.fault("GET", "^/s3/", cut_at=1 << 20, hold=under_way)  # the rest would take twenty seconds
        command = [sys.executable, "-m", "gateway", "pull", NAME, str(tmp_path / "target")]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            assert under_way.wait(30)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (130, b"")
        assert list((tmp_path / "target").iterdir()) == []

    def test_push_and_pull(self, sim, tmp_path, capsys):
        (tmp_path / "source").mkdir()
        (tmp_path / "source" / "a").write_bytes(b"x")
        assert main(["push", str(tmp_path / "source"), NAME, "-m", "first", "-t", "prod", "--json"]) == 0
        assert json.loads(lines(capsys)[0])["version"]["number"] == 1
        assert sim.tags[NAME]["prod"] == 1
        assert main(["pull", f"{NAME}@prod", str(tmp_path / "target"), "--json"]) == 0
        report = json.loads(lines(capsys)[0])
        assert (report["pulled"], report["folder"]) == (1, str(tmp_path / "target"))
        assert (tmp_path / "target" / "a").read_bytes() == b"x"

    def test_patterns_and_a_rate(self, published, tmp_path, capsys):
        options = ["--include", "train/*", "--exclude", "*b.csv", "--limit-rate", "50M", "--verify"]
        assert main(["pull", NAME, str(tmp_path / "target"), *options]) == 0
        assert "1 files fetched" in lines(capsys)[0]
        assert main(["push", str(tmp_path / "target"), "dataset/vision/other", *options[:-1]]) == 0
        assert published.versions["dataset/vision/other"][0].keys() == {"train/a.csv"}
        assert main(["pull", NAME, str(tmp_path / "target"), "--limit-rate", "fast"]) == 10
        assert "'fast' is no rate" in capsys.readouterr().err

    def test_plain_reports_and_the_default_folder(self, published, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert main(["pull", NAME]) == 0
        assert lines(capsys) == [f"{NAME}@v1 → digits: 3 files fetched (18 bytes), 0 there already."]
        assert main(["push", "digits/readme.md", NAME]) == 0
        assert lines(capsys) == [f"{NAME}@v2: 1 files, 6 bytes; 0 uploaded, 1 known already."]

    def test_a_terminal_shows_how_far_it_is(self, published, tmp_path):
        import pty  # noqa: PLC0415 -- not on every system

        shown, terminal = pty.openpty()
        environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
        command = [sys.executable, "-m", "gateway", "pull", NAME, str(tmp_path / "target")]
        subprocess.run(command, stderr=terminal, env=environment, timeout=60, check=True)
        os.close(terminal)
        text = os.read(shown, 10_000).decode()
        os.close(shown)
        assert f"pull {NAME}@latest" in text
        assert "18/18 bytes" in text

    def test_cat_writes_the_bytes(self, published, capfdbinary):
        assert main(["cat", f"{NAME}/train/a.csv"]) == 0
        assert capfdbinary.readouterr().out == b"1,2,3\n"

    @pytest.mark.parametrize(("text", "wanted"), [("0-2", b"dig"), ("3-", b"its"), ("-2", b"ts"), ("4-99", b"ts")])
    def test_cat_writes_a_range(self, published, capfdbinary, text, wanted):
        assert main(["cat", f"{NAME}/readme.md", "--range", text]) == 0
        assert capfdbinary.readouterr().out == wanted

    def test_cat_as_json(self, published, capsys):
        assert main(["cat", f"{NAME}/readme.md", "--json"]) == 0
        found = json.loads(lines(capsys)[0])
        assert base64.urlsafe_b64decode(found["content"]) == b"digits"

    def test_link_tag_and_rotate(self, published, capsys):
        assert main(["link", f"{NAME}/readme.md", "--mode", "stream", "--ttl", "60"]) == 0
        assert lines(capsys)[0].startswith(published.url)
        assert main(["link", f"{NAME}/readme.md", "--mode", "direct", "--json"]) == 0
        assert json.loads(lines(capsys)[0])["object_key"]
        assert main(["tag", f"{NAME}@v1", "prod"]) == 0
        assert lines(capsys) == [f"{NAME}@prod is v1."]
        assert main(["tag", f"{NAME}@v1", "prod", "--json"]) == 0
        assert json.loads(lines(capsys)[0]) == {"resource": NAME, "tag": "prod", "number": 1}
        assert main(["keys", "rotate", NAME]) == 0
        assert "key version 2" in lines(capsys)[0]
        assert main(["keys", "rotate", NAME, "--json"]) == 0
        assert json.loads(lines(capsys)[0])["rewrapped"] == 1

    def test_resource_tags(self, published, capsys):
        assert main(["tag-resource", NAME, "owner=ada", "sensitivity=restricted"]) == 0
        assert lines(capsys) == ["owner\tada", "sensitivity\trestricted"]
        assert main(["tag-resource", NAME, "--remove", "owner", "--json"]) == 0
        assert json.loads(lines(capsys)[0]) == {"resource": NAME, "resource_tags": {"sensitivity": "restricted"}}
        assert main(["tag-resource", NAME]) == 0
        assert lines(capsys) == ["sensitivity\trestricted"]
        assert main(["tag-resource", NAME, "owner"]) == 10
