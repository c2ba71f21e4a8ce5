"""A gateway's secrets that are a test's own: keys in Vault, logins, a user at S3. What others use stays as it is."""

import json
import secrets
from datetime import timedelta
from pathlib import Path

import boto3
import psycopg
import pytest
from botocore.config import Config

from gateway.clock import utc_now
from gateway.rotation.assemble import assemble
from gateway.settings import load

POLICIES = Path(__file__).parents[3] / "infra" / "vault"


class MovingClock:
    def __init__(self):
        self.offset = timedelta()

    def __call__(self):
        return utc_now() + self.offset


@pytest.fixture
def clock():
    return MovingClock()


@pytest.fixture(scope="session")
def iam(stack):
    client = boto3.client(
        "iam",
        endpoint_url=stack.s3,
        region_name=stack.region,
        aws_access_key_id=stack.access_key_id_file.read_text(),
        aws_secret_access_key=stack.secret_access_key_file.read_text(),
        config=Config(proxies={}),
    )
    yield client
    client.close()


@pytest.fixture
def s3_user(iam, bucket, tmp_path):
    """A user of S3 for one bucket, and the settings that name it."""
    name = f"gateway-{bucket}"
    arn = f"arn:aws:s3:::{bucket}"
    allow = {"Effect": "Allow", "Action": ["s3:*"], "Resource": [arn, f"{arn}/*"]}
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name, PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    files = tmp_path / "s3-id", tmp_path / "s3-secret"
    files[0].write_text(key["AccessKeyId"])
    files[1].write_text(key["SecretAccessKey"])
    yield {"access_key_id_file": str(files[0]), "secret_access_key_file": str(files[1])}
    for one in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=one["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="own")
    iam.delete_user(UserName=name)


def prepare(operator, name, folder):
    """Do what infra/vault/setup does, under names of the test's own; return the settings' parts."""
    mine = {
        "transit/": f"{name}/",
        "role/gateway/": f"role/{name}/",
        "role/gateway-shredder/": f"role/{name}-shredder/",
        "role/gateway-rotation/": f"role/{name}-rotation/",
        '"gateway/': f'"{name}-kv/',
    }
    operator.write(f"sys/mounts/{name}", type="transit")
    operator.write(f"sys/mounts/{name}-kv", type="kv", options={"version": "2"})
    for key, kind in (("tokens", "ecdsa-p256"), ("links", "aes256-gcm96"), ("checkpoints", "ed25519")):
        operator.write(f"{name}/keys/gateway-{key}", type=kind)
    logins = {}
    roles = {"gateway": name, "shredder": f"{name}-shredder", "rotation": f"{name}-rotation"}
    for policy, role in roles.items():
        text = (POLICIES / f"{policy}.hcl").read_text()
        for usual, own in mine.items():
            text = text.replace(usual, own)
        operator.write(f"sys/policies/acl/{role}", policy=text)
        operator.write(f"auth/approle/role/{role}", token_policies=[role], token_no_default_policy=True, token_ttl=3600)
        files = {"role_id_file": folder / f"{policy}-role-id", "secret_id_file": folder / f"{policy}-secret-id"}
        files["role_id_file"].write_text(operator.read(f"auth/approle/role/{role}/role-id")["data"]["role_id"])
        files["secret_id_file"].write_text(operator.write(f"auth/approle/role/{role}/secret-id")["data"]["secret_id"])
        logins[policy] = {"address": operator.address} | {what: str(file) for what, file in files.items()}
    return {
        "vault": logins["gateway"] | {"transit_mount": name},
        "keys": {f"shredder_{what}": logins["shredder"][what] for what in ("role_id_file", "secret_id_file")},
        "rotation": {
            "vault": logins["rotation"],
            "gateway_role": roles["gateway"],
            "shredder_role": roles["shredder"],
            "own_role": roles["rotation"],
            "kv_mount": f"{name}-kv",
        },
    }


@pytest.fixture
def prepare_vault():
    """Prepares a Vault under names of the test's own."""
    return prepare


@pytest.fixture
def own_vault(operator, tmp_path):
    """Keys, logins and a KV engine of the test's own, as settings that name them."""
    (tmp_path / "logins").mkdir()
    return prepare(operator, f"test-{secrets.token_hex(8)}", tmp_path / "logins")


@pytest.fixture
def settings_file(gateway_config, own_vault, s3_user):
    """A gateway.toml with secrets of the test's own, and links and tokens that live for seconds."""
    return lambda more=None: gateway_config(
        {
            "vault": own_vault["vault"],
            "keys": own_vault["keys"],
            "storage": s3_user,
            "links": {"default_ttl": 2, "max_ttl": 2},
            "tokens": {"lifetime": 2},
            "rotation": own_vault["rotation"] | {"settle": 1, "patience": 5} | (more or {}),
        }
    )


@pytest.fixture
def rotation_of(clock):
    """Opens the rotation of a settings file's secrets."""
    return lambda file, **options: assemble(load(file), clock, **options)


@pytest.fixture
def own_database(postgresql, new_schema, tmp_path):
    """A user of PostgreSQL that is the test's own, with tables of its own, as settings that name it."""
    url, password_file, name = new_schema(), tmp_path / "database-password", f"user_{secrets.token_hex(8)}"
    schema = url.rpartition("%3D")[2]
    password_file.write_text(secrets.token_urlsafe(18))
    with psycopg.connect(
        host="127.0.0.1",
        port=postgresql.port,
        user="gateway",
        password=postgresql.password_file.read_text(),
        dbname="postgres",
    ) as connection:
        password = psycopg.sql.Literal(password_file.read_text())
        connection.execute(
            psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(psycopg.sql.Identifier(name), password)
        )
        connection.execute(f"GRANT ALL ON SCHEMA {schema} TO {name}")
    return {"url": url.replace("//gateway@", f"//{name}@"), "password_file": str(password_file)}
