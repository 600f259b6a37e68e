"""What an error says, in one line, and the name that was meant."""

from __future__ import annotations

import difflib


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says something, or the name of its kind.

    >>> first_line(ValueError("\\n  no such group \\n at all")), first_line(EOFError())
    ('no such group', 'EOFError')
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def suggest(name: str, known) -> str:
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
