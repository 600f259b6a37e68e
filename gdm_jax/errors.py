"""What an error says, in one line."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says something, or the name of its kind.

    >>> first_line(ValueError("\\n  no such group \\n at all")), first_line(EOFError())
    ('no such group', 'EOFError')
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
