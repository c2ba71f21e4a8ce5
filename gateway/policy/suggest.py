"""Guesses what somebody meant to write."""

from collections.abc import Sequence
from difflib import get_close_matches


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return 'Did you mean …?' for the closest known word, or name them all if none is close.

    >>> did_you_mean("resources", ["Resource", "NotResource"])
    'Did you mean Resource?'
    """
    # Long input is cut: comparing takes the product of the lengths.
    by_case = {name.lower(): name for name in known}
    close = get_close_matches(word.lower()[:64], by_case, n=1)
    if close:
        return f"Did you mean {by_case[close[0]]}?"
    return f"Use one of {', '.join(known)}."
