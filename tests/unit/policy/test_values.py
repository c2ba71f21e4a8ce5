import pytest

from gateway.policy.values import address, binary, instant, network, number, truth


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "one", "NaN", "Infinity", "1e9999", "0x1", "1_000", "\u0661", "--1", "."]
)
def test_what_is_no_number(text):
    assert number(text) is None


@pytest.mark.parametrize(("text", "same"), [("1", "1.00"), ("+1", "1"), ("1e3", "1000"), (".5", "0.5"), ("5.", "5")])
def test_numbers_are_exact_however_they_are_written(text, same):
    assert number(text) == number(same)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2030-13",
        "2030-02-30",
        "2030-01-01T24:00Z",
        "2030-01-01T00:00:60Z",
        "2030-01-01 00:00Z",
        "2030-1-1",
        "0000",
        "2030-01-01T00:00+24:00",
        "\u0662\u0660\u0663\u0660",
        "1" * 16,
    ],
)
def test_what_is_no_time(text):
    assert instant(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("-1", -1),
        ("1970", 0),
        ("1970-01", 0),
        ("1970-01-02", 86_400),
        ("1970-01-01T00:01Z", 60),
        ("1970-01-01T00:00:01", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:00-01:00", 0),
    ],
)
def test_times_are_read_in_all_their_forms(text, seconds):
    assert instant(text) == seconds * 1_000_000_000


def test_fractions_of_a_second_are_exact():
    assert instant("1970-01-01T00:00:00.000000001Z") == instant("0.000000001") == 1


@pytest.mark.parametrize("text", ["QUI", "QUJD\n", "QUJ*", "Q===", "\u00e9", "aGl="])
def test_base64_has_one_spelling(text):
    assert binary(text) is None
    assert binary("") == b""


def test_truth_has_two_words():
    assert [truth(text) for text in ("true", "FALSE", "1", "yes", "")] == [True, False, None, None, None]


@pytest.mark.parametrize("text", ["", "1.2.3", "01.2.3.4", "1.2.3.4.5", "fe80::1%1", "::g", "1.2.3.4 "])
def test_what_is_no_address(text):
    assert address(text) is None
    assert network(text) is None


@pytest.mark.parametrize(
    "text", ["1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/8/8", "::1/129", "::ffff:1.2.3.4/95"]
)
def test_what_is_no_range(text):
    assert network(text) is None


@pytest.mark.parametrize(
    ("range_", "inside", "outside"),
    [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("1.2.3.4", "1.2.3.4", "1.2.3.5"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("::/0", "2001:db8::1", "1.2.3.4"),
        ("2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
    ],
)
def test_a_range_holds_its_own(range_, inside, outside):
    assert address(inside) in network(range_)
    assert address(outside) not in network(range_)
