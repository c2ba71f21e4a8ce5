"""A browser without a head, for demos and tests: logs a person in at OpenBao and follows the code to its redirect."""

from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from gateway.devstack.vault_api import VaultApi
from gateway.errors import LoginFailed


def log_in(authorize_url: str, *, name: str, password_file: Path) -> str:
    """Do what a person does at `authorize_url`, and return the page that the browser ends on.

    Raises:
        LoginFailed: OpenBao gives no code.
        VaultUnavailable: it does not answer, or the password is wrong.
    """
    return visit(redirect_for(authorize_url, name=name, password_file=password_file))


def redirect_for(authorize_url: str, *, name: str, password_file: Path) -> str:
    """Log in and return the address that the provider sends the browser to: the redirect URI, with code and state."""
    parts = urlsplit(authorize_url)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    anonymous = VaultApi(f"{parts.scheme}://{parts.netloc}")
    password = password_file.read_text(encoding="utf-8")
    try:
        token = anonymous.write(f"auth/userpass/login/{name}", password=password)["auth"]["client_token"]
    finally:
        anonymous.close()
    return _authorize(parts.path, query, VaultApi(anonymous.address, token=token))


def visit(url: str) -> str:
    """Return the page at `url`."""
    with httpx.Client(trust_env=False, timeout=30) as http:
        return http.get(url).raise_for_status().text


def _authorize(path: str, query: dict[str, str], person: VaultApi) -> str:
    # The address is that of OpenBao's own login page; the API which that page calls has the same path below /v1/.
    try:
        answer = person.read(path.removeprefix("/ui/vault/"), **query) or {}
    finally:
        person.close()
    if "code" not in answer:
        raise LoginFailed(f"OpenBao gave no code: {answer.get('error', 'no answer')}.")
    return f"{query['redirect_uri']}?{urlencode({'code': answer['code'], 'state': answer['state']})}"
