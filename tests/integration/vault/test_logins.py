"""Each way to log in, at the real OpenBao: what it refuses, what it takes, and that a changed file needs no restart."""

import json
import secrets
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey

from gateway.clock import utc_now
from gateway.errors import VaultUnavailable
from gateway.model import fingerprint
from gateway.settings import VaultSettings

pytestmark = [pytest.mark.integration, pytest.mark.anyio]


class Issuer:
    """Signs tokens of jobs and service accounts."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_pem(self):
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def token(self, **claims):
        now = int(utc_now().timestamp())
        return jwt.encode(
            {"alg": "ES256"}, {"iat": now, "nbf": now, "exp": now + 600} | claims, ECKey.import_key(self._key)
        )


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
def auth_mount(operator):
    """Enables an auth method under a name of its own."""
    made = []

    def enable(kind):
        made.append(f"test-{secrets.token_hex(8)}")
        operator.write(f"sys/auth/{made[-1]}", type=kind)
        return made[-1]

    yield enable
    for mount in made:
        operator.delete(f"sys/auth/{mount}")


@pytest.fixture
def secret(tmp_path):
    """Writes a secret's file."""

    def write(text, name="secret"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


class TestJwt:
    @pytest.fixture
    def settings(self, stack, operator, auth_mount, issuer, secret):
        mount = auth_mount("jwt")
        operator.write(f"auth/{mount}/config", jwt_validation_pubkeys=[issuer.public_pem], bound_issuer="ci")
        operator.write(
            f"auth/{mount}/role/gateway",
            role_type="jwt",
            user_claim="sub",
            bound_audiences=["vault"],
            token_policies=["gateway"],
            token_no_default_policy=True,
        )
        return VaultSettings(
            address=stack.vault,
            auth="jwt",
            auth_mount=mount,
            role="gateway",
            jwt_file=secret(issuer.token(iss="ci", sub="gateway", aud="vault")),
        )

    async def test_a_token_for_somebody_else_is_refused(self, transit, settings, issuer):
        settings.jwt_file.write_text(issuer.token(iss="ci", sub="gateway", aud="others"))
        with pytest.raises(VaultUnavailable, match="refuses the gateway's login by jwt") as refusal:
            await transit(settings).check()
        assert str(settings.jwt_file) in refusal.value.hint
        assert "eyJ" not in f"{refusal.value}{refusal.value.hint}"

    async def test_another_keys_token_is_refused(self, transit, settings):
        settings.jwt_file.write_text(Issuer().token(iss="ci", sub="gateway", aud="vault"))
        with pytest.raises(VaultUnavailable, match="refuses the gateway's login by jwt"):
            await transit(settings).check()

    async def test_an_empty_file_is_named(self, transit, settings):
        settings.jwt_file.write_text("\n")
        with pytest.raises(VaultUnavailable, match="secret, of the gateway's login to Vault, is empty"):
            await transit(settings).check()

    async def test_a_good_token_is_taken(self, transit, settings):
        await transit(settings).check()


class Cluster(BaseHTTPRequestHandler):
    """The one call of Kubernetes' API that Vault makes: TokenReview (authentication.k8s.io/v1)."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = body["spec"]["token"] == self.server.known
        user = {"username": "system:serviceaccount:ml:gateway", "uid": "u-1", "groups": ["system:serviceaccounts"]}
        found = {"user": user, "audiences": body["spec"]["audiences"]} if known else {"error": "unknown token"}
        head = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
        answer = json.dumps({**body, **head, "status": {"authenticated": known, **found}}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Keep quiet: what comes in is secret."""


@contextmanager
def reviewing(known):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    server.known = known
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class TestKubernetes:
    @pytest.fixture
    def settings(self, stack, operator, auth_mount, issuer, secret, authority_pem):
        account = {"namespace": "ml", "serviceaccount": {"name": "gateway", "uid": "u-1"}}
        token = issuer.token(
            iss="https://kubernetes.default.svc",
            sub="system:serviceaccount:ml:gateway",
            aud=["vault"],
            **{"kubernetes.io": account},
        )
        mount = auth_mount("kubernetes")
        with reviewing(token) as host:
            operator.write(
                f"auth/{mount}/config",
                kubernetes_host=host,
                kubernetes_ca_cert=authority_pem,
                token_reviewer_jwt=token,
                disable_local_ca_jwt=True,
                disable_iss_validation=True,
            )
            operator.write(
                f"auth/{mount}/role/gateway",
                bound_service_account_names=["gateway"],
                bound_service_account_namespaces=["ml"],
                token_policies=["gateway"],
                token_no_default_policy=True,
            )
            yield VaultSettings(
                address=stack.vault, auth="kubernetes", auth_mount=mount, role="gateway", jwt_file=secret(token)
            )

    async def test_a_token_that_the_cluster_does_not_know_is_refused(self, transit, settings, issuer):
        account = {"namespace": "ml", "serviceaccount": {"name": "gateway", "uid": "u-1"}}
        settings.jwt_file.write_text(issuer.token(sub="system:serviceaccount:ml:gateway", **{"kubernetes.io": account}))
        with pytest.raises(VaultUnavailable, match="refuses the gateway's login by kubernetes"):
            await transit(settings).check()

    async def test_another_role_is_refused(self, transit, settings):
        with pytest.raises(VaultUnavailable, match="refuses the gateway's login by kubernetes"):
            await transit(settings, role="operator").check()

    async def test_the_pods_token_is_taken(self, transit, settings):
        await transit(settings).check()


class TestTokenFile:
    @pytest.fixture
    def new_token(self, operator):
        def new(**options):
            return operator.write(
                "auth/token/create", policies=["gateway"], no_default_policy=True, no_parent=True, **options
            )["auth"]["client_token"]

        return new

    @pytest.fixture
    def settings(self, stack, new_token, secret):
        return VaultSettings(address=stack.vault, auth="token", token_file=secret(new_token(period="1h")))

    async def test_a_dead_token_is_refused_and_its_file_named(self, transit, settings, operator):
        operator.write("auth/token/revoke", token=settings.token_file.read_text())
        with pytest.raises(VaultUnavailable, match="refuses the gateway's login by token") as refusal:
            await transit(settings).check()
        assert str(settings.token_file) in refusal.value.hint

    async def test_a_file_that_is_away_is_named(self, transit, settings):
        settings.token_file.unlink()
        with pytest.raises(VaultUnavailable, match="secret, of the gateway's login to Vault, cannot be read"):
            await transit(settings).check()

    async def test_a_file_that_changed_is_read_again(self, transit, settings, new_token):
        vault = transit(settings)
        first = settings.token_file.read_text()
        assert await vault.login() == fingerprint(first)
        second = new_token(period="1h")
        settings.token_file.write_text(second + "\n")
        await vault.check()
        assert await vault.login() == fingerprint(second) != fingerprint(first)

    async def test_a_file_that_changed_to_something_dead_leaves_the_good_token_in_use(self, transit, settings, caplog):
        vault = transit(settings)
        before = await vault.login()
        settings.token_file.write_text("no-token-of-any-vault")
        await vault.check()
        assert await vault.login() == before
        assert "could not be prolonged" in caplog.text
        assert "no-token-of-any-vault" not in caplog.text

    async def test_a_token_is_renewed_ahead_of_its_end(self, transit, settings, operator, clock):
        vault = transit(settings)
        await vault.check()
        clock.advance(minutes=31)
        await vault.check()
        known = operator.write("auth/token/lookup", token=settings.token_file.read_text())["data"]
        assert "last_renewal_time" in known

    async def test_a_token_that_cannot_be_renewed_is_used_until_it_is_refused(
        self, transit, settings, new_token, clock
    ):
        settings.token_file.write_text(new_token(type="batch", ttl="1h"))
        vault = transit(settings)
        await vault.check()
        clock.advance(days=400)
        await vault.check()


class TestAppRole:
    async def test_a_new_secret_id_is_taken_up_without_a_restart(self, transit, new_login, operator):
        settings = new_login(token_policies=["gateway"])
        vault = transit(settings)
        old = settings.secret_id_file.read_text().strip()
        assert await vault.login() == fingerprint(old)
        role = settings.role_id_file.name.removesuffix(".role-id")
        new = operator.write(f"auth/approle/role/{role}/secret-id")["data"]["secret_id"]
        settings.secret_id_file.write_text(new)
        assert await vault.login() == fingerprint(new)
        operator.write(f"auth/approle/role/{role}/secret-id/destroy", secret_id=old)
        await vault.check()

    async def test_a_lease_that_cannot_grow_much_more_is_replaced_by_a_new_login(
        self, transit, new_login, operator, clock
    ):
        settings = new_login(token_policies=["gateway"])
        vault = transit(settings)
        await vault.check()
        first = vault._session._client.token
        role = settings.role_id_file.name.removesuffix(".role-id")
        operator.write(f"auth/approle/role/{role}", token_ttl=20, token_max_ttl=20)
        clock.advance(minutes=31)
        await vault.check()
        assert vault._session._client.token != first

    async def test_a_batch_token_is_replaced_ahead_of_its_end(self, transit, new_login, clock):
        vault = transit(new_login(token_policies=["gateway"], token_type="batch"))
        await vault.check()
        first = vault._session._client.token
        clock.advance(minutes=31)
        await vault.check()
        assert vault._session._client.token != first


class TestNamespaces:
    @pytest.fixture
    def namespace(self, operator):
        name = f"test-{secrets.token_hex(8)}"
        operator.write(f"sys/namespaces/{name}")
        yield name
        operator.delete(f"sys/namespaces/{name}")

    async def test_a_login_of_another_namespace_is_refused(self, transit, vault_settings, namespace):
        with pytest.raises(VaultUnavailable, match="refuses the gateway's login"):
            await transit(vault_settings, namespace=namespace).check()

    async def test_the_setup_script_and_the_gateway_meet_in_a_namespace(
        self, transit, vault_settings, namespace, set_up, tmp_path, operator
    ):
        set_up(tmp_path, VAULT_NAMESPACE=namespace)
        vault = transit(
            vault_settings,
            namespace=namespace,
            role_id_file=tmp_path / "vault-role-id",
            secret_id_file=tmp_path / "vault-secret-id",
        )
        kek = f"gateway-{secrets.token_hex(16)}"
        await vault.create_kek(kek)
        key = await vault.new_data_key(kek)
        assert await vault.unwrap(kek, key.wrapped) == key.plaintext
        assert operator.read(f"transit/keys/{kek}") is None
        assert operator.read(f"{namespace}/transit/keys/{kek}")["data"]["latest_version"] == 1


def test_what_a_login_gave_shows_no_token(transit, vault_settings):
    vault = transit(vault_settings, timeout=timedelta(seconds=5))
    vault._session.follow()
    granted = vault._session._granted
    assert granted.token not in f"{granted!r}{vault._session._login!r}{vars(vault._session)!r}"
