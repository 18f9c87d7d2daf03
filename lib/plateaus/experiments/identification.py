r"""How many samples determine the hidden permutations, and how many does a search need?

The slides put the information-theoretic number of samples at kN log N, and what statistical query
learners need at N^Ω(k). Three numbers stand beside the first here (all ours):

    counting      k log N! / log N: each label carries log N nats at most, so fewer cannot do
    survivors     the n at which the mean number of wrong candidates that explain n samples falls
                  below ½, exactly (`expected_survivors`); with probability ½ at least, none is left
    posterior     the n at which only the truth is left, measured by trying all (N!)^k candidates

and beside the second the n at which one start of a coordinate-wise search finds π half the time,
whose predicted order is the `search_threshold` (N − 1)^{2(k−1)}. The search is one algorithm that
uses averages alone; where it fails is no lower bound for others.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from plateaus.composition import (
    Task,
    coordinate_descent,
    expected_survivors,
    posterior,
    search_threshold,
)
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work


@dataclass(frozen=True)
class Identification:
    """Samples of random tasks.

    Attributes:
        size: pairs (N, k), N ≥ 3, an axis.
        tasks: random tasks at each size, for the posterior; each has samples of its own.
        candidates: the posterior tries all (N!)^k where these are at most so many.
        search: numbers of samples that the search gets, rising.
        starts: runs of the search at each of them, each on a task and samples of its own; 0: none.
        largest: the search is left out where (N − 1)^{2(k−1)} is above this.
        seed: of everything that is drawn.
    """

    size: tuple[tuple[int, int], ...] = ((3, 3), (4, 2), (4, 3))
    tasks: int = 30
    candidates: int = 20_000
    search: tuple[int, ...] = (30, 100, 300, 1000)
    starts: int = 10
    largest: int = 1000
    seed: int = 0


def measure(s: Identification, work: Work, *, size: tuple[int, int]) -> Arrays:
    """See `IDENTIFICATION.arrays`."""
    N, k = size
    if N < 3:
        raise ValueError(f"size is {size}; valid: N ≥ 3, for at N = 2 samples do not determine π.")
    single = np.full(s.tasks, math.nan)
    if math.factorial(N) ** k <= s.candidates:
        for t in range(s.tasks):
            work.progress(0.5 * t / s.tasks)
            task = Task.random(k=k, N=N, seed=_seed(s, size, 0, t))
            n = 64
            while math.isnan(single[t]):
                sigma, x = task.sample(n, seed=_seed(s, size, 1, t))
                left = posterior(sigma, x, task(sigma, x)).survivors
                if int(left[-1]) == 1:
                    single[t] = int((left == 1).nonzero()[0])
                n *= 2
    found = np.full((len(s.search), s.starts), math.nan)
    if search_threshold(k=k, N=N) <= s.largest:
        for i, n in enumerate(s.search):
            for r in range(s.starts):
                work.progress(0.5 + 0.5 * (i + r / s.starts) / len(s.search))
                task = Task.random(k=k, N=N, seed=_seed(s, size, 2, r))
                sigma, x = task.sample(n, seed=_seed(s, size, 3, n, r))
                y = task(sigma, x)
                seen = coordinate_descent(sigma, x, y, sweeps=20, seed=_seed(s, size, 4, r))
                found[i, r] = bool((seen.pi == task.pi).all())
    half = 1
    while expected_survivors(k=k, N=N, n=half) >= 1.5:
        half += 1
    return {
        "counting": np.asarray(k * math.lgamma(N + 1) / math.log(N)),
        "survivors": np.asarray(float(half)),
        "slides": np.asarray(k * N * math.log(N)),
        "threshold": np.asarray(float(search_threshold(k=k, N=N))),
        "single": single,
        "found": found,
    }


def findings(result: Result) -> list[Finding]:
    """Samples to a single candidate, and to a search's success."""
    rows = []
    for i, (N, k) in enumerate(result.settings.size):
        here = {name: array[i] for name, array in result.arrays.items()}
        where = f"(N, k) = ({N}, {k})"
        rows.append(
            Finding(
                "identification",
                "n with less than ½ wrong candidate on average, computed; lower bound: counting",
                where,
                float(here["counting"]),
                float(here["survivors"]),
            )
        )
        if np.isfinite(single := here["single"]).all():
            median = stats.bootstrap(
                (single,), np.median, method="percentile", n_resamples=2000, random_state=0
            ).confidence_interval
            rows.append(
                Finding(
                    "identification",
                    "median n to a single candidate; predicted: survivors fall to ½",
                    f"{where}, {len(single)} tasks",
                    float(here["survivors"]),
                    float(np.median(single)),
                    float(median.low),
                    float(median.high),
                    "95 % bootstrap over tasks",
                )
            )
        if np.isfinite(found := here["found"]).all() and found.size:
            share = found.mean(axis=1)
            enough = np.array(result.settings.search)[share >= 0.5]
            rows.append(
                Finding(
                    "search",
                    "least n on the grid with which half of the starts find π; predicted, up to a "
                    "constant: the search threshold",
                    f"{where}, {found.shape[1]} starts",
                    float(here["threshold"]),
                    float(enough[0]) if len(enough) else math.inf,
                )
            )
    return rows


def probe(s: Identification) -> Probe:
    """The smallest size, with a few tasks and starts."""
    size = min(s.size, key=lambda one: math.lgamma(one[0] + 1) * one[1])
    few = replace(s, tasks=min(3, s.tasks), search=s.search[:1], starts=min(2, s.starts))
    return Probe(few, {"size": size}, 1e-12)


def _seed(s: Identification, size: tuple[int, int], *key: int) -> int:
    return int(np.random.SeedSequence([s.seed, *size, *key]).generate_state(1)[0])


IDENTIFICATION = Experiment(
    name="identification",
    part="composition",
    question="How many samples determine the task, and how many does a search need?",
    chapter=Identification(),
    full=Identification(
        size=((3, 3), (3, 6), (4, 2), (4, 3), (4, 4), (5, 3), (5, 4), (8, 2), (16, 3), (64, 2)),
        tasks=100,
        candidates=2_000_000,
        search=(30, 100, 300, 1000, 3000, 10_000, 30_000),
        starts=40,
        largest=5000,
    ),
    axes=("size",),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "counting": "() samples, k log N!/log N",
        "survivors": "() least n with less than half a wrong candidate on average",
        "slides": "() samples, kN log N",
        "threshold": "() samples, (N − 1)^{2(k−1)}",
        "single": "(tasks,) samples to a single candidate; nan where there are too many to try",
        "found": "(search, starts) 1 where the search found π, 0 where not; nan where left out",
    },
)
