"""Runs that are killed at random moments, run out of space or lose their device: the same bits."""

import multiprocessing
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plateaus.experiments import command

OWN = f"{Path(__file__).parent / 'own.py'}:OWN"
KILLS = 10  # of each engine


def start(out, *words):
    """The command in a process of its own, forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["plateaus.experiments.command"])
    arguments = ["run", OWN, "--out", str(out), "--every", "0", "--quiet", "--threads", "1"]
    process = context.Process(target=command.main, args=([*arguments, *words],))
    process.start()
    return process


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    start(out, "size=6").join()
    return (out / "result.npz").read_bytes()


@pytest.mark.parametrize("engine", ["flow", "sgd", "train"])
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(engine, tmp_path):
    words = ["size=6", f"engine={engine}"]
    start(tmp_path / "whole", *words).join()
    whole = (tmp_path / "whole" / "result.npz").read_bytes()
    rng, kills, on, longest, seen = random.Random(0), 0, 0, 0.5, []
    out, log = tmp_path / "out", tmp_path / "log"
    log.touch()
    while kills < KILLS or on < 3:
        assert kills < 10 * KILLS
        process = start(out, *words, f"log={log}")
        delay = rng.uniform(0, longest)
        process.join(delay)
        process.kill()
        process.join()
        if process.exitcode == 0:  # done before all kills: once more from the start
            same_but_for_log(out, whole)
            shutil.rmtree(out)
            continue
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        # Where nothing new was kept, the next process has longer: to load what it needs, perhaps.
        now = sorted((p.suffix, p.stat().st_mtime_ns) for p in out.glob("points/[!.]*"))
        longest, seen = (1.4 * longest if now == seen else 0.5), now
        on = sum(line.endswith(" on") for line in log.read_text().splitlines())
        kept = [suffix for suffix, _ in now]
        print(
            f"{engine}, kill {kills:2} after {delay:.2f} s: {kept.count('.done')} points done, "
            f"{kept.count('.pt')} with a checkpoint; begun from one {on} times so far"
        )
    process = start(out, *words, f"log={log}")
    process.join()
    same_but_for_log(out, whole)


def same_but_for_log(out, whole):
    assert (out / "result.npz").read_bytes() == whole
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "result.npz"]


def test_the_command_itself_killed_once(uninterrupted, tmp_path):
    out = tmp_path / "out"
    words = [sys.executable, "-m", "plateaus.experiments.command", "run", OWN, "size=6"]
    words += ["--out", str(out), "--every", "0", "--threads", "1"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not list(out.glob("points/*.pt")) and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    again = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (out / "result.npz").read_bytes() == uninterrupted
    # The bar: what is done, the rate, the time left and the loss.
    last = again.stderr.split("\r")[-1]
    assert re.search(r"own 100 % .* 6\.00 of 6 points \[00:\d\d, .* left, .*point.*\]", last)
    assert "loss=" in again.stderr


def test_a_full_disk(uninterrupted, tmp_path):
    """A file larger than the limit stops the run with a sentence, and nothing is lost."""
    words = [sys.executable, "-m", "plateaus.experiments.command", "run", OWN, "size=6"]
    words += ["--out", str(tmp_path / "out"), "--every", "0", "--threads", "1", "--quiet"]

    small = ["sh", "-c", 'ulimit -f 9; exec "$@"', "sh", *words]  # blocks of 512 bytes

    full = subprocess.run(small, capture_output=True, text=True)
    assert full.returncode == 1
    assert re.fullmatch(
        r"plateaus: \w+\.pt \(0\.\d MB\) could not be written: File too large; what was written "
        r"before is whole, and the same command goes on from there\n",
        full.stderr,
    )
    subprocess.run(words, capture_output=True, check=True)
    assert (tmp_path / "out" / "result.npz").read_bytes() == uninterrupted
