from datetime import timedelta

import httpx
import pytest

from gateway.client.demand import Demand

INSUFFICIENT = 'error="insufficient_user_authentication"'


def of(text, status=401):
    return Demand.of(httpx.Response(status, headers={} if text is None else {"www-authenticate": text}))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "Bearer",
        'Bearer error="invalid_token"',
        'Bearer error="invalid_token", error_description="insufficient_user_authentication"',
        f"Bearer {INSUFFICIENT}, max_age=soon",
        f'Bearer {INSUFFICIENT}, max_age="{10**30}"',
        f"Bearer {INSUFFICIENT}, nonsense",
        "Bearer " + 'a="b", ' * 1000 + INSUFFICIENT,
    ],
)
def test_what_is_no_challenge_of_rfc_9470_demands_nothing(text):
    assert of(text) is None


def test_only_a_401_is_a_challenge():
    assert of(f"Bearer {INSUFFICIENT}", status=403) is None


def test_a_challenge_is_read_as_the_gateway_writes_it():
    demand = of(
        f'DPoP algs="ES256 EdDSA", {INSUFFICIENT}, error_description="Log in with, say, a key.", '
        'acr_values="mfa phr", amr_values="otp", max_age="300", resource_metadata="https://g/.well-known/x"'
    )
    assert demand == Demand(("mfa", "phr"), ("otp",), timedelta(minutes=5), "Log in with, say, a key.")


def test_the_command_to_type_has_what_is_demanded():
    demand = Demand(("mfa", "phr"), ("otp",), timedelta(minutes=5))
    assert demand.parameters() == {"acr_values": "mfa phr", "max_age": "300", "prompt": "login"}
    assert demand.command("--device") == "gateway login --device --acr-values 'mfa phr' --max-age 300"


def test_the_command_to_type_is_safe_to_type():
    command = Demand(("$(reboot)",)).command()
    assert command.endswith("--acr-values '$(reboot)'")


def test_a_refusal_says_what_is_demanded():
    refusal = Demand(("mfa",), (), timedelta(0), "Too weak.").refusal("Do this.")
    assert (refusal.message, refusal.hint, refusal.acr_values) == ("Too weak.", "Do this.", ("mfa",))
    assert Demand().refusal("").message
