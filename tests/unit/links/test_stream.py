"""Stream links: what was altered, has expired, or is used otherwise opens nothing."""

import base64
from datetime import timedelta

import pytest

from gateway.errors import InvalidConfiguration, InvalidInput, LinkExpired, LinkRefused, TooLarge
from gateway.links.claims import StreamGrant
from gateway.links.stream import LinkKey, StreamLinks
from gateway.model import FileEntry, LinkMode, Principal, PrincipalKind, ResourceName

MINUTE = timedelta(minutes=1)
PATH = "patients/jane doe/größe.csv"


@pytest.fixture
def grant():
    def make(path=PATH, subject="6f1d2a", sha256="ab" * 32, version=3):
        return StreamGrant(
            principal=Principal(issuer="people", subject=subject, kind=PrincipalKind.USER, name="ada"),
            resource_id="0f" * 16,
            resource=ResourceName.parse("dataset/vision/digits"),
            version=version,
            file=FileEntry(path, 1234, sha256, f"{'0e' * 16}/7", 1, "cd" * 16),
        )

    return make


@pytest.fixture
def links(clock):
    return StreamLinks([LinkKey(b"1" * 32)], base_url="https://gateway.example.org/", clock=clock)


def token_of(link):
    return link.url.removeprefix("https://gateway.example.org/d/")


def raw_of(token):
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def text_of(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_every_flipped_bit_is_refused(links, grant):
    raw = raw_of(token_of(links.issue(grant(), expires_in=MINUTE)))
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(LinkRefused):
            links.open(text_of(flipped))


def test_every_changed_character_is_refused(links, grant):
    token = token_of(links.issue(grant(), expires_in=MINUTE))
    for at, character in enumerate(token):
        other = "A" if character != "A" else "B"
        with pytest.raises(LinkRefused):
            links.open(token[:at] + other + token[at + 1 :])


def test_every_cut_is_refused(links, grant):
    token = token_of(links.issue(grant(), expires_in=MINUTE))
    for length in range(len(token)):
        with pytest.raises(LinkRefused):
            links.open(token[:length])
        with pytest.raises(LinkRefused):
            links.open(token[length + 1 :])


def test_parts_of_two_links_do_not_make_a_third(links, grant):
    ours = raw_of(token_of(links.issue(grant(), expires_in=MINUTE)))
    theirs = raw_of(token_of(links.issue(grant(subject="0f2d2a"), expires_in=MINUTE)))
    for at in range(1, len(ours)):
        mixed = ours[:at] + theirs[at:]
        if mixed not in (ours, theirs):
            with pytest.raises(LinkRefused):
                links.open(text_of(mixed))


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "get", ""])
def test_a_link_for_reading_is_refused_for_other_methods(links, grant, method):
    token = token_of(links.issue(grant(), expires_in=MINUTE))
    with pytest.raises(LinkRefused):
        links.open(token, method=method)


def test_a_link_expires_at_its_moment_and_not_before(links, grant, clock):
    link = links.issue(grant(), expires_in=MINUTE)
    clock.now = link.expires_at - timedelta(microseconds=1)
    assert links.open(token_of(link)).expires_at == link.expires_at

    for past in (timedelta(0), timedelta(microseconds=1), timedelta(days=36_500)):
        clock.now = link.expires_at + past
        with pytest.raises(LinkExpired):
            links.open(token_of(link))


def test_an_altered_link_that_has_expired_is_refused_as_altered(links, grant, clock):
    token = token_of(links.issue(grant(), expires_in=MINUTE))
    clock.advance(MINUTE)
    with pytest.raises(LinkRefused):
        links.open(token[:-2] + ("AA" if token[-2:] != "AA" else "BB"))


@pytest.mark.parametrize(
    "life", [timedelta(0), -MINUTE, timedelta(microseconds=999_999), timedelta(days=7, microseconds=1)]
)
def test_a_life_outside_one_second_to_seven_days_is_refused(links, grant, life):
    with pytest.raises(InvalidInput):
        links.issue(grant(), expires_in=life)


