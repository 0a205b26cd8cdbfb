"""JSON that would kill its parser is refused, wherever it is cut into pieces; whatever else is JSON passes unchanged."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.competition.layouts import json_limits
from pipeline.competition.layouts.json_limits import LONGEST, Limited
from pipeline.errors import InputError

values = st.recursive(
    st.integers() | st.text(alphabet='[]{}"\\\\1가', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='["\\\\a', max_size=3), inner, max_size=3)
    ),
)


def read(content, size):
    stream, pieces = Limited(io.BytesIO(content), "t.json"), []
    while piece := stream.read(size):
        pieces.append(piece)
    return b"".join(pieces)


def measure_depth(value):
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(measure_depth, inner), default=0) if isinstance(value, dict | list) else 0


@settings(max_examples=60, deadline=None)
@given(value=values, size=st.integers(1, 9), is_ascii=st.booleans())
def test_depth_is_counted_outside_of_texts(value, size, is_ascii):
    content, depth = json.dumps(value, ensure_ascii=is_ascii).encode(), measure_depth(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_limits, "DEEPEST", depth)
        assert read(content, size) == content
        patch.setattr(json_limits, "DEEPEST", depth - 1)
        with pytest.raises(InputError, match="levels deep"):
            read(content, size)


@pytest.mark.parametrize("size", [7, 2**16])
def test_digits_are_counted_outside_of_texts(size):
    digits = "1" * LONGEST
    for fine in (f'[{digits}, {digits}, "{digits}{digits}", {digits}]', f'{{"{digits}1": -{digits}}}'):
        assert read(fine.encode(), size) == fine.encode()
    for wrong in (f"[{digits}1]", f'["a", {digits}{digits}', f"{digits}1"):
        with pytest.raises(InputError, match=r"t\.json: holds a number of more than 4,300 digits"):
            read(wrong.encode(), size)
