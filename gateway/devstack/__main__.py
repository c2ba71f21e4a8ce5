"""Runs the parts without a gateway: `python -m gateway.devstack FOLDER`. Writes FOLDER/stack.json while they are up."""

import signal
import sys
import time
from pathlib import Path

from gateway.devstack.folder import StateFolder
from gateway.devstack.stack import running
from gateway.errors import GatewayError

DESCRIPTION = "stack.json"


def main(path: Path) -> None:
    """Run until a signal comes or a part ends."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with StateFolder(path) as folder, running(folder) as stack:
        file = folder.path / DESCRIPTION
        fresh = file.with_suffix(".new")
        fresh.write_text(stack.description.model_dump_json(indent=2), encoding="utf-8")
        fresh.replace(file)
        try:
            while True:
                stack.check()
                time.sleep(0.2)
        finally:
            file.unlink()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        pass
    except GatewayError as error:
        sys.exit(f"{error.message}\n{error.hint}")
