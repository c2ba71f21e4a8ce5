"""Looks for secrets in all that a run of the tests has logged, when it is over: a find fails the run, and is named.

Looked at are the logs and journals below the run's temporary folders, and what the tests printed and logged. The finds
say where a secret is and of what kind, never what it is.
"""

import re
from pathlib import Path

import pytest

SECRETS = {
    "a JWT": rb"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}",
    "an Authorization header's value": rb"(?i)\b(?:bearer|dpop) [\w.-]{20,}",
    "a presigned link": rb"X-Amz-(?:Signature|Credential|Security-Token)=",
    "a stream link": rb"/d/[\w-]{32,}",
    "32 bytes in base64": rb"(?<![\w+/=.-])(?:[\w-]{43}|[A-Za-z0-9+/]{43}=)(?![\w+/=-])",
    "Vault's token": rb"\bhv[sb]\.\w{20,}|\b[sb]\.\w{24,}",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "S3's secret key": rb"(?i)aws_secret_access_key\W{1,4}[\w+/]{16,}",
}
"""What a secret of ours looks like, wherever it came from."""

CHECKSUMS = re.compile(rb"checksum mismatch for X-Amz-Checksum-\w+: expected [\w+/=]+, got [\w+/=]+")
"""What SeaweedFS says of bytes that came altered: 32 bytes in base64 that open nothing."""
LOOKED_AT = 16 << 20
"""Bytes of a longer log, its last: a hundred kills under load leave a journal of 150 MB."""
NO_SECRETS = ("role-id", "access-key-id")
LOGS = {".log", ".ndjson", ".jsonl", ".out", ".err"}
_FOLDERS = pytest.StashKey[list[Path]]()
_FINDS = pytest.StashKey[list[str]]()


def secrets_in(content):
    """Say what kinds of secrets are in what was written."""
    content = CHECKSUMS.sub(b"", content[-LOOKED_AT:])
    return [kind for kind, form in SECRETS.items() if re.search(form, content)]


def secret_files(folder):
    """Return what the secrets below a folder are, by the files that hold them alone."""
    files = [file for file in folder.rglob("secrets/*") if file.is_file() and not file.name.endswith(NO_SECRETS)]
    return {file: text for file in files if len(text := file.read_bytes().strip()) >= 16}


def look_into(folder, known):
    """Yield a line for each log below a folder that holds a secret, by its form or as one of those known."""
    for file in sorted(file for file in folder.rglob("*") if file.suffix in LOGS and file.is_file()):
        content = file.read_bytes()
        if b"\0" in content:
            continue  # a database's write-ahead log, which is data
        kinds = secrets_in(content) + [f"what {name.name} holds" for name, secret in known.items() if secret in content]
        yield from (f"{file}: {kind}" for kind in kinds)


def watch(config, folder):
    """Look into this folder as well when the run is over."""
    config.stash.setdefault(_FOLDERS, []).append(folder)


def pytest_configure(config):
    config.stash[_FINDS] = []
    config.stash.setdefault(_FOLDERS, [])
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Scan(config), "secret-scan")


class _Scan:
    """In the process that hears of every test: xdist's controller, or the only one."""

    def __init__(self, config):
        self._config = config
        self._finds = config.stash[_FINDS]

    def pytest_runtest_logreport(self, report):
        for title, text in report.sections:
            self._finds += [f"{report.nodeid}, {title}: {kind}" for kind in secrets_in(text.encode())]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        folders = [*self._config.stash[_FOLDERS], self._config._tmp_path_factory.getbasetemp()]
        known = {name: secret for folder in folders for name, secret in secret_files(folder).items()}
        for folder in folders:
            self._finds += look_into(folder, known)
        if self._finds and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        if self._finds:
            terminalreporter.section("secrets in what the tests wrote", red=True)
            for find in self._finds:
                terminalreporter.write_line(find)
