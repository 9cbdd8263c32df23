import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actupose.errors import UserError, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2J\x00\x7f", "\\x1b[2J\\x00\\x7f"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\udcff", "\\udcff"),
        ("C:\\new  é e\u0301 \N{DANCER}\u200d\u3000", "C:\\new  é e\u0301 \N{DANCER}\u200d\u3000"),
    ],
    ids=["line ends", "commands to a terminal", "line ends of Unicode", "no UTF-8", "ordinary text"],
)
def test_what_breaks_a_line_is_escaped_and_the_rest_is_left_alone(text, line):
    assert one_line(text) == line
    assert str(UserError(text)) == line


@settings(max_examples=300)
@given(st.text(st.characters()))
def test_any_text_is_one_line_of_utf8(text):
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line.encode().decode() == line
    assert not any(unicodedata.category(letter) == "Cc" for letter in line)
    assert one_line(line) == line
