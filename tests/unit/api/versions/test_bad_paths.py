"""Names that some folder could not hold are refused by name when they are committed, and nothing is published."""

import pytest

pytestmark = pytest.mark.anyio
NAME = "dataset/vision/digits"


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["data/A.csv", "data/a.csv"], "'data/a.csv' and 'A.csv' in the same folder differ only in case"),
        (["Data/a.csv", "data/b.csv"], "differ only in case"),
        (["straße.csv", "STRASSE.csv"], "differ only in case"),
        (["cafe\u0301.csv"], "is not in Unicode's normal form C"),
        (["data", "data/a.csv"], "'data' is both a file and a folder"),
        (["a.csv", "a.csv"], "'a.csv' is listed twice"),
        (["/".join("d" * 1000)], "is longer than 1,024 bytes"),
        (["../a.csv"], "'..' is not a file's name"),
        (["data\\a.csv"], "it has a backslash"),
    ],
)
async def test_they_are_refused_by_name(house, pushing, contents, paths, said):
    push = await pushing()
    for path in paths:
        await push.upload(contents([path]))
    answer = await push.commit()
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-path")
    assert said in answer.json()["detail"]
    assert (await house.ask("ada", "GET", f"/v1/{NAME}")).json()["versions"] == []


async def test_folders_as_deep_as_a_path_is_long_are_fine(house, publish, contents, lines):
    deepest = "/".join("d" * 512)
    await publish(contents([deepest, f"{deepest[:-2]}/e", "a.csv"]))
    _, *found, end = await lines("versions/v1/files:stream")
    assert [file["path"] for file in found] == ["a.csv", deepest, f"{deepest[:-2]}/e"]
    assert end == {"files": 3}
