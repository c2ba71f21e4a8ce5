import asyncio
import shutil

import anyio
import pytest

from gateway.audit.checkpoint import open_checkpoint
from gateway.audit.evidence import verify_signed
from gateway.audit.journal import Journal
from gateway.audit.note import add_signature
from gateway.audit.segments import list_segments, read_lines
from gateway.audit.tree import FOLDER, Tree
from gateway.errors import CheckpointsLate, JournalBroken, StorageUnavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "gateway-1"


@pytest.fixture
def tree(folder):
    return Tree(folder / FOLDER)


@pytest.fixture
def covered(tree, signer):
    """Returns how many records the newest checkpoint covers."""

    def covered():
        note = tree.newest()
        return open_checkpoint(note, signer.verifiers()).size if note else 0

    return covered


@pytest.fixture
def cut(objects, monkeypatch):
    """Cuts S3 off, until it is joined again."""

    def cut(name):
        async def refuse(*args, **options):
            raise StorageUnavailable("S3 does not answer.")

        monkeypatch.setattr(objects, name, refuse)

    cut.join = monkeypatch.undo
    return cut


async def archived(objects, name):
    return await objects.get(f"audit/gateway.example.com/audit/gateway-1/{name}")


async def append(journal, an_event, count):
    await journal.append_all([an_event() for _ in range(count)])


async def test_without_vault_nothing_is_signed_and_it_is_said_after_a_minute(notarise, signer, an_event, covered):
    journal, notary = await notarise()
    signer.away = True
    await append(journal, an_event, 300)
    await notary.round()
    await notary.check()  # a short absence is no trouble
    for _ in range(60):
        await notary.round()
    with pytest.raises(CheckpointsLate, match=r"301 records are not covered by a checkpoint yet\. Vault does not"):
        await notary.check()
    assert covered() == 0
    signer.away = False
    await notary.round()
    await notary.check()
    assert covered() == 301
    await notary.close()


async def test_without_an_answer_from_the_archive_nothing_is_signed_at_start(notarise, cut, an_event, covered):
    journal, notary = await notarise()
    await append(journal, an_event, 3)
    cut("get")
    await notary.round()
    assert covered() == 0
    cut.join()
    await notary.round()
    assert covered() == 4
    await notary.close()


@pytest.mark.parametrize("operation", ["get", "keep"])
async def test_while_the_archive_is_away_later_signing_goes_on_and_it_catches_up(
    notarise, cut, an_event, covered, objects, operation, tree
):
    journal, notary = await notarise()
    await notary.round()
    cut(operation)
    await append(journal, an_event, 700)
    await notary.round()
    assert covered() == 701
    for _ in range(61):
        await notary.round()
    with pytest.raises(CheckpointsLate, match="700 records"):
        await notary.check()
    cut.join()
    await notary.round()
    await notary.check()
    assert await archived(objects, "checkpoint") == tree.newest()
    assert await archived(objects, "tile/0/001") == (tree.folder / "tile/0/001").read_bytes()
    assert await archived(objects, "tile/entries/002.p/189") == (tree.folder / "tile/entries/002.p/189").read_bytes()
    await notary.close()


async def test_a_journal_that_another_has_the_archive_of_is_not_signed(notarise, tmp_path, an_event, signer):
    journal, notary = await notarise()
    await append(journal, an_event, 5)
    await notary.close()
    twin, twins = await notarise(tmp_path / "elsewhere")
    await append(twin, an_event, 20)
    await twins.round()
    with pytest.raises(JournalBroken, match="two gateways have one identity"):
        await twins.check()
    assert Tree(twin.folder / FOLDER).newest() is None
    await twins.close()


async def test_of_two_journals_at_once_the_second_to_sign_stops(notarise, tmp_path, an_event):
    _, first = await notarise()
    two, second = await notarise(tmp_path / "elsewhere")
    await first.round()
    await append(two, an_event, 5)
    await second.round()
    with pytest.raises(JournalBroken, match="one identity"):
        await second.check()
    await first.check()
    await first.close()
    await second.close()


