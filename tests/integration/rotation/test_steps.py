"""A rotation that is killed goes on where it was, and the old secret is dead at its end: on a real Vault and S3."""

import asyncio
from datetime import timedelta

import pytest

from gateway.audit.record import parse
from gateway.audit.segments import read_lines
from gateway.devstack.vault_api import VaultApi
from gateway.errors import NotTakenUp, RotationHeld, SecretStillGood, VaultUnavailable
from gateway.model import Holding, Secret
from gateway.rotation.book import Book
from gateway.rotation.machine import State
from gateway.rotation.secret_id import SecretId
from gateway.rotation.steps import Step
from gateway.settings import load
from gateway.state.engine import Database
from gateway.state.holdings import SqlHoldings
from gateway.state.schema import migrate

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

HOUR = timedelta(hours=1)


class Killed(BaseException):
    """What a SIGKILL is, as far as Python can tell of one."""


@pytest.fixture
async def file(settings_file):
    made = settings_file({"take_up": 1})
    database = Database.of(load(made).state)
    await migrate(database)
    await database.close()
    return made


@pytest.fixture
def rotate(rotation_of, file):
    async def run(*secrets, **options):
        async with rotation_of(file, **options) as rotation:
            return {one.secret: one for one in await rotation.run(secrets, wait=False)}

    return run


@pytest.fixture
def told(file):
    """Returns what the journal says of a secret's steps."""

    def of(secret):
        lines = read_lines(load(file).audit.directory / "rotation")
        events = [parse(line).read_event() for line in lines]
        return [
            (event["unmapped"]["step"], event["status"])
            for event in events
            if event.get("unmapped", {}).get("secret") == secret
        ]

    return of


async def kill_after_each_step(rotate, secret, clock):
    for point in [(step, noted) for step in Step for noted in (False, True)]:

        def kill(_, step, noted, point=point):
            if (step, noted) == point:
                raise Killed

        with pytest.raises(BaseExceptionGroup) as killed:
            await rotate(secret, told=kill)
        assert killed.group_contains(Killed)
        clock.offset += HOUR  # the lease of the run that was killed is over, and the overlap


async def test_a_secret_id_survives_a_kill_after_each_step_and_the_old_one_is_dead(rotate, file, clock, told, stack):
    login = load(file).vault
    old = login.secret_id_file.read_text()
    await kill_after_each_step(rotate, Secret.GATEWAY_SECRET_ID, clock)
    anonymous, new = VaultApi(stack.vault), login.secret_id_file.read_text()
    role_id = login.role_id_file.read_text()
    assert anonymous.write("auth/approle/login", role_id=role_id, secret_id=new)["auth"]["client_token"]
    with pytest.raises(VaultUnavailable, match="400"):
        anonymous.write("auth/approle/login", role_id=role_id, secret_id=old)
    anonymous.close()
    assert told(Secret.GATEWAY_SECRET_ID) == [(step, "Success") for step in Step for _ in range(2)]


async def test_an_access_key_survives_a_kill_after_each_step_and_the_old_one_is_dead(rotate, file, clock, iam, bucket):
    storage = load(file).storage
    old = storage.access_key_id_file.read_text()
    await kill_after_each_step(rotate, Secret.S3_CREDENTIALS, clock)
    (only,) = iam.list_access_keys(UserName=f"gateway-{bucket}")["AccessKeyMetadata"]
    assert only["AccessKeyId"] == storage.access_key_id_file.read_text() != old


async def test_a_checkpoint_key_survives_a_kill_after_each_step_and_the_old_one_signs_no_more(
    rotate, file, clock, operator
):
    await kill_after_each_step(rotate, Secret.CHECKPOINT_KEY, clock)
    mount = load(file).vault.transit_mount
    key = operator.read(f"{mount}/keys/gateway-checkpoints")["data"]
    assert (key["latest_version"], key["min_encryption_version"], key["min_decryption_version"]) == (2, 2, 1)
    with pytest.raises(VaultUnavailable, match="less than the minimum"):
        operator.write(f"{mount}/sign/gateway-checkpoints", input="AAAA", key_version=1)


async def test_nothing_of_a_rotation_stays_in_vault_but_how_it_ended(rotate, own_vault, operator):
    assert (await rotate(Secret.GATEWAY_SECRET_ID))[Secret.GATEWAY_SECRET_ID].state is State.REPLACED
    mount = own_vault["rotation"]["kv_mount"]
    assert operator.read(f"{mount}/metadata/pending", list="true") is None
    kept = operator.read(f"{mount}/data/progress/{Secret.GATEWAY_SECRET_ID}")["data"]["data"]
    assert (kept["step"], kept["facts"]) == (None, {})


