import hashlib
import json

import pytest

pytestmark = pytest.mark.anyio
NAME = "dataset/vision/digits"
PATHS = [f"train/{number:04}.csv" for number in range(200)]


class TestRemoval:
    async def test_a_version_that_is_not_there_cannot_be_removed(self, house, publish, contents):
        await publish(contents())
        answer = await house.ask("ada", "DELETE", f"/v1/{NAME}/versions/v2")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-version")

    async def test_a_version_that_a_tag_names_stays(self, house, publish, contents):
        await publish(contents(), tag="prod")
        await publish(contents())
        answer = await house.ask("ada", "DELETE", f"/v1/{NAME}/versions/v1")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "'prod'" in answer.json()["detail"]
        assert (await house.ask("ada", "GET", f"/v1/{NAME}/versions/prod/files")).status_code == 200

    async def test_nobody_reads_a_version_that_was_removed(self, house, publish, contents):
        await publish(contents())
        await publish(contents())
        assert (await house.ask("ada", "DELETE", f"/v1/{NAME}/versions/v1")).status_code == 204
        for path in ("files", "files:stream", "check", "diff"):
            answer = await house.ask("ada", "GET", f"/v1/{NAME}/versions/v1/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown-version"), path
        assert (await house.links("ada", {"paths": [PATHS[0]]})).status_code == 404
        assert [v["number"] for v in (await house.ask("ada", "GET", f"/v1/{NAME}")).json()["versions"]] == [2]
        assert (await house.ask("ada", "DELETE", f"/v1/{NAME}/versions/v1")).status_code == 404

    async def test_no_number_is_given_twice_and_latest_follows(self, house, publish, contents):
        files = contents()
        await publish(contents())
        await publish(files)
        assert (await house.ask("ada", "DELETE", f"/v1/{NAME}/versions/latest")).status_code == 204
        assert (await house.ask("ada", "GET", f"/v1/{NAME}")).json()["tags"] == {"latest": 1}
        assert await publish(files) == 3
        for ref in ("v3", "v1"):
            assert (await house.ask("ada", "DELETE", f"/v1/{NAME}/versions/{ref}")).status_code == 204
        assert (await house.ask("ada", "GET", f"/v1/{NAME}")).json()["tags"] == {}

    async def test_files_of_a_version_that_goes_meanwhile_are_refused(
        self, house, monkeypatch, publish, pushing, contents
    ):
        await publish(contents())
        await publish(contents())
        push = (await pushing()).keep(1, PATHS[:100])
        commit = house.catalog.commit_push

        async def late(*given, **more):
            assert (await house.ask("ada", "DELETE", f"/v1/{NAME}/versions/v1")).status_code == 204
            return await commit(*given, **more)

        monkeypatch.setattr(house.catalog, "commit_push", late)
        answer = await push.commit()
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "@v1 was removed" in answer.json()["detail"]


class TestDifference:
    async def test_it_says_what_came_went_and_changed_and_counts(self, publish, contents, lines):
        await publish(contents())
        added = contents(["new.csv"])
        await publish(contents([PATHS[7]]) | added, kept={1: set(PATHS) - {PATHS[7], PATHS[9]}})
        head, *found, end = await lines("versions/v1/diff?to=v2")
        assert (head["old"]["number"], head["new"]["number"]) == (1, 2)
        assert [(one["path"], one["change"]) for one in found] == [
            ("new.csv", "added"),
            (PATHS[7], "changed"),
            (PATHS[9], "removed"),
        ]
        digest = hashlib.sha256(added["new.csv"]).hexdigest()
        assert found[0] == {
            "path": "new.csv",
            "change": "added",
            "old": None,
            "new": {"size": 50, "sha256": digest},
        }
        assert end == {"added": 1, "changed": 1, "removed": 1}

    async def test_a_damaged_page_ends_it_with_its_error(self, house, publish, contents, lines):
        await publish(contents())
        await publish(contents())
        lost = [found.key async for found in house.objects.list("r/") if "/p/" in found.key]
        await house.objects.delete_all(lost)
        *_, end = await lines("versions/v1/diff")
        assert end["code"] == "integrity-error"