async def test_a_journal_restored_from_an_old_copy_is_not_signed(notarise, folder, tmp_path, an_event):
    journal, notary = await notarise()
    await append(journal, an_event, 5)
    await notary.close()
    shutil.copytree(folder, tmp_path / "copy")
    journal, notary = await notarise()
    await append(journal, an_event, 50)
    await notary.close()
    shutil.rmtree(folder)
    (tmp_path / "copy").rename(folder)
    journal, notary = await notarise()
    await notary.round()
    with pytest.raises(JournalBroken, match="rolled back"):
        await notary.check()
    await notary.close()


async def test_a_journal_shorter_than_what_was_signed_is_not_signed(notarise, folder, an_event):
    journal, notary = await notarise(archive=None)
    await append(journal, an_event, 50)
    await notary.close()
    (segment,) = list_segments(folder)
    segment.write_bytes(b"".join(list(read_lines(folder))[:20]))
    journal, notary = await notarise(archive=None)
    await notary.round()
    with pytest.raises(JournalBroken, match=r"was rolled back: it ends at record 21, and 52 were signed"):
        await notary.check()
    await notary.close()


async def test_a_record_changed_before_it_was_covered_is_not_signed(notarise, folder, an_event, covered):
    journal, notary = await notarise()
    await append(journal, an_event, 5)
    await notary.round()
    await append(journal, an_event, 5)
    (segment,) = list_segments(folder)
    content = segment.read_bytes()
    at = content.rindex(b"implicitDeny") if b"implicitDeny" in content else content.rindex(b"allow")
    segment.write_bytes(content[:at] + b"A" + content[at + 1 :])
    await notary.round()
    with pytest.raises(JournalBroken, match="Record 11 was altered"):
        await notary.check()
    assert covered() == 6
    await notary.close()


async def test_a_checkpoint_of_another_key_beside_the_journal_is_not_built_on(notarise, tree, signer, an_event):
    journal, notary = await notarise()
    await append(journal, an_event, 5)
    await notary.close()
    text = tree.newest().partition(b"\n\n")[0].decode() + "\n"
    (key,) = signer.verifiers()
    (tree.folder / "checkpoint").write_text(add_signature(text, key, bytes(64)))
    journal, notary = await notarise()
    await notary.round()
    with pytest.raises(JournalBroken, match="The newest checkpoint is not ours"):
        await notary.check()
    await notary.close()


@pytest.mark.parametrize("damage", ["gone", "short", "altered"])
async def test_a_damaged_tree_is_made_anew_from_the_journal(notarise, tree, signer, an_event, covered, damage, folder):
    journal, notary = await notarise()
    await append(journal, an_event, 600)
    await notary.close()
    tile = tree.folder / "tile/1/000.p/2"
    good = tile.read_bytes()
    if damage == "gone":
        shutil.rmtree(tree.folder / "tile")
    else:
        tile.write_bytes(good[:-1] if damage == "short" else good[:-1] + bytes([good[-1] ^ 1]))
    journal, notary = await notarise()
    await append(journal, an_event, 3)
    await notary.round()
    await notary.check()
    assert covered() == 606
    assert (tree.folder / "tile/0/001").exists()
    assert tile.read_bytes() == good
    await notary.close()


async def test_a_journal_written_anew_contradicts_its_signed_tree(notarise, tree, folder, an_event, tmp_path, clock):
    journal, notary = await notarise(archive=None)
    await append(journal, an_event, 5)
    await notary.close()
    async with Journal(tmp_path / "other", instance="gateway-1", clock=clock) as other:
        await append(other, an_event, 9)
    shutil.rmtree(tree.folder / "tile")
    list_segments(folder)[0].write_bytes(list_segments(other.folder)[0].read_bytes())
    journal, notary = await notarise(archive=None)
    await notary.round()
    with pytest.raises(JournalBroken, match="first 7 records are not those that were signed"):
        await notary.check()
    await notary.close()


