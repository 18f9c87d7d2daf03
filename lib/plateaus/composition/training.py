r"""Training by gradients on fresh samples: the hard task alone, easy ones beside it, or in turn.

A model has a readout for each of the hop lengths r_1 < … < r_L, for example 1, 2, 4, …, k. With
the cross-entropy CE_l of hop_i^{r_l}(σ)(j), averaged over every start i, every j and the inputs of
a step, each step follows the gradient of

    Σ_l w_l CE_l,       w ≥ 0,  Σ w = 1,                                                (eq-mixture)

and what data means here is how w is chosen; the inputs σ are uniform throughout:

    hard        w_L = 1: only the longest hop, the task itself if r_L = k
    mixture     all hops at once
    cumulative  at stage l all of r_1 … r_l equally; the stage ends once hop r_l is learned
    strict      at stage l only r_l: with Adam on all weights, learned hops are forgotten (ours)

Inputs come in chunks, each from a stream of its own that only seed and chunk number name, drawn on
the CPU whatever the device. So the
inputs of a step depend on nothing that happened before it: a run that goes on from a saved state
needs no state of a generator.

Source: curriculum and mixture are those of Wang, Nichani, Bietti, Damian, Hsu, Lee and Wu (2025),
arXiv 2505.23683. Their slides "take 1 gradient step on all the W_KQ matrices" a stage of the
curriculum, and do not say what is trained on the mixture; Adam on all weights is ours. AdamW:
Loshchilov and Hutter (2019).
"""

import copy
import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plateaus.composition._permutations import generator, integer, uniform
from plateaus.composition.task import Task

Schedule = Callable[[int, tuple[float, ...]], Sequence[float]]
Data = Literal["hard", "mixture", "cumulative", "strict"] | Schedule
Optimizer = Literal["adamw"] | Callable[[list[nn.Parameter]], torch.optim.Optimizer]

# Inputs that are drawn and labelled at a time.
_CHUNK = 2048


class Model(Protocol):
    """What `train` asks of a model: `Transformer` and `AttentionOnly` have it."""

    @property
    def k(self) -> int:
        """Number of hidden permutations."""

    @property
    def N(self) -> int:
        """Number of things each permutes."""

    @property
    def hops(self) -> tuple[int, ...]:
        """Hop lengths with a readout, ascending."""

    def logits(self, sigma: Tensor) -> Tensor:
        """Logits for all hops, shape (len(hops), n, k, N, N), for sigma of shape (n, k, N)."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All weights, as in `torch.nn.Module`."""

    def state_dict(self) -> dict[str, Any]:
        """All weights by name, as in `torch.nn.Module`."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Take over weights, as in `torch.nn.Module`."""


@dataclass(frozen=True, eq=False)
class Training:
    """What `train` saw. The learned weights are in the model, which was trained in place.

    Attributes:
        hops: the hop lengths, ascending.
        steps: (evaluations,), how many steps had been taken.
        accuracy: (evaluations, hops), the share of right labels over all starts and all j of
            held-out inputs, the same at every evaluation.
        loss: (evaluations, hops), the cross-entropy of each hop on the same inputs, in nats;
            log N is chance.
        stage: (evaluations,), the stage 1…len(hops) trained from this evaluation on; 0 where
            `data` has no stages.
        reached: by hop, the first evaluated step with an accuracy of at least `target`; None where
            there was none.
        state: what `train(…, state=…)` goes on from; `torch.save` takes it and
            `torch.load(…, weights_only=True)` gives it back. For a run that diverged it is
            {"diverged": step}, on which `train` refuses to go on.
    """

    hops: tuple[int, ...]
    steps: Tensor = field(repr=False)
    accuracy: Tensor = field(repr=False)
    loss: Tensor = field(repr=False)
    stage: Tensor = field(repr=False)
    reached: tuple[int | None, ...]
    state: dict[str, Any] = field(repr=False)


class Diverged(FloatingPointError):
    """The loss came to a number that is not finite.

    Attributes:
        step: how many steps had been taken when it did.
        training: what was seen until then.
    """

    def __init__(self, message: str, step: int, training: Training) -> None:
        """Keep the step and the record."""
        super().__init__(message)
        self.step, self.training = step, training


