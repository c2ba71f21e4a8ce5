import pytest

from gateway.policy.glob import compile_glob, covers
from gateway.policy.template import Variable, parse


def template(text):
    return parse(text, variables=True, wildcards=True)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*", "a/b:c\n", True),
        ("?", "", False),
        ("?", "a", True),
        ("?", "\N{GRINNING FACE}", True),
        ("??", "a", False),
        ("a*", "a", True),
        ("a*", "ba", False),
        ("*a", "ba", True),
        ("*a", "ab", False),
        ("a*a", "a", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("*ab*ab*", "abab", True),
        ("*ab*ab*", "abxa", False),
        ("*a?c*", "xxabcxx", True),
        ("*a?c*", "xxacxx", False),
        ("*a?*?c*", "a--c", True),
        ("?a*", "ba-", True),
        ("?a*", "a", False),
        ("*?", "a", True),
        ("[a-z]", "b", False),
        ("a.c", "abc", False),
        ("${*}", "*", True),
        ("${*}", "a", False),
        ("${?}${$}", "?$", True),
    ],
)
def test_wildcards_match_what_they_say_and_nothing_else_is_special(pattern, text, matches):
    assert compile_glob(template(pattern))(text) is matches


@pytest.mark.parametrize(
    ("wide", "narrow", "answer"),
    [
        ("*", "", True),
        ("*", "a?*${k:v}", True),
        ("a*", "a", True),
        ("a*", "ab*", True),
        ("a*", "*", False),
        ("a?", "ab", True),
        ("a?", "a?", True),
        ("a?", "a*", False),
        ("a?", "a${k:v}", False),
        ("a${k:v}", "a${k:v}", True),
        ("a", "a*", False),
        ("a*b*c", "axbxc", True),
        ("a*b*c", "a*b?*c", True),
        ("a*b*c", "axc", False),
        ("a*bb*c", "a*c", False),
        ("ab*b", "ab", False),
        ("a*b", "a*c", False),
    ],
)
def test_covering_is_told_only_where_it_is_certain(wide, narrow, answer):
    assert covers(template(wide), template(narrow)) is answer


def test_variables_are_read_with_their_defaults():
    assert template("${ k:A b , 'x, }' }") == (Variable("k:a b", "x, }"),)
    assert template("$a$") == ("$a$",)
    assert template("${k:v, ''}") == (Variable("k:v", ""),)