async def test_what_vault_signs_wrongly_is_not_kept(notarise, signer, an_event, covered, monkeypatch):
    _, notary = await notarise()

    async def sign(message):
        return signer.verifiers()[0].public, bytes(64)

    monkeypatch.setattr(signer, "sign_checkpoint", sign)
    for _ in range(70):
        await notary.round()
    with pytest.raises(CheckpointsLate, match="forged"):
        await notary.check()
    assert covered() == 0
    await notary.close()


async def test_an_unforeseen_failure_is_said_and_tried_again(notarise, signer, covered, monkeypatch):
    _, notary = await notarise()
    with monkeypatch.context() as patch:
        patch.setattr(signer, "checkpoint_keys", lambda: 1 / 0)
        for _ in range(70):
            await notary.round()
    with pytest.raises(CheckpointsLate, match="ZeroDivisionError"):
        await notary.check()
    await notary.round()
    await notary.check()
    assert covered() == 1
    await notary.close()


async def test_a_disk_that_takes_no_tile_is_said_and_the_tree_goes_on_when_it_does(
    notarise, tree, signer, an_event, covered, folder
):
    journal, notary = await notarise()
    await append(journal, an_event, 5)
    await notary.round()
    await append(journal, an_event, 600)
    (tree.folder / "tile/0/001").mkdir(parents=True)  # where a file has to go
    for _ in range(70):
        await notary.round()
    with pytest.raises(CheckpointsLate, match=r"The tree beside it cannot be written: Is a directory"):
        await notary.check()
    (tree.folder / "tile/0/001").rmdir()
    await notary.round()
    await notary.check()
    assert covered() == 606
    assert verify_signed(read_lines(folder), notes=tree.notes(), keys=signer.verifiers()).covered == 606
    await notary.close()


async def test_the_last_record_is_signed_too(notarise, an_event, covered, folder, signer, tree):
    journal, notary = await notarise()
    await append(journal, an_event, 3)
    await notary.close()
    assert covered() == 5
    evidence = verify_signed(read_lines(folder), notes=tree.notes(), keys=signer.verifiers())
    assert (evidence.report.count, evidence.covered) == (5, 5)


async def test_rounds_with_nothing_new_write_nothing(notarise, tree, objects):
    _, notary = await notarise()
    await notary.round()
    before = {path: path.stat().st_mtime_ns for path in tree.folder.rglob("*")}
    await notary.round()
    assert {path: path.stat().st_mtime_ns for path in tree.folder.rglob("*")} == before
    await notary.close()


async def test_a_restart_goes_on_with_the_same_tree_and_a_new_key(notarise, tree, signer, an_event, folder):
    for count in (1, 254, 255, 1, 700):
        journal, notary = await notarise()
        await append(journal, an_event, count)
        await notary.round()
        await append(journal, an_event, 1)
        await notary.close()
        signer.rotate()
    evidence = verify_signed(read_lines(folder), notes=tree.notes(), keys=tree.keys())
    assert evidence.report.count == evidence.covered == 1211 + 5 + 10
    assert evidence.checkpoints == 10
    assert not list(tree.folder.glob("tile/0/00[0-3].p"))


async def test_a_checkpoint_that_a_kill_left_half_written_is_cut(notarise, tree, an_event, folder, signer):
    _, notary = await notarise()
    await notary.close()
    with (tree.folder / "checkpoints").open("ab") as file:
        file.write(tree.newest()[:-20])
    _, notary = await notarise()
    await notary.close()
    assert len(list(tree.notes())) == 2
    assert verify_signed(read_lines(folder), notes=tree.notes(), keys=signer.verifiers()).checkpoints == 2


async def test_checkpoints_follow_by_themselves_after_a_time_or_many_events(notarise, an_event, covered):
    journal, notary = await notarise(events=50)  # the clock goes on by a second at each look
    running = asyncio.create_task(notary.run())
    with anyio.fail_after(20):
        while covered() < 1:  # noqa: ASYNC110  # it is a file that changes
            await anyio.sleep(0.05)
        await append(journal, an_event, 60)
        while covered() < 61:  # noqa: ASYNC110  # the same
            await anyio.sleep(0.05)
    running.cancel()
    await notary.close()
