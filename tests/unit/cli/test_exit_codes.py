from gateway import errors
from gateway.cli import exit_codes


def test_each_code_belongs_to_one_class():
    numbers = list(exit_codes._CODES.values())
    assert len(set(numbers)) == len(numbers)


def test_no_error_looks_like_success_a_usage_error_or_a_signal():
    for kind in errors.by_code().values():
        assert exit_codes.exit_code(kind.__new__(kind)) in {1, *range(10, 126)}


def test_each_class_has_a_code_of_its_familys_ten():
    for kind in errors.by_code().values():
        if kind is errors.GatewayError:
            continue
        parent = next(base for base in kind.__mro__ if errors.GatewayError in base.__bases__)
        assert exit_codes.exit_code(kind.__new__(kind)) // 10 == exit_codes.exit_code(parent.__new__(parent)) // 10


def test_only_errors_of_our_own_code_are_unexpected():
    unexpected = [
        kind for kind in errors.by_code().values() if exit_codes.exit_code(kind.__new__(kind)) == exit_codes.UNEXPECTED
    ]
    assert unexpected == [errors.GatewayError]


def test_the_table_names_every_code():
    text = "\n".join(exit_codes.table())
    assert all(f"{number} {kind.code}" in text for kind, number in exit_codes._CODES.items() if number > 1)
