"""What the command line shows of TensorFlow's own lines: real processes, the crashes in a stand-in for TensorFlow."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GENZOO = [sys.executable, "-m", "keras_genzoo.cli"]
# As TensorFlow 2.21 writes them.
NOTES = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795639953.119829   20919 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
I0000 00:00:1795639953.206893   20919 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use available CPU instructions in performance-critical operations.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with the appropriate compiler flags.
E0000 00:00:1795639953.119829   20919 util.cc:131] oneDNN supports DT_INT32 only on platforms with AVX-512. Falling back to the default Eigen-based implementation if present.
2024-01-01 10:00:00.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
"""  # noqa: E501
ERRORS = """\
E0000 00:00:1795639953.119829   20919 cuda_dnn.cc:31] Loaded runtime CuDNN library is too old.
2024-01-01 10:00:00.123456: E tensorflow/core/framework/op_kernel.cc:9] Out of memory
F0000 00:00:1795639953.119829   20919 tensor.cc:7] Check failed: dtype == 1
"""


def genzoo(*arguments, tensorflow=None, **options):
    """`genzoo` in a process of its own; `tensorflow` is a folder with a stand-in for it."""
    paths = [*([str(tensorflow)] if tensorflow else []), str(ROOT)]
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    environment |= {"PYTHONPATH": os.pathsep.join(paths)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*GENZOO, *arguments], env=environment, **pipes, **options)


def result(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.fixture
def stand_in(tmp_path):
    """Makes a module `tensorflow` that runs a script when it is imported."""

    def write(script):
        (tmp_path / "tensorflow.py").write_text(
            f"import os, signal, sys, time\nNOTES, ERRORS = {NOTES.encode()!r}, {ERRORS.encode()!r}\n{script}\n"
        )
        return tmp_path

    return write


def test_a_command_shows_its_own_lines_alone(tmp_path):
    command = ("sample", "vae_digits", "--num-samples", "4")
    quiet, verbose = genzoo(*command, cwd=tmp_path), genzoo(*command, "--verbose", cwd=tmp_path)
    assert result(quiet) == (0, "Wrote samples.png.\n", "")
    code, out, err = result(verbose)
    assert (code, out) == (0, "Wrote samples.png.\n") and "absl::InitializeLog" in err


@pytest.mark.slow
def test_an_error_is_shown_and_its_exit_code_kept(tmp_path):
    code, out, err = result(genzoo("train", "vae_digits", "--dataset", "digit", cwd=tmp_path))
    assert (code, out) == (1, "") and err.startswith("Error: unknown data set") and err.count("\n") == 1


@pytest.mark.parametrize("end", [signal.SIGABRT, signal.SIGILL, signal.SIGSEGV, signal.SIGKILL])
def test_nothing_of_a_crash_is_lost(stand_in, end):
    last = f"os.write(2, NOTES + ERRORS + NOTES + b'the last words'); os.kill(os.getpid(), {int(end)})"
    assert result(genzoo("sample", "vae_digits", tensorflow=stand_in(last))) == (-end, "", f"{ERRORS}the last words")
    shown = genzoo("sample", "vae_digits", "--verbose", tensorflow=stand_in(last))
    assert result(shown) == (-end, "", f"{NOTES}{ERRORS}{NOTES}the last words")


def test_a_traceback_is_shown(stand_in):
    code, _, err = result(genzoo("sample", "vae_digits", tensorflow=stand_in("os.write(2, NOTES); 1 / 0")))
    assert code == 1 and err.startswith("Traceback") and err.endswith("ZeroDivisionError: division by zero\n")


def test_lines_are_shown_as_they_come(stand_in):
    process = genzoo("sample", "vae_digits", tensorflow=stand_in("os.write(2, b'now\\n'); time.sleep(60)"))
    assert process.stderr.readline() == "now\n" and process.poll() is None
    process.kill()
    assert result(process)[0] == -signal.SIGKILL  # and the pipe is closed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_reaches_the_command_and_not_what_shows_its_lines(stand_in, tmp_path, number):
    script = """
os.write(2, b'started\\n')
def stop(*_):
    os.write(2, b'a real error\\n')
    os._exit(7)
signal.signal(signal.SIGTERM, stop)
try:
    time.sleep(60)
finally:
    os.write(2, NOTES + b'on the way out\\n')
"""
    command = ("train", "vae_digits", "--output", str(tmp_path / "run"))
    process = genzoo(*command, tensorflow=stand_in(script), start_new_session=True)
    assert process.stderr.readline() == "started\n"
    time.sleep(0.2)
    os.killpg(process.pid, number)  # as a terminal does
    code, _, err = result(process)
    if number == signal.SIGINT:
        last = f"Interrupted. To go on: genzoo train vae_digits --output {tmp_path / 'run'}\n"
        assert code == 130 and sorted(err.splitlines()) == sorted(["on the way out", "", last.strip()])
    else:
        assert (code, err) == (7, "a real error\n")


def test_the_driver_is_missed_only_where_there_is_a_gpu(tmp_path):
    line = "E0000 00:00:1795639785.935613   18232 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)\n"
    for drivers, shown in ((("/nowhere",), ""), (("/",), line)):
        script = f"import os, startup_notes as s; s._DRIVERS = {drivers}; s.hide(); os.write(2, {line.encode()!r})"
        command = [sys.executable, "-c", script]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "keras_genzoo")}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert ended.stderr == shown
