"""An experiment of one's own, as a reader would write it: the three engines that take long."""

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from plateaus.composition import Task, Transformer, train
from plateaus.emergence import Activation, Student, Teacher, flow
from plateaus.experiments import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._segments import sgd


@dataclass(frozen=True)
class Settings:
    """The loss of each engine at some moments.

    engine: flow, sgd or train. run: repetitions. size: moments. beta: of the strengths. log: a file
    that gets a line whenever a point begins. fatal: a file; where it is missing, "sgd" makes it and
    kills its process. pause: seconds before a point is measured. seed.
    """

    engine: tuple[str, ...] = ("flow", "sgd", "train")
    run: tuple[int, ...] = (0, 1)
    size: int = 3
    beta: float = 0.8
    log: str | None = None
    fatal: str | None = None
    pause: float = 0.0
    seed: int = 0


def measure(s: Settings, work: Work, *, engine: str, run: int) -> Arrays:
    """Train, and see the loss at `size` moments."""
    if s.log is not None:
        with Path(s.log).open("a") as file:
            file.write(f"{engine} {run} {os.getpid()} {'anew' if work.state is None else 'on'}\n")
    if s.fatal is not None and engine == "sgd" and not Path(s.fatal).exists():
        Path(s.fatal).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if engine not in ("flow", "sgd", "train"):
        raise ValueError(f"engine is {engine!r}; valid: flow, sgd, train.")
    time.sleep(s.pause)
    seed = int(np.random.SeedSequence([s.seed, run]).generate_state(1)[0])
    teacher = Teacher.power_law(32, 4, s.beta, activation=Activation.hermite(4), noise=0.1)
    moments = range(1, s.size + 1)
    if engine == "flow":
        seen = flow(
            teacher,
            Student.on_sphere(32, 8, 0.1, seed=seed, device=str(work.device)),
            [30.0 * i for i in moments],
            progress=work.progress,
            keep=work.keep,
            state=work.state,
        )
        loss = seen.loss.numpy()
    elif engine == "sgd":
        run_ = sgd(
            teacher,
            Student.on_sphere(32, 8, 0.1, seed=seed, device=str(work.device)),
            eta=lambda t: 1e-4 / (1 + t / 1e4),
            steps=4000 * s.size,
            segment=1500,
            record_at=[4000 * i for i in moments],
            until=0.9,
            replicates=4,
            seed=seed,
            work=work,
        )
        loss = run_.loss.double().mean(dim=1).cpu().numpy()
    else:
        model = Transformer(
            k=2, N=4, layers=2, width=16, heads=2, seed=run, device=str(work.device)
        )
        training = train(
            model,
            Task(Task.random(k=2, N=4, seed=run).pi.to(work.device)),
            data="mixture",
            steps=30 * s.size,
            batch=16,
            lr=1e-3,
            seed=seed,
            evaluate_every=15,
            stop=False,
            keep=work.keep,
            state=work.state,
        )
        loss = training.loss[2::2].mean(dim=1).numpy()
    work.progress(1.0, float(loss[-1]))
    return {"loss": loss.astype(np.float64)}


def findings(result: Result) -> list[Finding]:
    """What is left."""
    last = float(result["loss"][..., -1].mean())
    return [Finding("own", "loss at the end", ", ".join(result.settings.engine), 0.0, last)]


def probe(s: Settings) -> Probe:
    """The first moment of the first flow."""
    return Probe(replace(s, size=1, log=None), {"engine": s.engine[0], "run": s.run[0]}, 1e-6)


OWN = Experiment(
    name="own",
    part="tests",
    question="Do the three engines resume?",
    chapter=Settings(),
    full=Settings(size=200),
    axes=("engine", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={"loss": "(moments,) the loss"},
    reduced={"size": 100},
)
