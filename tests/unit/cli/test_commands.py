"""Every command speaks JSON, shows an example, and can be completed."""

import pytest

from gateway.cli import main
from gateway.cli.lazy import COMMANDS, load


def leaves(name, command):
    below = getattr(command, "commands", None)
    if not below:
        yield pytest.param(command, id=name)
        return
    for child, found in below.items():
        yield from leaves(f"{name} {child}", found)


EVERY = [leaf for name, (place, _) in COMMANDS.items() for leaf in leaves(name, load(name, place))]


@pytest.mark.parametrize("command", EVERY)
def test_a_command_has_json_and_an_example(command):
    assert any("--json" in parameter.opts for parameter in command.params)
    assert "Example: " in command.help


def test_the_shell_can_complete(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--show-completion", "bash"])
    assert ended.value.code == 0
    assert "complete" in capsys.readouterr().out
