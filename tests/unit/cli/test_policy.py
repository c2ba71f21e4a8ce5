import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import main

POLICIES = str(Path(__file__).parents[3] / "policies")
ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
REQUEST = {"principal": "ada", "action": "s3:GetObject", "resource": "r"}


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "policy", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def run(*arguments, given=""):
    with start(*arguments) as process:
        out, _ = process.communicate(given, timeout=60)
    return process.returncode, out


def test_evaluate_answers_each_line_before_it_reads_the_next():
    with start("evaluate") as process:
        for line, decision in (
            (json.dumps({"policies": [{"Statement": ALLOW}], "request": REQUEST}), "allow"),
            ("nonsense", "invalid"),
            (json.dumps({"policies": [], "request": REQUEST}), "implicitDeny"),
        ):
            process.stdin.write(line + "\n")
            assert json.loads(process.stdout.readline())["decision"] == decision
        process.stdin.close()
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(("document", "code"), [({"Statement": ALLOW}, 0), ({"Statement": []}, 2), ("x", 2)])
def test_lint_generic_judges_the_standard_input(document, code):
    found, out = run("lint", "--generic", "-", given=json.dumps(document))
    assert found == code
    assert ("-:1:" in out) == bool(code)


def test_lint_refuses_a_folder_with_a_fault_and_names_the_place(tmp_path, capsys):
    (tmp_path / "a.json").write_text('{"Statement": {}}')
    assert main(["policy", "lint", str(tmp_path)]) == 2
    assert capsys.readouterr().out.startswith(f"{tmp_path}/a.json:1:15: error: A statement has an Effect.")
    assert main(["policy", "lint", str(tmp_path), "--json"]) == 2
    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["line"], finding["column"], finding["severity"], finding["suggestion"]) == (
        1,
        15,
        "error",
        "Write Allow or Deny.",
    )
    assert main(["policy", "lint", str(tmp_path), "--sarif"]) == 2
    assert json.loads(capsys.readouterr().out)["version"] == "2.1.0"


def test_warnings_do_not_refuse(tmp_path, capsys):
    (tmp_path / "a.json").write_text(json.dumps({"Statement": ALLOW | {"Principal": {"User": "ada"}}}))
    assert main(["policy", "lint", str(tmp_path)]) == 0
    assert "unknown-action" in capsys.readouterr().out


def test_a_folder_that_holds_no_policy_is_refused(tmp_path, capsys):
    assert main(["policy", "lint", str(tmp_path)]) == 15
    assert "holds no policy" in capsys.readouterr().err


def test_failing_cases_fail(tmp_path, capsys):
    (tmp_path / "a.json").write_text(json.dumps({"Statement": ALLOW | {"Principal": "*"}}))
    assert main(["policy", "test", str(tmp_path)]) == 1
    assert capsys.readouterr().out == (
        "a.json:1: a#0: no case matches it\nThere are no cases; 1 statements or branches not reached.\n"
    )
    case = {"name": "reads", "request": REQUEST, "decision": "explicitDeny"}
    (tmp_path / "a.cases.json").write_text(json.dumps({"cases": [case]}))
    assert main(["policy", "test", str(tmp_path)]) == 1
    assert "a.cases.json:1: reads: expected explicitDeny, got allow by 0" in capsys.readouterr().out


def test_strict_wants_everything_reached(tmp_path, capsys):
    policy = {"Statement": [ALLOW | {"Principal": "*"}, ALLOW | {"Principal": "*", "Action": "s3:PutObject"}]}
    (tmp_path / "a.json").write_text(json.dumps(policy))
    case = {"name": "reads", "request": REQUEST, "decision": "allow"}
    (tmp_path / "a.cases.json").write_text(json.dumps({"cases": [case]}))
    assert main(["policy", "test", str(tmp_path)]) == 0
    assert main(["policy", "test", str(tmp_path), "--strict"]) == 1
    capsys.readouterr()
    assert main(["policy", "test", str(tmp_path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["passed"], len(report["results"]), len(report["gaps"])) == (True, 1, 1)


def test_explain_tells_what_would_have_to_change(capsys):
    question = ["gateway:ReadFile", "dataset/vision/digits/v1/a.csv", "--policies", POLICIES]
    assert main(["policy", "explain", *question, "--user", "ivan", "--group", "interns"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("implicitDeny (policies ")
    assert "- research#ReadVision would allow this to 'Group:ml-research'." in out
    assert main(["policy", "explain", *question, "--workload", "t", "--group", "training-jobs", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["decision"]["statements"] == ["workloads#ReadTrainingData"]
    assert found["advice"] == []


def test_explain_tells_of_a_login_that_would_do(capsys):
    question = ["gateway:ReadFile", "dataset/medical/scans/v1/a", "--policies", POLICIES, "--user", "grace"]
    facts = ["gateway:Purpose=incident-1", "gateway:AuthAge=10", "gateway:Amr=pwd", "gateway:Amr=otp"]
    given = [word for fact in facts for word in ("--context", fact)]
    assert main(["policy", "explain", *question, "--group", "break-glass", *given]) == 0
    assert "- A new login with amr=mfa would be enough." in capsys.readouterr().out


@pytest.mark.parametrize(
    "more",
    [[], ["--user", "a", "--workload", "b"], ["--user", "a", "--context", "x"], ["--user", "a", "--context", "=x"]],
)
def test_explain_wants_one_principal_and_keys_with_values(more, capsys):
    assert main(["policy", "explain", "gateway:ReadFile", "dataset/a/b", "--policies", POLICIES, *more]) == 10
    assert "hint: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [(["--in-force", "--policies", POLICIES], "Give one"), (["--url", "https://gateway.example"], "Add --in-force")],
)
def test_explain_asks_one_place(more, said, capsys):
    assert main(["policy", "explain", "gateway:ReadFile", "dataset/a/b", "--user", "ada", *more]) == 10
    assert said in capsys.readouterr().err


def test_evaluate_loads_nothing_heavy():
    heavy = {"pydantic", "httpx", "rich.console", "cryptography", "fastapi", "sqlalchemy"}
    code = "import sys, gateway.policy.evaluate; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert heavy.isdisjoint(found)