def train(
    model: Model,
    task: Task,
    *,
    data: Data,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
    weight_decay: float = 0.0,
    optimizer: Optimizer = "adamw",
    schedule: Callable[[int], float] | None = None,
    weights: Sequence[float] | None = None,
    target: float = 0.95,
    advance: float = 0.98,
    stop: bool = True,
    evaluate_every: int = 50,
    evaluate_on: int = 256,
    keep: Callable[[Callable[[], dict[str, Any]]], None] | None = None,
    state: Mapping[str, Any] | None = None,
) -> Training:
    """Train a model in place, on fresh inputs at every step.

    Same seed, same machine, same number of threads: same bits on the CPU, also where a run is cut
    and goes on with `state`. How often and on how much it is evaluated changes no weight, except
    where an evaluation ends a stage or the run, or `data` is a function that looks at it.

    Arguments:
        model: what to train, with k and N those of the task, on the device of the task.
        task: the hidden permutations.
        data: "hard", "mixture", "cumulative" or "strict", as above; or a function that is given
            the number of steps taken and the accuracies of all hops at the last evaluation, and
            gives back a weight for each hop, at every step.
        steps: the budget, counted from the start of training, also where `state` is given.
        batch: inputs a step, each with all its kN labels a hop.
        lr: learning rate.
        seed: of inputs, at least 0. The same one can serve the task and the model.
        weight_decay: of AdamW.
        optimizer: "adamw", with β = (.9, .98); or a function that makes one from a list of
            parameters. Its learning rate is overwritten at every step, and its step gets no
            closure, so `torch.optim.LBFGS` is refused.
        schedule: a factor of `lr` by the number of steps taken; None: it rises linearly over 100
            steps to 1 and stays there.
        weights: for "mixture": how much each hop counts, not all 0; None for equally.
        target: accuracy that counts as reached.
        advance: accuracy at which a stage ends.
        stop: whether to stop at an evaluation where the last hop has reached `target`.
        evaluate_every: steps between evaluations; there is one before the first step and one after
            the last. Stages end at multiples of it.
        evaluate_on: number of held-out inputs.
        keep: called after every evaluation but the last with a function that gives the `state` to
            go on from, for runs that may be cut.
        state: that of an earlier run with the same arguments but `steps` and `stop`, on which this
            one goes on: weights, optimizer and record are taken over. Functions among the arguments
            cannot be compared, all others are. A run of its own has None.

    Returns:
        The record, from the start of training.

    Raises:
        ValueError: an argument is not valid, or does not fit the model or the state.
        Diverged: the loss is not finite. The model is left with the last weights that gave a
            finite one, or those it came with.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    _check_fit(model, task, trained)
    hops, device = tuple(model.hops), task.device
    for name, value in (("lr", lr), ("target", target), ("advance", advance)):
        if not 0 < _number(value) < math.inf:
            raise ValueError(f"{name} is {value!r}; valid: a number > 0.")
    steps, batch = integer("steps", steps, least=0), integer("batch", batch, least=1)
    evaluate_every = integer("evaluate_every", evaluate_every, least=1)
    evaluate_on = integer("evaluate_on", evaluate_on, least=1)
    weights_at = _data(data, weights, len(hops))
    stepper = _optimizer(optimizer, trained, lr, weight_decay, device)
    source = generator(seed, "evaluation", torch.device("cpu"))
    held_out = uniform(evaluate_on * task.k, task.N, source).to(device)
    held_out = held_out.view(evaluate_on, task.k, task.N)
    truth = torch.stack([task.hops(held_out, r) for r in hops])

    staged, seen, step = data in ("cumulative", "strict"), _Seen(hops, target), 0
    stage = int(staged)
    same = {  # what runs that go on from one another have in common
        "hops": hops,
        "pi": task.pi.tolist(),
        "data": data if isinstance(data, str) else "a function",
        "weights": None if weights is None else [float(w) for w in weights],
        "batch": batch,
        "lr": float(lr),
        "seed": integer("seed", seed, least=0),
        "weight_decay": float(weight_decay),
        "optimizer": type(stepper).__name__,
        "target": float(target),
        "advance": float(advance),
        "evaluate_every": evaluate_every,
        "evaluate_on": evaluate_on,
    }
    if state is not None:
        _check_state(state, same, model, steps)
        model.load_state_dict(state["model"])
        stepper.load_state_dict(copy.deepcopy(state["optimizer"]))
        step, stage = state["step"], state["stage"]
        seen.rows.extend(state["seen"])
    inputs = _inputs(task, hops, batch, seed, step)
    live: list[Tensor] = [*trained]
    sound = [p.detach().clone() for p in live]  # the last weights that gave a finite loss

    def diverged(loss: float) -> Diverged:
        with torch.no_grad():
            torch._foreach_copy_(live, sound)
        message = f"the loss is {loss} after {step} steps; a learning rate below {lr:g} may help."
        return Diverged(message, step, seen.training({"diverged": step}))

    def now() -> dict[str, Any]:
        return {
            "model": copy.deepcopy(model.state_dict()),
            "optimizer": copy.deepcopy(stepper.state_dict()),
            "step": step,
            "stage": stage,
            "seen": [row for row in seen.rows if row[0] % evaluate_every == 0],
            "arguments": same,
        }

    while True:
        due = step % evaluate_every == 0
        if (due or step == steps) and not seen.at(step):
            with torch.no_grad():
                logits = model.logits(held_out)
                losses = _cross_entropy(logits, truth).tolist()
                right = (logits.argmax(-1) == truth).flatten(1).double().mean(1).tolist()
            if not all(map(math.isfinite, losses)):
                raise diverged(sum(losses))
            if staged and due and right[stage - 1] >= advance:
                stage = min(stage + 1, len(hops))
            seen.rows.append((step, stage, right, losses))
        if step == steps or (stop and seen.at(step) and seen.accuracy[-1] >= target):
            break
        if due and keep is not None:
            keep(now)
        w = weights_at(step, stage, seen.accuracy)
        sigma, labels = next(inputs)
        loss = _cross_entropy(model.logits(sigma), labels)
        loss = loss @ loss.new_tensor(w)
        if not math.isfinite(value := loss.item()):
            raise diverged(value)
        with torch.no_grad():
            torch._foreach_copy_(sound, live)
        stepper.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        factor = min(1.0, (step + 1) / 100) if schedule is None else schedule(step)
        if not 0 <= factor < math.inf:
            raise ValueError(f"schedule({step}) is {factor}; valid: a number ≥ 0.")
        for group in stepper.param_groups:
            group["lr"] = lr * factor
        stepper.step()
        step += 1
    return seen.training(now())


def _inputs(
    task: Task, hops: tuple[int, ...], batch: int, seed: int, step: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs (batch, k, N) and labels (hops, batch, k, N) of this step and all later ones."""
    per = max(1, _CHUNK // batch)
    chunk, at = divmod(step, per)
    while True:
        source = generator(seed, f"training {chunk}", torch.device("cpu"))
        sigma = uniform(per * batch * task.k, task.N, source).view(-1, task.k, task.N)
        sigma = sigma.to(task.device)
        labels = torch.stack([task.hops(sigma, r) for r in hops])
        steps = zip(torch.split(sigma, batch), torch.split(labels, batch, 1), strict=True)
        yield from itertools.islice(steps, at, None)
        chunk, at = chunk + 1, 0


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of each hop, (hops,)."""
    each = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none")
    return each.view(len(labels), -1).mean(1)


@dataclass(frozen=True, eq=False)
class _Seen:
    """The evaluations so far: a row is step, stage, accuracy by hop and loss by hop."""

    hops: tuple[int, ...]
    target: float
    rows: list[tuple[int, int, list[float], list[float]]] = field(default_factory=list)

    @property
    def accuracy(self) -> list[float]:
        return self.rows[-1][2]

    def at(self, step: int) -> bool:
        """Whether the last evaluation was at this step."""
        return bool(self.rows) and self.rows[-1][0] == step

    def training(self, state: dict[str, Any]) -> Training:
        steps, stages, accuracy, loss = zip(*self.rows, strict=True) if self.rows else ((),) * 4
        shape = len(steps), len(self.hops)
        by_hop = zip(*accuracy, strict=True) if accuracy else ((),) * len(self.hops)
        return Training(
            hops=self.hops,
            steps=torch.tensor(steps, dtype=torch.int64),
            accuracy=torch.tensor(accuracy, dtype=torch.float64).view(shape),
            loss=torch.tensor(loss, dtype=torch.float64).view(shape),
            stage=torch.tensor(stages, dtype=torch.int64),
            reached=tuple(
                next((t for t, a in zip(steps, hop, strict=True) if a >= self.target), None)
                for hop in by_hop
            ),
            state=state,
        )


def _data(
    data: Data, weights: Sequence[float] | None, hops: int
) -> Callable[[int, int, Sequence[float]], list[float]]:
    """The weights by hop, of sum 1, as a function of step, stage and accuracies by hop."""
    if weights is not None and data != "mixture":
        raise ValueError(f"weights are given for data {data!r}; valid: for 'mixture' only.")
    if callable(data):
        return lambda step, _, accuracy: _weights(
            f"data({step})", data(step, tuple(accuracy)), hops
        )
    fixed = [1.0] * hops if weights is None else weights
    rules: dict[str, Callable[[int], Sequence[float]]] = {
        "hard": lambda _: [0.0] * (hops - 1) + [1.0],
        "mixture": lambda _: fixed,
        "cumulative": lambda stage: [1.0] * stage + [0.0] * (hops - stage),
        "strict": lambda stage: [float(hop + 1 == stage) for hop in range(hops)],
    }
    if not isinstance(data, str) or data not in rules:
        raise ValueError(f"data is {data!r}; valid: {', '.join(rules)}, or a function.")
    _weights("weights", fixed, hops)
    return lambda _, stage, __: _weights("weights", rules[data](stage), hops)


def _weights(name: str, given: Sequence[float], hops: int) -> list[float]:
    """The weights divided by their sum, if they are valid."""
    try:
        w = [float(x) for x in given]
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {given!r}; valid: one number for each hop.") from None
    if len(w) != hops:
        raise ValueError(f"{name} has {len(w)} weights; valid: one for each of {hops} hops.")
    if not all(0 <= x < math.inf for x in w) or not max(w) > 0:
        raise ValueError(f"{name} is {w}; valid: numbers ≥ 0, not all of them 0.")
    w = [x / max(w) for x in w]  # else their sum might overflow
    return [x / sum(w) for x in w]


def _optimizer(
    optimizer: Optimizer, trained: list[nn.Parameter], lr: float, decay: float, device: torch.device
) -> torch.optim.Optimizer:
    if not 0 <= _number(decay) < math.inf:
        raise ValueError(f"weight_decay is {decay!r}; valid: a number ≥ 0.")
    if optimizer == "adamw":
        fused = device.type in ("cpu", "cuda")
        return torch.optim.AdamW(trained, lr=lr, betas=(0.9, 0.98), weight_decay=decay, fused=fused)
    if not callable(optimizer):
        raise ValueError(f"optimizer is {optimizer!r}; valid: 'adamw', or a function.")
    if decay:
        raise ValueError(f"weight_decay is {decay}; valid beside a function as optimizer: 0.")
    made = optimizer(trained)
    if not isinstance(made, torch.optim.Optimizer):
        raise ValueError(f"optimizer gave a {type(made).__name__}; valid: a torch Optimizer.")
    closure = inspect.signature(made.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ValueError(
            f"optimizer gave a {type(made).__name__}, whose step needs a closure; "
            "valid: one that steps without."
        )
    return made


def _number(value: Any) -> float:
    """A real number as a float; nan for anything else."""
    return float(value) if isinstance(value, Real) else math.nan


def _check_fit(model: Model, task: Any, trained: list[nn.Parameter]) -> None:
    """Stop unless the model can be trained on this task."""
    if not isinstance(task, Task):
        raise ValueError(f"task is a {type(task).__name__}; valid: a Task.")
    if (model.k, model.N) != (task.k, task.N):
        raise ValueError(
            f"the model has (k, N) = {(model.k, model.N)}; valid: {(task.k, task.N)}, as the task."
        )
    if not trained:
        raise ValueError("the model has no weight to train; valid: one with requires_grad.")
    for p in model.parameters():
        if p.device != task.device:
            raise ValueError(
                f"the model is on {p.device}; valid: {task.device}, where the task is."
            )


def _check_state(
    state: Mapping[str, Any], same: Mapping[str, Any], model: Model, steps: int
) -> None:
    """Stop unless a run with these arguments can have come by this state."""
    if "diverged" in state:
        raise ValueError(
            f"state is of a run that diverged after {state['diverged']} steps; "
            "valid: that of one that did not, or None to start anew."
        )
    for name in ("arguments", "model", "optimizer", "step", "stage", "seen"):
        if name not in state:
            raise ValueError(f"state has no {name!r}; valid: the state of a `Training`.")
    for name, value in same.items():
        if name not in state["arguments"]:
            raise ValueError(f"state has no {name!r}; valid: the state of a `Training`.")
        if (saved := state["arguments"][name]) != value:
            raise ValueError(f"{name} is {value!r}; valid: {saved!r}, as in state.")
    if steps < state["step"]:
        raise ValueError(f"steps is {steps}; valid: ≥ {state['step']}, the steps behind state.")
    behind, given = state["model"], model.state_dict()
    for name in behind.keys() | given.keys():
        here, there = (list(w[name].shape) if name in w else None for w in (given, behind))
        if here != there:
            raise ValueError(f"the model's {name} is {here}; valid: {there}, as in state.")
