"""Stops in the middle of a function."""

import sys


def at_line(n, stop, function, file=None):
    """Calls `function`, and `stop` before the n-th line that Python runs in it and below it.

    Args:
        n: int, from 1; more than there are lines for no stop.
        stop: function without arguments, which may raise.
        function: function without arguments.
        file: str, counts the lines of this file alone.

    Returns:
        int, the lines that were run.
    """
    num_lines = 0

    def trace(frame, event, argument):
        nonlocal num_lines
        if event == "line" and file in (None, frame.f_code.co_filename):
            num_lines += 1
            if num_lines == n:
                stop()
        return trace

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(None)
    return num_lines
