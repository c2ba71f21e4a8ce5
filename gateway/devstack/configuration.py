"""The gateway.toml that points a gateway at the embedded stack."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from gateway.devstack.network import LOOPBACK
from gateway.devstack.stack import Description
from gateway.errors import InvalidConfiguration

Tree = dict[str, Any]


def for_stack(stack: Description, *, folder: Path, port: int, policies: Path, bucket: str | None = None) -> Tree:
    """Return the settings of a gateway on this stack that keeps its own database and journal in `folder`."""
    claims = {"user": "preferred_username", "groups": "groups"}
    return {
        "development": True,
        "server": {"host": LOOPBACK, "port": port, "public_url": f"http://{LOOPBACK}:{port}"},
        "state": {"url": f"sqlite:///{folder / 'gateway.db'}"},
        "vault": {
            "address": stack.vault,
            "role_id_file": str(stack.role_id_file),
            "secret_id_file": str(stack.secret_id_file),
        },
        "keys": {
            "shredder_role_id_file": str(stack.role_id_file.with_name("vault-shredder-role-id")),
            "shredder_secret_id_file": str(stack.role_id_file.with_name("vault-shredder-secret-id")),
        },
        "rotation": {
            "vault": {
                "address": stack.vault,
                "role_id_file": str(stack.role_id_file.with_name("vault-rotation-role-id")),
                "secret_id_file": str(stack.role_id_file.with_name("vault-rotation-secret-id")),
            },
        },
        "storage": {
            "endpoint": stack.s3,
            "bucket": bucket or stack.bucket,
            "region": stack.region,
            "access_key_id_file": str(stack.access_key_id_file),
            "secret_access_key_file": str(stack.secret_access_key_file),
        },
        "audit": {"directory": str(folder / "audit")},
        # One person at one address does everything here, and nothing in front has to turn away first.
        "limits": {"principal_requests": 0, "network_requests": 0, "drain_delay": 0},
        "policy": {"directory": str(policies)},
        "issuers": [
            {
                "alias": "people",
                "issuer": stack.issuer,
                "audiences": [stack.client_id],
                "algorithms": ["RS256"],
                "claims": claims,
                "client_id": stack.client_id,
                "scopes": ["openid", "profile", "groups"],
            },
            {
                "alias": "jobs",
                "issuer": stack.jobs_issuer,
                "audiences": [stack.jobs_audience],
                "kind": "workload",
                "algorithms": ["RS256"],
                "claims": claims,
            },
        ],
    }


def load(file: Path) -> Tree:
    """Return the settings in a TOML file.

    Raises:
        InvalidConfiguration: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidConfiguration(f"{file} cannot be read as TOML: {error}.") from error


def merge(base: Mapping[str, Any], more: Mapping[str, Any]) -> Tree:
    """Return `base` with `more` laid over it: tables merge, issuers merge by alias, anything else is replaced.

    >>> merge({"server": {"port": 1, "host": "a"}}, {"server": {"port": 2}})
    {'server': {'port': 2, 'host': 'a'}}
    >>> merge({"issuers": [{"alias": "people", "kind": "user"}]}, {"issuers": [{"alias": "jobs"}]})
    {'issuers': [{'alias': 'people', 'kind': 'user'}, {'alias': 'jobs'}]}
    """
    merged = dict(base)
    for name, value in more.items():
        before = merged.get(name)
        if name == "issuers" and _are_tables(before) and _are_tables(value):
            merged[name] = _merge_issuers(before, value)
        elif isinstance(before, dict) and isinstance(value, dict):
            merged[name] = merge(before, value)
        else:
            merged[name] = value
    return merged


def _are_tables(value: object) -> TypeGuard[list[Tree]]:
    """Tell whether they are issuers, as far as a merge goes; what is wrong with others the settings say by name."""
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _merge_issuers(base: list[Tree], more: list[Tree]) -> list[Tree]:
    by_alias = {issuer.get("alias"): issuer for issuer in base}
    for issuer in more:
        alias = issuer.get("alias")
        by_alias[alias] = merge(by_alias.get(alias, {}), issuer)
    return list(by_alias.values())


def dump(settings: Mapping[str, Any]) -> str:
    """Return settings as TOML: plain values first, then a table for each section.

    >>> print(dump({"server": {"port": 8420}, "development": True, "issuers": [{"alias": "people"}]}))
    development = true
    issuers = [{alias = "people"}]
    <BLANKLINE>
    [server]
    port = 8420
    <BLANKLINE>
    """
    plain = {name: value for name, value in settings.items() if not isinstance(value, dict)}
    sections = {name: value for name, value in settings.items() if isinstance(value, dict)}
    text = _lines(plain)
    for name, values in sections.items():
        text += f"\n[{_key(name)}]\n{_lines(values)}"
    return text


def _lines(values: Mapping[str, Any]) -> str:
    return "".join(f"{_key(name)} = {_inline(value)}\n" for name, value in values.items())


def _inline(value: Any) -> str:  # noqa: ANN401 - whatever TOML holds
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_inline(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, bool | int | float | str):
        # JSON's scalars are TOML's as well, once DEL, which only TOML forbids, is escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value.isoformat())  # TOML's dates and times are ISO 8601


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _inline(name)
