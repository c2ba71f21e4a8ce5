import pytest

from gateway.envelope import HEADER_BYTES, SEGMENT_BYTES, RangeDecryptor, ciphertext_size, open_sealed, plan_range, seal
from gateway.errors import CiphertextTampered, CiphertextTruncated, RangeNotSatisfiable, WrongKey

SIZE = 3_500_000
FIRST = 1_048_520


@pytest.fixture(scope="module")
def sealed(object_key, plaintext):
    return seal(object_key, plaintext(SIZE))


def fetch(sealed, plan):
    return sealed[plan.ciphertext_start : plan.ciphertext_end]


def read(object_key, sealed, plan, *, chunk=65_536, header=None):
    decryptor = RangeDecryptor(object_key, header or sealed[:HEADER_BYTES], plan)
    span = fetch(sealed, plan)
    out = [piece for at in range(0, len(span), chunk) for piece in decryptor.update(span[at : at + chunk])]
    return b"".join([*out, *decryptor.finalize()])


@pytest.mark.parametrize(("start", "end"), [(SIZE, SIZE + 1), (5, 5), (6, 5), (-1, 5), (SIZE, SIZE)])
def test_a_range_without_a_byte_is_refused(start, end):
    with pytest.raises(RangeNotSatisfiable):
        plan_range(start, end, SIZE)


@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 1)])
def test_an_empty_object_has_no_range_with_a_byte(start, end):
    if start == 0:
        assert plan_range(start, end, 0).size == 0
    else:
        with pytest.raises(RangeNotSatisfiable):
            plan_range(start, end, 0)


def test_a_key_of_another_length_is_refused(sealed):
    with pytest.raises(WrongKey):
        RangeDecryptor(bytes(31), sealed[:HEADER_BYTES], plan_range(0, 1, SIZE))


def test_a_short_header_is_refused(object_key, sealed):
    with pytest.raises(CiphertextTruncated):
        RangeDecryptor(object_key, sealed[: HEADER_BYTES - 1], plan_range(0, 1, SIZE))


def test_another_objects_header_is_refused(object_key, sealed):
    with pytest.raises(CiphertextTampered):
        read(object_key, sealed, plan_range(2_000_000, 2_000_001, SIZE), header=seal(object_key, b"")[:HEADER_BYTES])


def test_an_altered_segment_is_refused_only_by_ranges_that_touch_it(object_key, plaintext, sealed):
    altered = bytearray(sealed)
    altered[2 * SEGMENT_BYTES] ^= 1
    altered = bytes(altered)
    assert read(object_key, altered, plan_range(FIRST, FIRST + 9, SIZE)) == plaintext(SIZE)[FIRST : FIRST + 9]
    with pytest.raises(CiphertextTampered):
        read(object_key, altered, plan_range(FIRST, 2_500_000, SIZE))


def test_a_segment_of_another_place_is_refused(object_key, sealed):
    plan = plan_range(FIRST, FIRST + 9, SIZE)
    decryptor = RangeDecryptor(object_key, sealed[:HEADER_BYTES], plan)
    decryptor.update(sealed[2 * SEGMENT_BYTES : 3 * SEGMENT_BYTES])
    with pytest.raises(CiphertextTampered):
        decryptor.finalize()


def test_an_object_that_is_longer_than_its_manifest_says_is_refused(object_key, sealed):
    shorter = FIRST + 1_048_560
    with pytest.raises(CiphertextTruncated, match="not its last"):
        read(object_key, sealed, plan_range(shorter - 1, shorter, shorter))


def test_an_object_that_is_shorter_than_its_manifest_says_is_refused(object_key, plaintext):
    sealed = seal(object_key, plaintext(FIRST))
    with pytest.raises(CiphertextTampered, match="is the last"):
        read(object_key, sealed, plan_range(0, 1, FIRST + 1))


def test_missing_bytes_are_named_and_final(object_key, sealed):
    plan = plan_range(0, SIZE, SIZE)
    decryptor = RangeDecryptor(object_key, sealed[:HEADER_BYTES], plan)
    decryptor.update(fetch(sealed, plan)[:-1])
    with pytest.raises(CiphertextTruncated, match="1 of"):
        decryptor.finalize()
    with pytest.raises(ValueError, match="ended or failed"):
        decryptor.update(sealed[-1:])


def test_more_bytes_than_planned_are_refused(object_key, sealed):
    plan = plan_range(0, 1, SIZE)
    decryptor = RangeDecryptor(object_key, sealed[:HEADER_BYTES], plan)
    with pytest.raises(CiphertextTampered, match="More came"):
        decryptor.update(fetch(sealed, plan) + b"\x00")


@pytest.fixture(params=[1000, 65_536, SEGMENT_BYTES, 10_000_000])
def chunk(request):
    return request.param


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, 1),
        (0, FIRST),
        (FIRST - 1, FIRST + 1),
        (FIRST, FIRST + 1_048_560),
        (100, 3_000_000),
        (SIZE - 1, SIZE),
        (0, SIZE),
        (5, SIZE + 1000),
    ],
)
def test_a_range_is_exactly_what_was_asked_for(object_key, sealed, chunk, start, end):
    found = read(object_key, sealed, plan_range(start, end, SIZE), chunk=chunk)
    assert found == open_sealed(object_key, sealed)[start:end]


def test_a_whole_object_is_a_range(object_key, plaintext, size):
    sealed, plan = seal(object_key, plaintext(size)), plan_range(0, size, size)
    assert HEADER_BYTES + plan.ciphertext_size == ciphertext_size(size)
    assert read(object_key, sealed, plan) == plaintext(size)


def test_only_the_segments_of_the_range_are_asked_for():
    plan = plan_range(FIRST + 5, FIRST + 10, SIZE)
    assert (plan.first_segment, plan.last_segment, plan.skip, plan.size) == (1, 1, 5, 5)
    assert (plan.ciphertext_start, plan.ciphertext_end) == (SEGMENT_BYTES, 2 * SEGMENT_BYTES)
    assert plan_range(0, 1, SIZE).ciphertext_start == HEADER_BYTES
