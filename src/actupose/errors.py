"""The one exception a user's mistake raises."""


class UserError(Exception):
    """A mistake the user can mend: the message is one line that says what, where and what to do.

    Entry points print it without a traceback and exit with status 2.
    """
