"""The one exception a user's mistake raises."""

import unicodedata

# Control characters, halves of surrogate pairs, ends of lines and of paragraphs.
_UNPRINTED = frozenset({"Cc", "Cs", "Zl", "Zp"})


class UserError(Exception):
    """A mistake the user can correct: the message is one line that says what, where and what to do.

    Entry points print it without a traceback and exit with status 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """Text of a user's file as one line of valid UTF-8: what would break a line or a terminal is escaped."""
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in _UNPRINTED else letter
        for letter in text
    )
