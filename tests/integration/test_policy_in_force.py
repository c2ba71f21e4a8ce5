"""The server decides by resource tags, explains itself to stewards, and follows its policy folder while it runs."""

import json
import shutil
import time
from pathlib import Path

import pytest

from gateway.errors import AccessDenied, InvalidName, StepUpRequired

pytestmark = pytest.mark.integration

POLICIES = Path(__file__).parents[2] / "policies"
ASK = {"action": "gateway:ReadFile", "principal": {"user": "ada", "groups": ["ml-research"], "issuer": "people"}}


def eventually(holds, *, seconds=10):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def published(ada, name, folder):
    ada.push(folder({"a.csv": b"1,2,3\n"}), name)
    return name


@pytest.fixture
def own_policies(tmp_path):
    return shutil.copytree(POLICIES, tmp_path / "policies")


class TestResourceTags:
    def test_only_a_steward_tags(self, ada, published):
        with pytest.raises(AccessDenied):
            ada.tag_resource(published, {"sensitivity": "restricted"})

    def test_tags_are_put_and_removed(self, sdk, published):
        grace = sdk("grace")
        assert grace.tag_resource(published, {"owner": "ada", "licence": "CC-BY-4.0"}) == {
            "licence": "CC-BY-4.0",
            "owner": "ada",
        }
        assert grace.tag_resource(published, {"owner": "ivan"}, remove=["licence"]) == {"owner": "ivan"}
        assert grace.describe(published).resource_tags == {"owner": "ivan"}

    @pytest.mark.parametrize("tags", [{"Owner": "ada"}, {"owner": ""}, {"owner": "a\nb"}, {"owner": "x" * 257}])
    def test_a_tag_that_breaks_the_rules_is_refused(self, cli, published, tags):
        (key, value), *_ = tags.items()
        answer = cli("grace", "tag-resource", published, f"{key}={value}", "--json")
        assert answer.returncode == 11
        assert json.loads(answer.stderr)["code"] == InvalidName.code

    def test_restricted_data_needs_a_second_factor_whatever_else_allows_it(self, sdk, ada, published):
        assert b"".join(ada.read(f"{published}@v1/a.csv")) == b"1,2,3\n"
        sdk("grace").tag_resource(published, {"sensitivity": "restricted"})
        with pytest.raises(StepUpRequired, match="with mfa"):
            ada.links(f"{published}@v1", ["a.csv"])
        with pytest.raises(StepUpRequired, match="with mfa"):
            list(ada.files(f"{published}@latest"))


class TestExplanation:
    def test_a_steward_learns_what_decides(self, api, published):
        answer = api("grace").post("/v1/policy:explain", json={**ASK, "resource": f"{published}/v1/a.csv"})
        assert answer.status_code == 200
        assert answer.json()["decision"] == "allow"
        assert answer.json()["statements"] == ["research#ReadVision"]

    def test_it_knows_the_resources_own_tags(self, api, sdk, published):
        sdk("grace").tag_resource(published, {"sensitivity": "restricted"})
        answer = api("grace").post("/v1/policy:explain", json={**ASK, "resource": f"{published}/v1/a.csv"}).json()
        assert answer["decision"] == "explicitDeny"
        assert "guardrail-restricted#RestrictedNeedsMfa" in answer["statements"]
        assert any("gateway:ResourceTag/sensitivity" in line for line in answer["advice"])

    def test_nobody_else_may_ask(self, api, published):
        answer = api("ada").post("/v1/policy:explain", json={**ASK, "resource": f"{published}/v1/a.csv"})
        assert answer.status_code == 403

    def test_the_command_line_asks_about_anybody(self, cli, sdk, published):
        sdk("grace").tag_resource(published, {"sensitivity": "restricted"})
        question = ("policy", "explain", "gateway:ReadFile", f"{published}/v1/a.csv", "--in-force")
        inside = ("--context", "aws:SourceIp=10.0.0.1")
        told = cli("grace", *question, "--user", "ada", "--group", "ml-research", *inside).stdout.decode()
        assert told.startswith("explicitDeny by guardrail-restricted#RestrictedNeedsMfa")
        assert "- A new login with amr=mfa would be enough." in told
        job = ("--workload", "trainer", "--group", "training-jobs", "--json")
        found = json.loads(cli("grace", *question, *job).stdout)
        assert "workloads#ReadTrainingData" in {one["name"] for one in found["statements"]}
        refused = cli("ada", *question, "--json")
        assert json.loads(refused.stderr)["code"] == "access-denied"

    def test_without_a_principal_it_is_about_the_login_that_asks(self, cli, published):
        told = cli("grace", "policy", "explain", "gateway:RotateKey", published, "--in-force").stdout.decode()
        assert told.startswith("allow by data-stewards#")
        told = cli("grace", "policy", "explain", "gateway:PublishVersion", published, "--in-force").stdout.decode()
        assert told.startswith("implicitDeny")

    def test_a_narrowed_login_is_explained_with_its_narrowing(self, api, shared, token_for, published):
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token_for(shared, "grace"),
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "scope": "gateway:ExplainDecision",
        }
        narrow = api(None).post("/oauth2/token", data=form).json()["access_token"]
        ask = {"action": "gateway:RotateKey", "resource": published}
        headers = {"authorization": f"Bearer {narrow}"}
        answer = api(None).post("/v1/policy:explain", json=ask, headers=headers).json()
        assert answer["decision"] == "implicitDeny"
        assert api("grace").post("/v1/policy:explain", json=ask).json()["decision"] == "allow"

    @pytest.mark.parametrize("principal", [{}, {"user": "ada", "workload": "trainer"}])
    def test_a_principal_is_one_thing(self, api, published, principal):
        asked = {**ASK, "principal": principal, "resource": published}
        assert api("grace").post("/v1/policy:explain", json=asked).status_code == 400


class TestTheFolder:
    def test_a_change_takes_hold_without_a_restart(self, start_gateway, sdk, name, folder, own_policies):
        served = start_gateway(policies=own_policies)
        ada = sdk("ada", served)
        ada.push(folder({"a.csv": b"1"}), name)
        (own_policies / "research.json").unlink()

        def refused():
            try:
                list(ada.files(name))
            except AccessDenied:
                return True
            return False

        eventually(refused)
        assert any(record.read_event()["message"].endswith("is in force.") for record in served.records())

    def test_an_invalid_folder_keeps_the_last_good_set_and_raises_an_alert(
        self, start_gateway, sdk, name, folder, own_policies
    ):
        served = start_gateway(policies=own_policies)
        ada = sdk("ada", served)
        ada.push(folder({"a.csv": b"1"}), name)
        (own_policies / "research.json").write_text('{"Version": "2012-10-17", "Statement": [{"Effect": "Alow"}]}')
        eventually(lambda: served.readiness()[0] == 503)
        assert served.readiness()[1]["policy"] == "invalid-policy"
        assert "research.json:1:" in (served.folder / "gateway.log").read_text()
        assert [file.path for file in ada.files(name)] == ["a.csv"]
        alerts = [record.read_event() for record in served.records() if record.read_event()["class_uid"] == 2004]
        assert [alert["status_code"] for alert in alerts] == ["invalid-policy"]
        shutil.copy(POLICIES / "research.json", own_policies)
        eventually(lambda: served.readiness()[0] == 200)
