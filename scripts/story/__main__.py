"""Tells the story: `python -m scripts.story [--serve] [--state DIR] [--port N]`."""

import argparse
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.story.acts import ACTS, Cast
from scripts.story.stage import StoryError, console, stack


def main() -> int:
    """Return 0 if every check held."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="The main job on real parts, told step by step.")
    parser.add_argument("--serve", action="store_true", help="stay up afterwards, to try it yourself")
    parser.add_argument("--state", type=Path, default=Path(".state/demo"), help="where it keeps its state")
    parser.add_argument("--port", type=int, default=0, help="the gateway's port; 0 takes a free one")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = wanted.state.resolve()
    try:
        return _tell(home, port=wanted.port, serve=wanted.serve)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    except StoryError as error:
        console.print(f"\n[red]✗ {error}[/]")
        return 1


def _tell(home: Path, *, port: int, serve: bool) -> int:
    shutil.rmtree(home, ignore_errors=True)
    console.print("[bold]ML Data Gateway: the main job, on real OpenBao and SeaweedFS[/]")
    with stack(home / "stack", port=port) as description:
        cast = Cast(description, home / "people")
        for tell in ACTS:
            tell(cast)
        console.print("\n[bold green]Every step was checked.[/]")
        if serve:
            _stay(description)
    return 0


def _stay(stack: Mapping[str, Any]) -> None:
    console.print(f"\nThe gateway is at {stack['url']}. Users, and where their passwords are:")
    for user in stack["users"]:
        console.print(f"  {user['name']:<6} {', '.join(user['groups']):<14} {user['password_file']}")
    console.print("\nType next, in another terminal:")
    console.print("  source .venv/bin/activate")
    console.print(f"  gateway login {stack['url']}")
    console.print("  gateway ls dataset/vision/digits")
    console.print("  gateway pull dataset/vision/digits@v1 ./digits")
    console.print("\nCtrl-C stops it.")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    sys.exit(main())
