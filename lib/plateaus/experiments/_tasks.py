"""Tasks and seeds of the experiments of Part I."""

import numpy as np
import torch

from plateaus.composition import Task


def hidden(
    pi: tuple[tuple[int, ...], ...] | None,
    size: tuple[int, int],
    seed: int,
    device: torch.device | str = "cpu",
) -> Task:
    """The task of a point: own permutations, or random ones of the size (N, k).

    Raises:
        ValueError: own ones of another size.
    """
    N, k = size
    if pi is None:
        return Task(Task.random(k=k, N=N, seed=seed).pi.to(device))
    if (len(pi[0]) if pi else 0, len(pi)) != size:
        raise ValueError(
            f"size holds {size}; valid with a pi of one's own: only its (N, k), "
            f"{(len(pi[0]) if pi else 0, len(pi))}."
        )
    return Task(torch.tensor(pi).to(device))


def stream(*names: int | str) -> int:
    """A seed for one purpose, of numbers and names: others give independent ones."""
    entropy = [
        part for name in names for part in ([name] if isinstance(name, int) else name.encode())
    ]
    return int(np.random.SeedSequence([len(entropy), *entropy]).generate_state(1)[0])
