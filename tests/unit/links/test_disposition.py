"""Content-Disposition: no name breaks out of the header, and each comes back whole where it may."""

import re
from email.message import EmailMessage
from urllib.parse import unquote

import pytest

from gateway.links.disposition import attachment

GRAMMAR = re.compile(
    r'attachment; filename="(?P<plain>[\x20-\x7e]*)"; '
    r"filename\*=UTF-8''(?P<extended>(?:[A-Za-z0-9!#$&+\-.^_`|~]|%[0-9A-F]{2})+)"
)
HOSTILE = [
    'a"; filename="evil.exe',
    "a\r\nSet-Cookie: x=1",
    "a\\",
    'a\\"b',
    "%41%2f%0d%0a",
    "a;b=c",
    "a'b''c",
    "größe.csv",
    "e\u0301.csv",
    "😀.bin",
    "\u202egnp.exe",
    "\ud800",
    "\0",
    " lead and trail ",
    "tab\there",
    "..",
    "",
    "x" * 1024,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_out(name):
    matched = GRAMMAR.fullmatch(attachment(name))

    assert matched
    assert not set('"\\%') & set(matched["plain"])
    assert not re.search(r"[\x00-\x1f\x7f/\\]", unquote(matched["extended"]))


@pytest.mark.parametrize(
    "name", ["digits.csv", "größe 1.csv", "😀.bin", "a;b=c.txt", "it's 100%.txt", 'quo"te.csv', "a*b.csv"]
)
def test_a_name_comes_back_whole_from_a_parser(name):
    message = EmailMessage()
    message["Content-Disposition"] = re.sub(r' filename="[^"]*";', "", attachment(f"train/{name}"))

    assert message.get_filename() == name


def test_only_the_last_segment_is_the_name():
    assert attachment("train/a/b.csv") == "attachment; filename=\"b.csv\"; filename*=UTF-8''b.csv"


def test_a_path_without_a_name_saves_under_a_plain_one():
    assert attachment("train/") == "attachment; filename=\"download\"; filename*=UTF-8''download"
