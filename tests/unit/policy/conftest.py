"""Policies and requests in few words."""

import json

import pytest

from gateway.model import AccessRequest, Principal, PrincipalKind
from gateway.policy import PolicySet
from gateway.policy.document import Dialect
from gateway.policy.grammar import read_document


@pytest.fixture
def statement():
    """A statement that lets everyone do everything, with what you give laid over; None removes an element."""

    def make(**elements):
        whole = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"} | elements
        return {key: value for key, value in whole.items() if value is not None}

    return make


@pytest.fixture
def read():
    """The document of statements, as a policy of the folder."""

    def make(*statements, name="policy", version="2012-10-17", dialect=Dialect.GATEWAY):
        text = json.dumps({"Version": version, "Statement": list(statements)})
        document, faults = read_document(text, name, dialect)
        assert not faults, faults
        return document

    return make


@pytest.fixture
def policies(read):
    """The set of one policy with these statements."""
    return lambda *statements: PolicySet([read(*statements)])


@pytest.fixture
def ada():
    return Principal("people", "1", PrincipalKind.USER, "ada", frozenset({"ml-research", "staff"}))


@pytest.fixture
def ask(ada):
    """A request of ada, to read a file unless you say otherwise."""

    def make(*, principal=ada, action="gateway:ReadFile", resource="dataset/vision/digits/v1/a.csv", **context):
        facts = {key.replace("__", ":"): value for key, value in context.items()}
        return AccessRequest(principal, action, resource, facts)

    return make


@pytest.fixture
def folder(tmp_path):
    """A folder of policies: call it with names and documents."""

    def make(**documents):
        for name, document in documents.items():
            text = document if isinstance(document, str) else json.dumps(document)
            (tmp_path / f"{name.replace('_', '.')}.json").write_text(text, encoding="utf-8")
        return tmp_path

    return make
