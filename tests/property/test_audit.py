"""The encoding of events is what FORMAT.md says, for any event: held against the standard library's."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.canonical import encode_event

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


@given(st.dictionaries(TEXT, VALUES))
def test_an_event_has_the_encoding_of_the_format(event):
    text = json.dumps(event, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert encode_event(event) == text.encode()
