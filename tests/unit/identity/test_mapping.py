from datetime import UTC, datetime

import pytest

from gateway.errors import InvalidClaim
from gateway.identity.claims import VerifiedClaims
from gateway.identity.mapping import map_principal
from gateway.settings import ClaimMapping, IssuerSettings

CLAIMS = {"sub": "u1", "exp": 1_900_000_000}


def mapped(mapping=None, **claims):
    settings = IssuerSettings(
        alias="people", issuer="https://a.example.org", audiences=["a"], claims=ClaimMapping(**(mapping or {}))
    )
    return map_principal(VerifiedClaims(CLAIMS | claims), settings)


def test_a_missing_user_claim_is_refused():
    with pytest.raises(InvalidClaim, match="preferred_username"):
        mapped({"user": "preferred_username"})


@pytest.mark.parametrize("verified", [{}, {"email_verified": False}, {"email_verified": "true"}])
def test_an_email_that_is_not_verified_names_nobody(verified):
    with pytest.raises(InvalidClaim, match="verified"):
        mapped({"user": "email"}, email="root@example.org", **verified)


def test_a_verified_email_names_its_owner():
    assert mapped({"user": "email"}, email="ada@example.org", email_verified=True).name == "ada@example.org"


@pytest.mark.parametrize("groups", [7, {"a": 1}, [None], [["a"]], [""], ["a\x00b"]])
def test_groups_of_another_type_are_refused(groups):
    with pytest.raises(InvalidClaim):
        mapped(groups=groups)


def test_a_principal_without_groups_is_in_none():
    assert mapped().groups == mapped(groups=None).groups == mapped({"groups": None}, groups=["a"]).groups == frozenset()


def test_a_single_group_may_be_a_text():
    assert mapped(groups="ml").groups == {"ml"}


def test_a_claims_whole_name_comes_before_its_path():
    assert mapped({"groups": "a.b"}, **{"a.b": ["whole"], "a": {"b": ["nested"]}}).groups == {"whole"}
    assert mapped({"groups": "realm_access.roles"}, realm_access={"roles": ["nested"]}).groups == {"nested"}
    assert mapped({"groups": "realm_access.roles"}, realm_access=["roles"]).groups == frozenset()
    assert mapped({"groups": "cognito:groups"}, **{"cognito:groups": ["ml"]}).groups == {"ml"}


def test_prefixes_keep_issuers_apart():
    who = mapped({"user_prefix": "okta:", "group_prefix": "okta/"}, groups=["ml"])
    assert (who.name, who.groups) == ("okta:u1", {"okta/ml"})


def test_attributes_become_tags_as_texts():
    mapping = {"attributes": {"team": "org.team", "level": "level", "contractor": "contractor", "absent": "absent"}}
    who = mapped(mapping, org={"team": "vision"}, level=3, contractor=False)
    assert who.tags == {"team": "vision", "level": "3", "contractor": "false"}


def test_an_attribute_that_is_no_scalar_is_refused():
    with pytest.raises(InvalidClaim, match="team"):
        mapped({"attributes": {"team": "team"}}, team=["vision"])


def test_only_named_claims_are_kept():
    assert mapped({"keep": ["hd", "absent"]}, hd="example.org", secret="x").claims == {"hd": "example.org"}


def test_how_and_when_the_person_logged_in_is_kept():
    who = mapped(acr="mfa", amr=["pwd", "otp"], auth_time=1_800_000_000.5)
    assert (who.acr, who.amr) == ("mfa", ("pwd", "otp"))
    assert who.auth_time == datetime.fromtimestamp(1_800_000_000.5, UTC)


@pytest.mark.parametrize("wrong", [{"acr": 1}, {"amr": "pwd"}, {"amr": [1]}, {"auth_time": "now"}, {"jti": 7}])
def test_login_claims_of_another_type_are_refused(wrong):
    with pytest.raises(InvalidClaim):
        mapped(**wrong)