async def test_what_a_killed_run_made_and_could_not_keep_is_destroyed(rotate, own_vault, operator, monkeypatch, clock):
    role = f"auth/approle/role/{own_vault['rotation']['gateway_role']}/secret-id"
    keep = Book.keep

    async def kill(self, secret, values):
        if "new" in values:
            raise Killed
        await keep(self, secret, values)

    monkeypatch.setattr(Book, "keep", kill)
    with pytest.raises(BaseExceptionGroup):
        await rotate(Secret.GATEWAY_SECRET_ID)
    assert len(operator.read(role, list="true")["data"]["keys"]) == 2
    monkeypatch.undo()
    clock.offset += HOUR
    await rotate(Secret.GATEWAY_SECRET_ID)
    assert len(operator.read(role, list="true")["data"]["keys"]) == 1


async def test_a_second_run_is_told_who_is_at_work_and_until_when(rotation_of, file):
    async with rotation_of(file) as first, rotation_of(file) as second:

        async def meet(*_):
            with pytest.raises(RotationHeld, match=r"replaces secrets at this moment; its lease ends [\d:]{8} UTC"):
                await second.run([Secret.CHECKPOINT_KEY], wait=False)

        look = first._kinds[Secret.CHECKPOINT_KEY].look

        async def look_meanwhile():
            await meet()
            return await look()

        first._kinds[Secret.CHECKPOINT_KEY].look = look_meanwhile
        (done,) = await first.run([Secret.CHECKPOINT_KEY], wait=False)
    assert done.state is State.REPLACED


async def test_a_run_that_lost_its_lease_changes_nothing_more(rotation_of, file, clock):
    async with rotation_of(file) as stalled, rotation_of(file) as next_run:
        kind = stalled._kinds[Secret.CHECKPOINT_KEY]
        make = kind.make

        async def stall(facts):
            clock.offset += HOUR
            await next_run.run([Secret.CHECKPOINT_KEY], wait=False)
            return await make(facts)

        kind.make = stall
        with pytest.raises(RotationHeld, match="gone on with the rotation meanwhile"):
            await stalled.run([Secret.CHECKPOINT_KEY], wait=False)


async def test_while_an_instance_does_not_hold_the_new_one_the_old_one_stays(rotate, file, clock, told):
    database = Database.of(load(file).state)
    holdings = SqlHoldings(database, clock)
    await holdings.report("asleep", [Holding(Secret.GATEWAY_SECRET_ID, "an old one", ("an old one",))])
    result = (await rotate(Secret.GATEWAY_SECRET_ID))[Secret.GATEWAY_SECRET_ID]
    assert isinstance(result.fault, NotTakenUp)
    assert result.fault.message == "gateway-secret-id: the new one is not used yet by asleep."
    assert told(Secret.GATEWAY_SECRET_ID)[-1] == (Step.TAKE_UP, "Failure")
    await holdings.withdraw("asleep")
    await database.close()
    assert (await rotate(Secret.GATEWAY_SECRET_ID))[Secret.GATEWAY_SECRET_ID].state is State.REPLACED


async def test_an_old_one_that_still_opens_something_is_an_alarm(rotate, monkeypatch):
    async def forget(self, facts):
        """A Vault that says it has destroyed what it has not."""

    monkeypatch.setattr(SecretId, "revoke", forget)
    result = (await rotate(Secret.GATEWAY_SECRET_ID))[Secret.GATEWAY_SECRET_ID]
    assert isinstance(result.fault, SecretStillGood)


async def test_an_overlap_is_waited_for_by_another_run(rotate, clock):
    first = (await rotate(Secret.S3_CREDENTIALS))[Secret.S3_CREDENTIALS]
    assert first.state is State.WAITING
    clock.offset += first.until - clock()
    assert (await rotate(Secret.S3_CREDENTIALS))[Secret.S3_CREDENTIALS].state is State.REPLACED


async def test_what_is_published_in_vault_is_waited_for_where_it_is_brought_to_files(
    rotation_of, settings_file, own_vault, operator
):
    file = settings_file({"publish": "vault", "take_up": 10})
    login = load(file).rotation.vault
    published = f"{own_vault['rotation']['kv_mount']}/data/published/{login.secret_id_file.name}"
    old, brought = login.secret_id_file.read_text(), []

    def bring(secret, step, noted):
        """What Vault Agent does: it looks now and then, and writes files."""
        if step is Step.PUBLISH and noted:
            assert login.secret_id_file.read_text() == old
            asyncio.get_running_loop().call_later(1, write)

    def write():
        brought.append(operator.read(published)["data"]["data"]["value"])
        login.secret_id_file.write_text(brought[0])

    async with rotation_of(file, told=bring) as rotation:
        (result,) = await rotation.run([Secret.ROTATION_SECRET_ID], wait=False)
    assert (result.state, login.secret_id_file.read_text() != old) == (State.REPLACED, True)


async def test_what_is_not_there_yet_is_not_made(rotate):
    assert (await rotate(Secret.LINK_KEY))[Secret.LINK_KEY].state is State.ABSENT
