"""A run stopped again and again ends as one that was never stopped, byte for byte."""

import csv
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests import stops

GENZOO = [sys.executable, "-c", "import sys; sys.argv[0] = 'genzoo'; from keras_genzoo.cli import main; main()"]

# A family each: the recipe, its epochs, and where which signal stops its runs: in an epoch, in the write of a backup,
# or in an epoch of a real `genzoo`, the "command".
STOPS = [
    (
        "vae_digits",
        40,
        "epoch INT, write INT, command INT, epoch KILL, write KILL, command KILL, epoch INT",
    ),
    ("dcgan_digits", 16, "epoch KILL, write KILL, write INT"),
    ("pixelcnn_digits", 16, "epoch KILL, write KILL, write INT"),
]


def command_line(arguments, log, stop=None):
    """`genzoo` in a process that has imported TensorFlow; with `stop`, a signal and a seed, it stops itself in a write.

    The write of its first epoch tells how many lines of Python one runs; before a random one of those of the second
    it sends itself the signal.
    """
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    from keras_genzoo import backup, cli

    if stop:
        number, seed = stop
        write, num_lines = backup.Backup.on_epoch_end, []

        def on_epoch_end(self, epoch, logs=None):
            n = random.Random(seed).randrange(num_lines[0]) + 1 if num_lines else sys.maxsize
            num_lines.append(stops.at_line(n, lambda: os.kill(os.getpid(), number), lambda: write(self, epoch, logs)))
            if len(num_lines) > 1:  # Python ignores what is raised in a finaliser
                os.kill(os.getpid(), number)

        backup.Backup.on_epoch_end = on_epoch_end
    cli.main(arguments)


class Launcher:
    """Starts `genzoo` anew in a fork of a process that has imported TensorFlow and done nothing with it."""

    def __init__(self):
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["keras_genzoo.runs"])

    def start(self, *arguments):
        process = self.context.Process(target=command_line, args=arguments)
        process.start()
        return process


def epochs_backed_up(folder):
    return max((int(path.name.split("-")[0]) for path in (folder / "backup").glob("[0-9]*")), default=0)


def stop_at_random(pid, number, folder, seconds, is_alive):
    """Sends the signal up to a time after the next backup has appeared."""
    before, deadline = epochs_backed_up(folder), time.monotonic() + 300
    while epochs_backed_up(folder) == before:
        assert is_alive() and time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(seconds)
    os.kill(pid, number)


def without_seconds(path):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(path.open())]


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "num_epochs", "places"), STOPS, ids=[recipe for recipe, *_ in STOPS])
def test_stops_leave_no_trace(recipe, num_epochs, places, tmp_path):
    run = ["train", recipe, "--epochs", str(num_epochs), "--seed", "3"]
    numbers, launcher = random.Random(0), Launcher()
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    never_stopped = launcher.start([*run, "--output", str(whole)], tmp_path / "whole.log")
    again, finished = [*run, "--output", str(stopped)], 0
    for i, stop in enumerate(places.split(", ")):
        place, number = stop.split()[0], signal.Signals[f"SIG{stop.split()[1]}"]
        log, seconds = tmp_path / f"{i}.log", numbers.uniform(0, 0.25)
        if place == "write":
            process = launcher.start(again, log, (number, i))
            process.join(300)
            code = process.exitcode
        elif place == "command":
            with log.open("w") as file, subprocess.Popen([*GENZOO, *again], stdout=file, stderr=file) as process:
                stop_at_random(process.pid, number, stopped, seconds, lambda p=process: p.poll() is None)
            code = process.returncode
        else:
            process = launcher.start(again, log)
            stop_at_random(process.pid, number, stopped, seconds, process.is_alive)
            process.join(300)
            code = process.exitcode
        printed = log.read_text()
        assert "Traceback" not in printed
        if number == signal.SIGINT:
            assert code == 130
            last = f"Interrupted. To go on: genzoo {' '.join(run[:2])} --output {stopped} {' '.join(run[2:])} --resume"
            assert printed.splitlines()[-1] == last
        else:
            assert code == -signal.SIGKILL
        assert (f"Resuming after epoch {finished} of {num_epochs}." in printed) == (i > 0)
        finished = epochs_backed_up(stopped)
        again = [*run, "--output", str(stopped), "--resume"]
    for process in (launcher.start(again, tmp_path / "last.log"), never_stopped):
        process.join(600)
        assert process.exitcode == 0
    assert len(without_seconds(whole / "history.csv")) == num_epochs
    assert without_seconds(whole / "history.csv") == without_seconds(stopped / "history.csv")
    written = {path.relative_to(whole) for path in whole.rglob("*") if path.suffix in (".png", ".h5")}
    written = {path for path in written if path.parts[0] != "backup"}
    assert len(written) > num_epochs
    for path in [*written, "preset/config.json"]:
        assert (whole / path).read_bytes() == (stopped / path).read_bytes(), path
