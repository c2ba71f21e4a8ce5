"""What the story is told with: a stack that is up, people who type commands, and checks that stop the show."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False, soft_wrap=True)


class StoryError(Exception):
    """A check that did not hold."""


def act(number: int, title: str) -> None:
    """Announce a step."""
    console.print(f"\n[bold cyan]{number}. {escape(title)}[/]")


def say(text: str) -> None:
    """Tell what happened."""
    console.print(f"   {escape(text)}")


def check(holds: bool, claim: str) -> None:  # noqa: FBT001 -- reads as an assertion
    """Say the claim if it holds, else end the story."""
    if not holds:
        raise StoryError(claim)
    console.print(f"   [green]✓[/] {escape(claim)}")


@dataclass(frozen=True)
class Answer:
    """What a command came to."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)

    @property
    def problem(self) -> dict[str, Any]:
        """The JSON problem that it printed on stderr."""
        found: dict[str, Any] = json.loads(self.err.strip().splitlines()[-1])
        return found


class Person:
    """Somebody with a home of their own, who types `gateway` commands."""

    def __init__(self, name: str, home: Path, url: str, **environment: str) -> None:
        self.name = name
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **os.environ,
            "GATEWAY_HOME": str(home / "profile"),
            "GATEWAY_URL": url,
            **environment,
        }

    def command(self, *words: str) -> list[str]:
        """Return the command line of a `gateway` command."""
        return [sys.executable, "-m", "gateway", *words]

    def types(self, *words: str, quietly: bool = False) -> Answer:
        """Run `gateway WORDS` and return what it came to; the audience sees the command."""
        if not quietly:
            console.print(f"   [dim]{escape(self.name)}$[/] gateway {escape(' '.join(words))}")
        done = subprocess.run(
            self.command(*words), env=self.environment, cwd=self.home, capture_output=True, timeout=120, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr.decode())

    def does(self, *words: str) -> Answer:
        """Run a command that must succeed."""
        answer = self.types(*words)
        if answer.code:
            raise StoryError(f"gateway {' '.join(words)} failed with {answer.code}: {answer.err.strip()}")
        return answer


@contextlib.contextmanager
def stack(state: Path, *, port: int) -> Iterator[Mapping[str, Any]]:
    """Start `gateway dev`, yield what it says of itself, and stop it."""
    command = [sys.executable, "-m", "gateway", "dev", "--state", str(state), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None  # noqa: S101 -- asked for above
        line = process.stdout.readline()
        if not line:
            raise StoryError("The stack did not start; what it said is above.")
        yield json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
