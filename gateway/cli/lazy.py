"""Commands that import their module when they run. Until then, only their line in the help is known."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "login": ("gateway.cli.login:login", "Log in through your organisation's provider."),
    "logout": ("gateway.cli.login:logout", "Forget the login."),
    "profiles": ("gateway.cli.login:profiles", "List the logins on this machine."),
    "whoami": ("gateway.cli.login:whoami", "Show who the gateway takes you for."),
    "ls": ("gateway.cli.data:ls", "List datasets and models, versions, or files."),
    "push": ("gateway.cli.data:push", "Publish files as a new version."),
    "pull": ("gateway.cli.data:pull", "Fetch a version's files."),
    "cat": ("gateway.cli.data:cat", "Write a file, or a range of it, to the standard output."),
    "link": ("gateway.cli.data:link", "Print a short-lived signed URL to a file."),
    "tag": ("gateway.cli.data:tag", "Make a tag name a version."),
    "log": ("gateway.cli.history:log", "List versions, and what they were made from and went into."),
    "diff": ("gateway.cli.history:diff", "List the files that differ between two versions."),
    "rm": ("gateway.cli.history:rm", "Remove a version."),
    "gc": ("gateway.cli.upkeep:gc", "Delete what no version reaches any more."),
    "fsck": ("gateway.cli.upkeep:fsck", "Check that a version is whole."),
    "tag-resource": ("gateway.cli.data:tag_resource", "Say how sensitive a resource is, and whose."),
    "lease": ("gateway.cli.lease:app", "Renew links for as long as a job runs."),
    "revoke": ("gateway.cli.revoke:revoke", "Take back what was given out."),
    "policy": ("gateway.cli.policy:app", "Check policies, and ask what they allow."),
    "audit": ("gateway.cli.audit:app", "Verify and read the audit journal."),
    "keys": ("gateway.cli.keys:app", "Look after keys: rotate, re-encrypt, shred."),
    "rotate-secrets": ("gateway.cli.rotate_secrets:rotate_secrets", "Replace the gateway's own secrets."),
    "serve": ("gateway.cli.serve:serve", "Run the gateway."),
    "dev": ("gateway.cli.dev:dev", "Run a whole gateway on this machine, with all its parts."),
    "doctor": ("gateway.cli.doctor:doctor", "Check that every part is there and works."),
}
"""Each command's place, `module:attribute`, and its line in the help."""


class LazyCommand(TyperCommand):
    """A line in the help that becomes the real command when it is called."""

    def __init__(self, name: str, place: str, line: str) -> None:
        super().__init__(name, help=line)
        self._place = place

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> Any:  # noqa: ANN401 -- passed on as they are
        """Import the real command and let it take over."""
        return load(info_name or "", self._place).make_context(info_name, args, *more, **extra)


class LazyGroup(TyperGroup):
    """All commands, none of them imported."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 -- passed on as they are
        super().__init__(**attributes)
        for name, (place, line) in COMMANDS.items():
            self.add_command(LazyCommand(name, place, line))


def load(name: str, place: str) -> Any:  # noqa: ANN401 -- Typer has no public name for the two
    """Return the real command at a place: a Typer application as a group, a function as a command."""
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)