@pytest.mark.parametrize("change", [{"subject": "\ud800"}, {"sha256": "ab"}, {"sha256": "no hex"}, {"version": -1}])
def test_a_grant_that_does_not_fit_its_fields_is_refused(links, grant, change):
    with pytest.raises(InvalidInput):
        links.issue(grant(**change), expires_in=MINUTE)


@pytest.mark.parametrize("subject", ["s" * 3_000, "s" * 70_000])
def test_a_grant_too_long_for_a_url_is_refused(links, grant, subject):
    with pytest.raises(InvalidInput):
        links.issue(grant(subject=subject), expires_in=MINUTE)


def test_the_longest_path_fits(links, grant):
    link = links.issue(grant(path="é" * 512, subject="s" * 255), expires_in=MINUTE)

    assert links.open(token_of(link)).grant.file.path == "é" * 512


def test_too_large_is_said_of_a_long_token(links, grant):
    with pytest.raises(TooLarge):
        links.issue(grant(subject="s" * 3_000), expires_in=MINUTE)


@pytest.mark.parametrize("secret", [b"", b"1" * 31, b"1" * 33])
def test_a_secret_of_another_length_is_refused(secret):
    with pytest.raises(InvalidConfiguration):
        LinkKey(secret)


@pytest.mark.parametrize("keys", [[], [b"1" * 32, b"1" * 32]])
def test_a_ring_without_keys_or_with_one_twice_is_refused(clock, keys):
    with pytest.raises(InvalidConfiguration):
        StreamLinks([LinkKey(key) for key in keys], base_url="https://gateway.example.org", clock=clock)


def test_an_opened_link_says_what_was_granted(links, grant, clock):
    link = links.issue(grant(), expires_in=MINUTE)
    claims = links.open(token_of(link), method="HEAD")

    assert claims.grant == grant()
    assert (claims.issued_at, claims.expires_at) == (clock.now, clock.now + MINUTE)
    assert (link.mode, link.method, link.expires_at) == (LinkMode.STREAM, "GET", clock.now + MINUTE)
    assert link.id == claims.token_id.hex()


def test_nothing_of_the_grant_can_be_read_in_the_token(links, grant):
    raw = raw_of(token_of(links.issue(grant(), expires_in=MINUTE)))

    for secret in (b"patients", b"jane", b"people", b"6f1d2a", b"vision", bytes.fromhex("ab" * 32), b"0e0e"):
        assert secret not in raw


def test_two_links_for_one_grant_differ(links, grant):
    assert links.issue(grant(), expires_in=MINUTE).url != links.issue(grant(), expires_in=MINUTE).url


def test_a_replaced_key_still_opens_what_it_sealed_until_it_is_gone(clock, grant):
    old, new = LinkKey(b"1" * 32), LinkKey(b"2" * 32)
    base_url = "https://gateway.example.org"
    before = token_of(StreamLinks([old], base_url=base_url, clock=clock).issue(grant(), expires_in=MINUTE))
    during = StreamLinks([new, old], base_url=base_url, clock=clock)
    after = StreamLinks([new], base_url=base_url, clock=clock)

    assert during.open(before).grant == grant()
    assert after.open(token_of(during.issue(grant(), expires_in=MINUTE))).grant == grant()
    with pytest.raises(LinkRefused):
        after.open(before)


def test_no_repr_shows_a_secret_or_a_token(links, grant):
    key = LinkKey(b"very-hidden-very-hidden-very-hid")
    link = links.issue(grant(), expires_in=MINUTE)

    assert "hidden" not in repr(key)
    assert token_of(link) not in repr((link, links))


def test_a_refusal_does_not_repeat_the_token(links, grant):
    token = token_of(links.issue(grant(), expires_in=MINUTE)) + "A"
    with pytest.raises(LinkRefused) as caught:
        links.open(token)

    assert token[:20] not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
