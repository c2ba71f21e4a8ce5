"""The shipped policies, and the page that teaches by them."""

import re
from pathlib import Path

import pytest

from gateway.policy import load_policies, vocabulary
from gateway.policy.cases import run_cases
from gateway.policy.folder import CASES, policy_files
from gateway.policy.lint import lint_path
from gateway.policy.notes import RULES

POLICIES = Path(__file__).parents[3] / "policies"
PAGE = (POLICIES / "README.md").read_text(encoding="utf-8")


def test_they_are_valid_and_free_of_warnings():
    assert load_policies(POLICIES).documents
    assert lint_path(POLICIES) == []


def test_their_cases_pass_and_reach_every_statement_and_branch():
    report = run_cases(POLICIES)
    assert [result.fault for result in report.results if result.fault] == []
    assert report.gaps == ()


@pytest.mark.parametrize("path", policy_files(POLICIES), ids=lambda path: path.stem)
def test_each_has_cases_that_allow_or_deny(path):
    assert path.with_name(path.stem + CASES).exists()
    assert path.name in PAGE


@pytest.mark.parametrize("word", [*vocabulary.ACTIONS, *vocabulary.KEYS, *vocabulary.KEY_FAMILIES, *RULES])
def test_the_page_names_every_action_key_and_warning(word):
    assert re.search(rf"`{re.escape(word)}", PAGE)