class TestListing:
    async def test_all_files_come_in_order_with_their_count(self, house, publish, contents):
        files = contents(f"{number:05}" for number in range(2500))
        await publish(dict(list(files.items())[:900]))
        await house.publish("dataset/vision/many", files)
        answer = await house.ask("ada", "GET", "/v1/dataset/vision/many/versions/v1/files:stream?prefix=02")
        head, *found, end = map(json.loads, answer.text.splitlines())
        assert head["version"]["file_count"] == 2500
        assert [file["path"] for file in found] == [path for path in files if path.startswith("02")]
        assert end == {"files": len(found)}


class TestLineage:
    @pytest.mark.parametrize("source", ["dataset/vision/digits", "digits@v1", "dataset/vision/digits@", "dataset@v1"])
    async def test_what_names_no_version_is_refused(self, source, publish, pushing, contents):
        await publish(contents())
        push = await (await pushing()).upload(contents())
        answer = await push.commit(**{"from": source})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-name")

    async def test_a_version_that_is_not_there_is_no_input(self, pushing, contents):
        push = await (await pushing()).upload(contents())
        answer = await push.commit(**{"from": "dataset/vision/other@v1"})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-resource")

    async def test_it_can_be_asked_both_ways(self, house, publish, contents):
        await publish(contents())
        made = {"from": [f"{NAME}@latest", f"{NAME}@v1"], "commit": "4f2a", "run": "https://ci.example/7"}
        await publish(contents(["weights"]), name="model/vision/net", **made)
        answer = await house.ask("ada", "GET", "/v1/model/vision/net/log")
        [logged] = answer.json()["versions"]
        digest = (await house.ask("ada", "GET", f"/v1/{NAME}")).json()["versions"][0]["digest"]
        assert logged["inputs"] == [{"name": NAME, "version": 1, "digest": digest}]
        assert (logged["commit"], logged["run"], logged["tags"]) == ("4f2a", "https://ci.example/7", ["latest"])
        answer = await house.ask("ada", "GET", f"/v1/{NAME}/log")
        assert answer.json()["versions"][0]["outputs"] == [{"name": "model/vision/net", "version": 1}]

    async def test_the_same_files_from_other_inputs_are_the_same_version(self, publish, pushing, contents):
        files = contents()
        await publish(files)
        await publish(contents(["weights"]), name="dataset/vision/other")
        push = (await pushing()).keep(1, PATHS)
        answer = await push.commit(**{"from": "dataset/vision/other@v1"})
        assert (answer.status_code, answer.json()["code"]) == (409, "version-exists")

    async def test_an_input_that_was_removed_is_still_named(self, house, publish, contents):
        await publish(contents())
        await publish(contents(["weights"]), name="model/vision/net", **{"from": f"{NAME}@v1"})
        await house.ask("ada", "DELETE", f"/v1/{NAME}/versions/v1")
        [logged] = (await house.ask("ada", "GET", "/v1/model/vision/net/log")).json()["versions"]
        assert [one["name"] for one in logged["inputs"]] == [NAME]

    async def test_what_was_made_and_removed_is_no_output(self, house, publish, contents):
        await publish(contents())
        await publish(contents(["weights"]), name="model/vision/net", **{"from": f"{NAME}@v1"})
        await house.ask("ada", "DELETE", "/v1/model/vision/net/versions/v1")
        assert (await house.ask("ada", "GET", f"/v1/{NAME}/log")).json()["versions"][0]["outputs"] == []

    async def test_who_may_not_describe_an_input_learns_how_many_there_are(self, house, publish, contents):
        await publish(contents(), name="dataset/hidden/digits")
        await publish(contents(), name="model/hidden/net", **{"from": "dataset/hidden/digits@v1"})
        await publish(contents(["weights"]), name="model/vision/net", **{"from": "dataset/hidden/digits@v1"})
        [logged] = (await house.ask("ivan", "GET", "/v1/model/vision/net/log")).json()["versions"]
        assert (logged["inputs"], logged["hidden_inputs"]) == ([], 1)
        assert (await house.ask("ivan", "GET", "/v1/dataset/hidden/digits/log")).status_code == 403

    async def test_who_may_not_describe_an_input_cannot_name_it(self, house, publish, pushing, contents):
        await publish(contents(), name="dataset/hidden/digits")
        push = await (await pushing(by="ivan")).upload(contents())
        answer = await push.commit(**{"from": "dataset/hidden/digits@v1"})
        assert (answer.status_code, answer.json()["code"]) == (403, "access-denied")
