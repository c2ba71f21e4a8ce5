import pytest

from gateway.client.reference import Reference
from gateway.errors import InvalidName, InvalidPath


@pytest.mark.parametrize(
    "text",
    ["", "dataset", "dataset/", "dataset/a", "dataset/a/", "dataset/A/b", "dataset/a/b@", "dataset/a/b@v0", "x/a/b"],
)
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(InvalidName):
        Reference.parse(text)


@pytest.mark.parametrize("text", ["dataset/a/b/../c", "dataset/a/b//c", "dataset/a/b/c//", "dataset/a/b/c\n"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(InvalidPath):
        Reference.parse(text)


def test_a_mistyped_kind_is_guessed():
    with pytest.raises(InvalidName, match="Did you mean 'dataset/…'"):
        Reference.parse("datsaet/a/b")


@pytest.mark.parametrize(
    "text",
    [
        "dataset/a/b@latest",
        "model/a/b@v3",
        "dataset/a/b@prod/c/d e.csv",
        "dataset/a/b@v1/x@y",
        f"dataset/a/b@sha256:{'0' * 64}",
    ],
)
def test_a_reference_is_written_as_it_was_read(text):
    assert str(Reference.parse(text)) == text


def test_no_version_means_latest_and_a_slash_at_the_end_nothing():
    assert Reference.parse("dataset/a/b/c/") == Reference.parse("dataset/a/b@latest/c")
    assert Reference.parse("dataset/a/b/").path == ""
