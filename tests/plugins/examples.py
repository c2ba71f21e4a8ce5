"""Runs the examples in docstrings and in the pages beside the code, so that they stay true."""

from pathlib import Path

from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.rest import DocTestParser
from sybil.sybil import SybilCollection

PACKAGE = Path(__file__).parents[2] / "gateway"

pytest_collect_file = SybilCollection(
    (
        Sybil(
            [DocTestParser()],
            path=str(PACKAGE),
            patterns=["*.py"],
            document_types={".py": PythonDocStringDocument},
        ),
        Sybil([DocTestParser()], path=str(PACKAGE), patterns=["*.md"]),
    )
).pytest()
