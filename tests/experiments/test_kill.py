"""Runs that are killed at random moments, run out of space or lose their device: the same bits."""

import multiprocessing
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plateaus.experiments import command

OWN = f"{Path(__file__).parent / 'own.py'}:OWN"
KILLS = 30


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


def test_a_run_killed_at_random_moments_ends_with_the_same_bits(uninterrupted, tmp_path):
    rng, kills, resumed, longest, seen = random.Random(0), 0, 0, 0.5, []
    out, log = tmp_path / "out", tmp_path / "log"
    while kills < KILLS:
        process = start(out, "size=6", f"log={log}")
        delay = rng.uniform(0, longest)
        process.join(delay)
        if process.exitcode is not None:  # done before all kills: once more from the start
            same_but_for_log(out, uninterrupted)
            shutil.rmtree(out)
            continue
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        files = sorted(p.suffix for p in (out / "points").glob("[!.]*")) if out.exists() else []
        states = files.count(".pt")
        resumed += states
        # Where nothing new was kept, the next process has longer: to load what it needs, perhaps.
        now = [(p.name, p.stat().st_mtime_ns) for p in out.glob("points/[!.]*")]
        longest, seen = (1.4 * longest if now == seen else 0.5), now
        print(f"kill {kills:2} after {delay:.2f} s: {files.count('.npz')} points, {states} states")
    process = start(out, "size=6", f"log={log}")
    process.join()
    same_but_for_log(out, uninterrupted)
    began = log.read_text().splitlines()
    on = sum(line.endswith(" on") for line in began)
    engines = {line.split()[0] for line in began if line.endswith(" on")}
    print(f"{kills} kills; {len(began)} times a point began, {on} of them from a checkpoint")
    assert resumed >= 5
    assert engines == {"flow", "sgd", "train"}


def same_but_for_log(out, uninterrupted):
    assert (out / "result.npz").read_bytes() == uninterrupted
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

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    full = subprocess.run(words, capture_output=True, text=True, preexec_fn=limit)
    assert full.returncode == 1
    assert re.fullmatch(
        r"plateaus: \w+\.pt \(0\.\d MB\) could not be written: File too large; what was written "
        r"before is whole, and the same command goes on from there\n",
        full.stderr,
    )
    subprocess.run(words, capture_output=True, check=True)
    assert (tmp_path / "out" / "result.npz").read_bytes() == uninterrupted
