import pytest

from gateway.catalog.names import NameCheck, fold
from gateway.errors import InvalidPath


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["a", "a"], "listed twice"),
        (["b", "a"], "listed after 'b'"),
        (["a", "a/b"], "both a file and a folder"),
        (["a", "a.txt", "a/b"], "both a file and a folder"),
        (["d/a", "d/a!", "d/a/b/c"], "both a file and a folder"),
        (["A", "a/b"], "only in case"),
        (["A.csv", "B.csv", "a.csv"], "only in case"),
        (["Data/x", "data/y"], "only in case"),
        (["d/E/x", "d/e/y"], "only in case"),
        (["STRASSE", "straße"], "only in case"),
        (["d/É", "d/é"], "only in case"),
        (["ÿ", "Ÿ"], "only in case"),
    ],
)
def test_lists_that_no_folder_could_hold_are_refused(paths, reason):
    check = NameCheck()
    for path in paths[:-1]:
        check.add(path)
    with pytest.raises(InvalidPath, match=reason) as refused:
        check.add(paths[-1])
    assert paths[-1] in refused.value.message or paths[0] in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    "paths",
    [
        ["A/x", "B/x", "a1/X"],
        ["a", "a.d/a", "a.d/b/a", "a.e", "b/a/a", "b/a/b", "b/b/a", "c"],
        ["x/y/z/1", "x/z/1", "y/y/z/1"],
    ],
)
def test_like_names_in_other_folders_are_fine(paths):
    check = NameCheck()
    for path in paths:
        check.add(path)


def test_forms_of_one_letter_fold_to_one():
    assert fold("e\u0301") == fold("\u00c9")
