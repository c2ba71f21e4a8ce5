import os
import shutil

import pytest

from gateway.errors import InvalidPolicy
from gateway.policy import WatchedPolicies, load_policies
from gateway.policy import folder as folder_module


@pytest.mark.parametrize("text", ["", "{", '{"Statement": {"Effect": "Allow"}}'])
def test_one_bad_policy_refuses_the_folder_and_names_the_place(folder, statement, text):
    path = folder(a={"Statement": statement()}, b=text)
    with pytest.raises(InvalidPolicy, match=r"/b\.json:1:\d+: "):
        load_policies(path)


def test_all_faults_are_counted(folder):
    with pytest.raises(InvalidPolicy, match=r"a\.json.* \(1 more\)") as caught:
        load_policies(folder(a="{", b="{"))
    assert caught.value.hint


def test_a_fault_without_a_suggestion_points_to_lint(folder):
    with pytest.raises(InvalidPolicy) as caught:
        load_policies(folder(a="[]"))
    assert "gateway policy lint" in caught.value.hint


def test_nothing_is_no_set_of_policies(tmp_path):
    (tmp_path / "README.md").write_text("x")
    (tmp_path / "a.cases.json").write_text("{}")
    (tmp_path / ".hidden.json").write_text("{")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "README.md"):
        with pytest.raises(InvalidPolicy, match="holds no policy"):
            load_policies(path)


def test_too_many_files_are_refused(folder, statement, monkeypatch):
    monkeypatch.setattr(folder_module, "MAX_FILES", 1)
    with pytest.raises(InvalidPolicy, match="more than 1 policies"):
        load_policies(folder(a={"Statement": statement()}, b={"Statement": statement()}))


@pytest.mark.parametrize("element", ["AWS", "Service"])
def test_a_folders_policy_names_principals_that_the_gateway_knows(folder, statement, element):
    with pytest.raises(InvalidPolicy, match="no kind of principal"):
        load_policies(folder(a={"Statement": statement(Principal={element: "x"})}))


def test_a_folders_policy_says_whom_it_is_for(folder, statement):
    with pytest.raises(InvalidPolicy, match="whom it is for"):
        load_policies(folder(a={"Statement": statement(Principal=None)}))


def test_a_policy_is_named_by_its_file(folder, statement, ask):
    path = folder(research={"Statement": statement(Sid="Read")})
    assert load_policies(path).decide(ask()).statements == ("research#Read",)


def test_the_folder_is_swapped_in_whole(folder, statement, ask):
    watched = WatchedPolicies(folder(a={"Statement": statement()}))
    assert not watched.refresh()
    assert watched.decide(ask()).allowed
    folder(b={"Statement": statement(Effect="Deny")})
    assert watched.decide(ask()).allowed
    assert watched.refresh()
    assert not watched.decide(ask()).allowed
    assert not watched.refresh()


def test_an_invalid_folder_keeps_the_last_good_set_and_says_so_once(folder, statement, ask):
    path = folder(a={"Statement": statement()})
    watched = WatchedPolicies(path)
    good = watched.current
    folder(b="{")
    assert watched.refresh()
    assert watched.current is good
    assert watched.decide(ask()).allowed
    assert "b.json:1:2" in watched.fault.message
    assert not watched.refresh()
    (path / "b.json").unlink()
    assert watched.refresh()
    assert watched.fault is None
    assert watched.current.digest == good.digest


def test_a_folder_that_goes_away_keeps_the_last_good_set(folder, statement, ask):
    path = folder(a={"Statement": statement()})
    watched = WatchedPolicies(path)
    shutil.rmtree(path)
    assert watched.refresh()
    assert watched.fault is not None
    assert watched.decide(ask()).allowed


def test_a_file_that_points_nowhere_is_a_fault(folder, statement):
    path = folder(a={"Statement": statement()})
    watched = WatchedPolicies(path)
    (path / "b.json").symlink_to(path / "missing")
    assert watched.refresh()
    assert "cannot be read" in watched.fault.message


def test_a_touched_file_is_no_news(folder, statement):
    path = folder(a={"Statement": statement()})
    watched = WatchedPolicies(path)
    os.utime(path / "a.json", (1, 1))
    assert not watched.refresh()


def test_an_invalid_folder_at_the_start_is_refused(folder):
    with pytest.raises(InvalidPolicy):
        WatchedPolicies(folder(a="{"))
