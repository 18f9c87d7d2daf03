"""Sweeps on a Dask cluster: a real scheduler and two workers here, one of them killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from own import OWN

from plateaus.experiments import load, run, sweep

HERE = Path(__file__).parent
RUNS = tuple(range(6))


def dask(*words, **arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **arguments,
    )


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def scheduler():
    port = free_port()
    process = dask(
        "dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"
    )
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"tcp://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture
def worker(scheduler, tmp_path):
    """Start a worker process, on one thread and without a nanny that would start it anew."""
    processes = []

    def start(**environment):
        processes.append(
            dask(
                "dask_worker", scheduler, "--nthreads", "1", "--no-nanny", "--no-dashboard",
                "--host", "127.0.0.1", "--local-directory", str(tmp_path / f"w{len(processes)}"),
                cwd=tmp_path, env={**os.environ, **environment},
            )
        )  # fmt: skip
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def ready(scheduler, count):
    from distributed import Client

    with Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


def test_every_point_is_there_once_though_a_worker_dies(scheduler, worker, tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    workers = {process.pid: process for process in (worker(), worker())}
    ready(scheduler, 2)
    words = [sys.executable, "-m", "plateaus.experiments.command", "sweep", f"{HERE}/own.py:OWN"]
    words += ["--cluster", scheduler, "--out", str(out), "--quiet", "engine=flow", "size=1"]
    words += [f"run={','.join(map(str, RUNS))}", f"log={log}", "pause=0.7"]
    command = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun = []
    while len(begun) < 4 and command.poll() is None:  # some are done, both workers are at work
        time.sleep(0.05)
        begun = log.read_text().splitlines() if log.exists() else []
    time.sleep(0.4)  # so that what was done before has arrived
    victim = int(begun[-1].split()[2])
    os.kill(victim, signal.SIGKILL)
    print(f"killed worker {victim} while it measured run {begun[-1].split()[1]}")
    _, errors = command.communicate(timeout=120)
    assert command.returncode == 0, errors
    lines = [line.split() for line in log.read_text().splitlines()]
    print("\n".join(" ".join(line) for line in lines))
    by_point = {
        r: [int(pid) for _, at, pid, _ in lines if at == str(r) and int(pid) in workers]
        for r in RUNS
    }
    again = {r: pids for r, pids in by_point.items() if len(pids) != 1}
    # None twice, but what was under way on the worker that died: the other one did it.
    assert int(begun[-1].split()[1]) in again
    assert all(len(pids) == 2 and pids[0] == victim != pids[1] for pids in again.values()), again
    result = load(OWN, out)
    assert result["loss"].shape == (1, len(RUNS), 1)
    here = run(OWN, engine=("flow",), size=1, run=RUNS)
    np.testing.assert_allclose(result["loss"], here["loss"], rtol=1e-9)


def test_no_scheduler_there():
    address, began = f"tcp://127.0.0.1:{free_port()}", time.monotonic()
    with pytest.raises(ConnectionError, match=f"no Dask scheduler answers at {address} within 5 s"):
        sweep(OWN, cluster=address)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("address", ["nonsense", "tcp://no-such-host.invalid:8786"])
def test_no_address(address):
    with pytest.raises(ConnectionError, match=f"no Dask scheduler answers at {address}"):
        sweep(OWN, cluster=address)


def test_a_cluster_without_workers(scheduler):
    with pytest.raises(ConnectionError, match="has no workers; start one"):
        sweep(OWN, cluster=scheduler)


def test_a_worker_without_the_package(scheduler, worker, tmp_path):
    """A finder that stands before all others hides the package from this worker."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'plateaus':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    worker(PYTHONPATH=str(tmp_path / "hidden"))
    ready(scheduler, 1)
    with pytest.raises(ConnectionError, match=r"does not have plateaus as it is here"):
        sweep(OWN, cluster=scheduler)


def test_a_worker_with_other_code(scheduler, worker, monkeypatch):
    worker()
    ready(scheduler, 1)
    monkeypatch.setattr("plateaus.experiments._store.version", lambda: "9.9")
    with pytest.raises(ConnectionError, match=r"as it is here \(it has other code\); install the"):
        sweep(OWN, cluster=scheduler)
