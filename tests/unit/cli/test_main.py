import json
import os
import signal
import subprocess
import sys

import pytest

from gateway.cli import app, exit_codes, lazy, main


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_an_unknown_command_is_refused_with_what_was_meant(capsys):
    assert main(["pul"]) == exit_codes.USAGE
    assert (
        capsys.readouterr().err
        == "error: No such command 'pul'. Did you mean 'pull'?\nhint: 'gateway --help' shows how.\n"
    )


def test_a_missing_argument_names_the_commands_help(capsys):
    assert main(["pull"]) == exit_codes.USAGE
    assert "'gateway pull --help' shows how" in capsys.readouterr().err


def test_an_error_is_a_problem_with_json(capsys):
    assert main(["pull", "datset/a/b", "--json"]) == 11
    problem = json.loads(capsys.readouterr().err)
    assert (problem["code"], problem["exit_code"]) == ("invalid-name", 11)


def test_an_error_is_two_lines_without(capsys):
    assert main(["cat", "dataset/a/b/../c"]) == 12
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")


def test_a_missing_part_is_named_with_what_brings_it():
    code = "import sys; sys.modules['uvicorn'] = sys.modules['fastapi'] = sys.modules['pydantic'] = None\n"
    code += "from gateway.cli import main\nsys.exit(main(['serve', '--config', '/dev/null']))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 16
    assert 'hint: pip install "ml-data-gateway[server]"\n' in found.stderr
    assert "Traceback" not in found.stderr


def test_a_missing_module_of_our_own_is_a_bug_and_not_excused(monkeypatch):
    monkeypatch.setitem(lazy.COMMANDS, "ls", ("gateway.cli.nowhere:ls", ""))
    with pytest.raises(ModuleNotFoundError, match=r"gateway\.cli\.nowhere"):
        main(["ls"])


def test_without_a_command_it_shows_its_help(capsys):
    assert main([]) == 0
    assert "Usage: gateway" in capsys.readouterr().out


def test_help_lists_every_command_and_the_exit_codes_and_loads_none():
    code = "import sys\nfrom gateway.cli import main\nmain(['--help'])\n"
    code += "print([m for m in ('httpx', 'pydantic', 'cryptography', 'gateway.cli.data') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert all(name in found.stdout for name in lazy.COMMANDS)
    assert "82 disk-full" in " ".join(found.stdout.split())
    assert found.stdout.endswith("[]\n")


@pytest.mark.parametrize("name", ["ls", "push", "pull", "cat", "link", "tag", "revoke"])
def test_each_commands_help_has_an_example_and_json(name, capsys):
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"gateway {name}" in text.replace("Usage: ", "", 1)
    assert "Example: " in text
    assert "--json" in text


def test_keys_shows_its_commands(capsys):
    assert main(["keys"]) == exit_codes.USAGE
    assert "rotate" in "".join(capsys.readouterr())


def test_the_version_is_shown(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("gateway ")


def test_a_reader_that_leaves_is_no_news():
    read, write = os.pipe()
    os.close(read)
    found = subprocess.run(
        [sys.executable, "-m", "gateway", "--help"], stdout=write, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(write)
    assert found.returncode == exit_codes.UNEXPECTED
    assert found.stderr == b""


def test_an_interruption_has_its_own_code(tmp_path):
    listening = tmp_path / "listening"
    code = (
        "import pathlib, socket, sys, threading\n"
        "from gateway.cli import main\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "def accept():\n"
        "    kept = s.accept()\n"
        f"    pathlib.Path({str(listening)!r}).touch()\n"
        "    threading.Event().wait()\n"
        "threading.Thread(target=accept, daemon=True).start()\n"
        "sys.exit(main(['ls', '--url', f'http://127.0.0.1:{s.getsockname()[1]}']))\n"
    )
    environment = {**os.environ, "GATEWAY_TOKEN": "t"}
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, env=environment) as process:
        while not listening.exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == exit_codes.INTERRUPTED
    assert err == b""


def test_completion_knows_commands_and_options():
    def complete(line):
        return run(
            env={
                **os.environ,
                "_GATEWAY_COMPLETE": "complete_bash",
                "COMP_WORDS": line,
                "COMP_CWORD": str(len(line.split()) - 1),
            }
        ).stdout.split()

    assert complete("gateway pu") == ["push", "pull"]
    assert "--threads" in complete("gateway pull --th")


def test_the_application_is_typers(capsys):
    assert app.info.epilog.startswith("Exit codes: ")
