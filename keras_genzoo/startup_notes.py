"""Keeps the notes that TensorFlow writes as it starts out of what the command line shows, and nothing else.

TensorFlow writes them in C++ to file descriptor 2, some before any setting of its own can stop them. So a small process
stands between that descriptor and the real standard error and passes every line on but the notes. It is another process
since it must outlive this one: the last lines of a crash are those that matter. Python's own `sys.stderr` goes past it,
so that errors, tracebacks and progress bars are as ever.

For commands alone, never for programs that import the package.
"""

import os
import re
import signal
import sys

_NOTES = [
    r"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR",
    r"[IW]\d{4} [\d:.]+ +\d+ \S+:\d+\] ",  # information and warnings, as absl writes them
    r"\d{4}-\d\d-\d\d [\d:.]+: [IW] ",  # the same of older versions
    r"To enable the following instructions: ",  # the second line of one of them
    r"E\d{4} .*Unable to register cu\w+ factory: Attempting to register factory for plugin cu\w+ when one has already",
    r"E\d{4} .*oneDNN supports DT_\w+ only on platforms with \S+ Falling back to the default Eigen-based",
]
_NO_GPU = r"E\d{4} .*failed call to cuInit: "  # news only where there is a GPU
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg")  # of NVIDIA's driver on Linux, and below Windows


def hide():
    """From now on hides them; does nothing once TensorFlow is imported, or where the system has no fork."""
    if "tensorflow" in sys.modules or not hasattr(os, "fork") or sys.stderr is None:
        return
    if os.getpid() == 1:  # of a container, whose end nothing outlives
        return
    terminal = os.dup(2)
    end, start = os.pipe()
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    if os.fork() == 0:
        _pass_on(end, terminal, held=(0, 1, 2, start))
    signal.pthread_sigmask(signal.SIG_SETMASK, signals)
    os.close(end)
    os.dup2(start, 2)
    os.close(start)
    encoding, errors = sys.stderr.encoding, sys.stderr.errors
    sys.stderr = sys.__stderr__ = os.fdopen(terminal, "w", 1, encoding=encoding, errors=errors)


def _pass_on(source, target, held):
    """The whole life of the process between: to the end of what is written, whatever signals the terminal sends."""
    try:
        for descriptor in held:  # whoever waits for the end of these must not wait for this process
            os.close(descriptor)
        has_gpu = any(map(os.path.exists, _DRIVERS))
        notes = re.compile("|".join(_NOTES if has_gpu else [*_NOTES, _NO_GPU]).encode())
        with open(source, "rb") as lines, open(target, "wb", buffering=0) as terminal:
            for line in lines:
                if not notes.match(line):
                    terminal.write(line)
    finally:
        os._exit(0)  # the rest of the program is the parent's
