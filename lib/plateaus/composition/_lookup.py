r"""Attention over one-hot vectors, by look-up: compiled for the CPU.

In the construction and in Algorithm 1 a block of the stream is a one-hot vector, or a few of them
mixed by softmax, and W_OV moves one block to another. Such a block is kept as its entries (index,
weight). A head then works row by row: with x_i = Σ_w a_w e_w over its query blocks,

    r_i  =  Σ_w a_w W_KQ[:, w],      s_ij  =  r_i · x_j,      A_i  =  softmax_j(s_ij),

rows of a matrix and gathers instead of products. The smallest entries of A_i, and of every row of a
block, are left out as long as they sum to no more than `leave_out`; if that is the machine epsilon
of the dtype, the result is that of dense arithmetic to rounding.

Where W_KQ = 0, attention is uniform, and the gradient of a loss that reads this head alone is a
count (`_count`). With m_j the class that key j carries and g_ic = ∂loss/∂z_ic of the logits z_i,

    ∂loss/∂W_KQ[u, w]  =  (1/T) Σ_c (Σ_j x_j[u] m_jc − m̄_c Σ_j x_j[u]) (Σ_i g_ic x_i[w]),

m̄ the mean over j. All other gradients go through the attention's entries (`_backward`).
"""

import functools
import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from plateaus._compiled import compiled
from plateaus.composition.model import AttentionOnly, BlockMatrix, Readout

Array = NDArray[Any]
Loss = Literal["correlation", "square", "cross-entropy"]
LOSSES: tuple[Loss, ...] = ("correlation", "square", "cross-entropy")


@dataclass(frozen=True)
class Unit:
    """A head: blocks are numbers, and `move[x]` is where W_OV takes entry x of block `reads`."""

    keys: Array
    queries: Array
    reads: int
    writes: int
    move: Array
    rows: Array
    """W_KQ transposed, shape (queries·T, keys·T): row w is what query feature w looks for."""
    layer: int
    uniform: bool = False
    """Whether W_KQ is 0."""
    blind: bool = False
    """Whether it is, and so is that of the head it reads: all keys carry the same, so that every
    gradient of this W_KQ is 0."""


@dataclass(frozen=True)
class Program:
    """A model as the list of its heads, in order."""

    N: int
    T: int
    names: tuple[str, ...]
    units: tuple[Unit, ...]
    dtype: Any
    leave_out: float
    """How much of a row of attention, or of a block, may be left out."""


def program(model: AttentionOnly, leave_out: float | None = None) -> Program | None:
    """The model as look-ups; None where it is none, or does not lie on the CPU.

    `leave_out` None is the machine epsilon of the weights.

    It is one if the embedding is the fixed one, every W_OV moves one block to a block that no other
    head writes, by a permutation, and every head compares and reads blocks that are complete.
    """
    plain = model.dtype in (torch.float32, torch.float64)
    if model.position is not None or model.device.type != "cpu" or not plain:
        return None
    names, units, ready = model.blocks, [], {"P", "V"}
    for layer in range(1, len(model.layers) + 1):
        written: set[str] = set()
        for head in model.heads(layer):
            KQ, OV = head.W_KQ, head.W_OV
            used = {*KQ.rows, *KQ.columns, *OV.columns}
            move = _permutation(OV)
            new = OV.rows[0]
            if move is None or not used <= ready or new in ready | written:
                return None
            written.add(new)
            rows = KQ.weight.detach().T.contiguous().numpy()
            keys, queries = (
                np.array([names.index(b) for b in side]) for side in (KQ.rows, KQ.columns)
            )
            units.append(
                Unit(
                    keys=keys,
                    queries=queries,
                    reads=names.index(OV.columns[0]),
                    writes=names.index(new),
                    move=move,
                    rows=rows,
                    layer=layer,
                )
            )
        ready |= written
    if not all(_counts_classes(model.readout(r), model.N) for r in model.hops):
        return None
    dtype = units[0].rows.dtype
    if leave_out is None:
        leave_out = float(np.finfo(dtype).eps)
    return Program(model.N, model.T, names, see(units), dtype, leave_out)


def see(units: Sequence[Unit]) -> tuple[Unit, ...]:
    """Set `uniform` and `blind`."""
    seen: dict[int, Unit] = {}
    for unit in units:
        uniform = not unit.rows.any()
        blind = uniform and unit.reads in seen and seen[unit.reads].uniform
        seen[unit.writes] = replace(unit, uniform=uniform, blind=blind)
    return tuple(seen.values())


def _permutation(matrix: BlockMatrix) -> Array | None:
    """Where each column's one is, if the matrix is a permutation between two blocks."""
    if len(matrix.rows) != 1 or len(matrix.columns) != 1:
        return None
    weight = matrix.weight.detach()
    to = weight.argmax(0)
    if int(weight.count_nonzero()) != len(to) or len(set(to.tolist())) != len(to):
        return None
    if not bool((weight.amax(0) == 1).all()):
        return None
    return to.numpy().astype(np.int32)


def _counts_classes(read: Readout, N: int) -> bool:
    """Whether the readout is 1ᵀ ⊗ I on one block."""
    weight = read.weight.detach()
    eye = torch.eye(N, dtype=weight.dtype).repeat(1, weight.shape[1] // N)
    return len(read.columns) == 1 and torch.equal(weight, eye)


@compiled
def _trim(entries: Array, weights: Array, count: int, leave_out: float) -> int:
    """Leave the smallest weights out, `leave_out` in all at most; scale the others up to match.

    Returns how many stay: they come first.
    """
    bar = leave_out
    while True:
        left_out = 0.0
        for e in range(count):
            if weights[e] < bar:
                left_out += weights[e]
        if left_out <= leave_out:
            break
        bar /= 8
    kept, scale = 0, 1 / (1 - left_out)
    for e in range(count):
        if weights[e] >= bar:
            entries[kept], weights[kept] = entries[e], weights[e] * scale
            kept += 1
    return kept


@compiled
def _list(
    start: Array, index: Array, weight: Array, i: int, queries: Array, row: Array, a: Array
) -> int:
    """The rows w and factors a of x_i = Σ_w a_w e_w over the query blocks, up to a multiple of 4.

    Returns how many; `row` and `a` have room for them.
    """
    T, found = start.shape[1] - 1, 0
    for b in range(len(queries)):
        q = queries[b]
        for e in range(start[q, i], start[q, i + 1]):
            row[found], a[found] = b * T + index[q, e], weight[q, e]
            found += 1
    while found % 4:
        row[found], a[found] = 0, 0
        found += 1
    return found


@compiled
def _looked_for(row: Array, a: Array, rows: Array, first: int, r: Array) -> None:
    """The part of Σ_w a_w W_KQ[:, w] that begins with entry `first`; four rows at a time."""
    last = first + len(r)
    for e in range(0, len(row), 4):
        r0, r1 = rows[row[e]][first:last], rows[row[e + 1]][first:last]
        r2, r3 = rows[row[e + 2]][first:last], rows[row[e + 3]][first:last]
        a0, a1, a2, a3 = a[e], a[e + 1], a[e + 2], a[e + 3]
        if e == 0:
            for u in range(len(r)):
                r[u] = (a0 * r0[u] + a1 * r1[u]) + (a2 * r2[u] + a3 * r3[u])
        else:
            for u in range(len(r)):
                r[u] += (a0 * r0[u] + a1 * r1[u]) + (a2 * r2[u] + a3 * r3[u])


@compiled
def _forward(
    start: Array,
    index: Array,
    weight: Array,
    keys: Array,
    queries: Array,
    reads: int,
    writes: int,
    move: Array,
    rows: Array,
    uniform: bool,
    leave_out: float,
    N: int,
    begin: Array,
    hit: Array,
    share: Array,
) -> None:
    """One head on S samples: its attention (begin, hit, share) and the block that it writes.

    Row i of block b of sample s has the entries start[s, b, i] … start[s, b, i+1] of index[s, b]
    and weight[s, b]; row i of the attention has begin[s, i] … begin[s, i+1] of hit[s] and share[s].
    start: (S, blocks, T + 1); index and weight: (S, blocks, T²); begin: (S, T + 1); hit and share:
    (S, T²). N positions at a time, of all samples: their queries need the same few rows of W_KQ,
    which stay in the cache meanwhile, some key blocks' parts at a time.
    """
    S, T = len(start), start.shape[2] - 1
    together = max(1, 1024 // T)  # key blocks
    r, mixed = np.zeros(together * T, rows.dtype), np.zeros(T, rows.dtype)
    scores = np.empty((S, N, T), rows.dtype)
    # A key block's first entry in each row, and the rows that have more.
    first_index = np.empty((len(keys), S, T), np.int32)
    first_weight = np.empty((len(keys), S, T), rows.dtype)
    more, many = np.empty((len(keys), S, T), np.int32), np.zeros((len(keys), S), np.int64)
    for s in range(S):
        begin[s, 0] = start[s, writes, 0] = 0
        for b in range(len(keys)):
            key = keys[b]
            for j in range(T):
                e = start[s, key, j]
                first_index[b, s, j], first_weight[b, s, j] = index[s, key, e], weight[s, key, e]
                if start[s, key, j + 1] > e + 1:
                    more[b, s, many[b, s]] = j
                    many[b, s] += 1
    listed = np.zeros((S, N + 1), np.int64)
    for row in range(0, T, N):
        if not uniform:
            scores[:] = 0
            room = 0
            for s in range(S):
                for q in queries:
                    room += start[s, q, row + N] - start[s, q, row] + 3 * N
            wanted, factor = np.empty(room, np.int64), np.empty(room, rows.dtype)
            found = 0
            for s in range(S):
                for i in range(N):
                    listed[s, i] = found
                    found += _list(
                        start[s],
                        index[s],
                        weight[s],
                        row + i,
                        queries,
                        wanted[found:],
                        factor[found:],
                    )
                listed[s, N] = found
            for group in range(0, len(keys), together):
                last = min(group + together, len(keys))
                for s in range(S):
                    for i in range(N):
                        score, e, end = scores[s, i], listed[s, i], listed[s, i + 1]
                        part = r[: (last - group) * T]
                        _looked_for(wanted[e:end], factor[e:end], rows, group * T, part)
                        for b in range(group, last):
                            key, seen = keys[b], part[(b - group) * T :]
                            place, value = first_index[b, s], first_weight[b, s]
                            for j in range(T):
                                score[j] += value[j] * seen[place[j]]
                            for f in range(many[b, s]):
                                j = more[b, s, f]
                                for e in range(start[s, key, j] + 1, start[s, key, j + 1]):
                                    score[j] += weight[s, key, e] * seen[index[s, key, e]]
        for s in range(S):
            for i in range(row, row + N):
                h = begin[s, i]
                if not uniform:
                    found = _softmax(scores[s, i - row], hit[s, h:], share[s, h:], leave_out)
                    begin[s, i + 1] = h + found
                else:
                    for j in range(T):
                        hit[s, h + j], share[s, h + j] = j, 1 / T
                    begin[s, i + 1] = h + T
                    if i > 0:  # the same for every query
                        width, o = start[s, writes, 1], start[s, writes, i]
                        for e in range(width):
                            index[s, writes, o + e] = index[s, writes, e]
                            weight[s, writes, o + e] = weight[s, writes, e]
                        start[s, writes, i + 1] = o + width
                        continue
                _mix(
                    start[s],
                    index[s],
                    weight[s],
                    reads,
                    writes,
                    move,
                    i,
                    leave_out,
                    hit[s, h : begin[s, i + 1]],
                    share[s, h : begin[s, i + 1]],
                    mixed,
                )


@compiled
def _softmax(score: Array, hit: Array, share: Array, leave_out: float) -> int:
    """The largest entries of softmax(score), and how many there are."""
    T = len(score)
    top = score[0]
    for j in range(1, T):
        top = max(top, score[j])
    found, total, bar = 0, 0.0, top - math.log(T / leave_out)
    for j in range(T):
        if score[j] >= bar:
            p = math.exp(score[j] - top)
            hit[found], share[found] = j, p
            found += 1
            total += p
    for e in range(found):
        share[e] /= total
    return _trim(hit, share, found, leave_out)


@compiled
def _mix(
    start: Array,
    index: Array,
    weight: Array,
    reads: int,
    writes: int,
    move: Array,
    i: int,
    leave_out: float,
    hit: Array,
    share: Array,
    mixed: Array,
) -> None:
    """Row i of block `writes` ← Σ_j A_ij times row j of block `reads`, moved; `mixed` is 0."""
    o, found = start[writes, i], 0
    for e in range(len(hit)):
        j, p = hit[e], share[e]
        for f in range(start[reads, j], start[reads, j + 1]):
            to = move[index[reads, f]]
            if mixed[to] == 0:
                index[writes, o + found] = to
                found += 1
            mixed[to] += p * weight[reads, f]
    for e in range(o, o + found):
        to = index[writes, e]
        weight[writes, e] = mixed[to]
        mixed[to] = 0
    start[writes, i + 1] = o + _trim(index[writes, o:], weight[writes, o:], found, leave_out)


@compiled
def _start(at: Array, start: Array, index: Array, weight: Array) -> None:
    """The blocks P and V of S samples, from the places (S, T) of their values; others empty."""
    S, T = at.shape
    start[:S] = 0
    for s in range(S):
        for i in range(T):
            index[s, 0, i], weight[s, 0, i], start[s, 0, i + 1] = i, 1, i + 1
            index[s, 1, i], weight[s, 1, i], start[s, 1, i + 1] = at[s, i], 1, i + 1


@compiled
def _logits(start: Array, index: Array, weight: Array, z: Array) -> None:
    """The N logits at each position, (T, N), from one block of one sample."""
    N = z.shape[1]
    z[:] = 0
    for i in range(len(z)):
        for e in range(start[i], start[i + 1]):
            z[i, index[e] % N] += weight[e]


@compiled
def _exponentials(z: Array, e: Array) -> float:
    """The sum of e ← exp(z); logits lie between 0 and 1."""
    total = 0.0
    for c in range(len(z)):
        e[c] = math.exp(z[c])
        total += e[c]
    return total


@compiled
def _loss(z: Array, y: Array, only: int, kind: int, g: Array) -> float:
    """The mean loss over the labelled positions (`only`, or all if −1); g ← its gradient."""
    T, N = z.shape
    g[:] = 0
    total, labelled = 0.0, T if only < 0 else 1
    for i in range(T):
        if only >= 0 and i != only:
            continue
        if kind == 0:
            total -= z[i, y[i]]
        elif kind == 1:
            for c in range(N):
                g[i, c] = z[i, c] / labelled
                total += z[i, c] ** 2 / 2
            total += 0.5 - z[i, y[i]]
        else:
            norm = _exponentials(z[i], g[i])
            for c in range(N):
                g[i, c] /= norm * labelled
            total += math.log(norm) - z[i, y[i]]
        g[i, y[i]] -= 1 / labelled
    return total / labelled


@compiled
def _level(row: Array) -> bool:
    """Whether all entries are the same to rounding: attention cannot change their weighted mean."""
    low = high = row[0]
    for x in range(row.size):
        low, high = min(low, row[x]), max(high, row[x])
    return bool(high - low <= 16 * np.finfo(row.dtype).eps * max(abs(low), abs(high)))


@compiled
def _tally(
    start: Array,
    index: Array,
    weight: Array,
    keys: Array,
    queries: Array,
    reads: int,
    g: Array,
    s: int,
    key_class: Array,
    query_class: Array,
) -> None:
    """Σ_j x_j[u] m_jc and Σ_i g_ic x_i[w] of sample s, added to key_class and query_class[:, s]."""
    T, N = g.shape
    m, touched = np.zeros(N, g.dtype), np.empty(N, np.int64)
    for j in range(T):
        classes = 0
        for e in range(start[reads, j], start[reads, j + 1]):
            c = index[reads, e] % N
            if m[c] == 0:
                touched[classes] = c
                classes += 1
            m[c] += weight[reads, e]
        for b in range(len(keys)):
            for e in range(start[keys[b], j], start[keys[b], j + 1]):
                u, a = b * T + index[keys[b], e], weight[keys[b], e]
                for f in range(classes):
                    key_class[u, s, touched[f]] += a * m[touched[f]]
        for f in range(classes):
            m[touched[f]] = 0
        for b in range(len(queries)):
            for e in range(start[queries[b], j], start[queries[b], j + 1]):
                w, a = b * T + index[queries[b], e], weight[queries[b], e]
                for c in range(N):
                    query_class[w, s, c] += a * g[j, c]


@compiled
def _backward(
    starts: Array,
    indices: Array,
    weights: Array,
    reached: Array,
    keys: Array,
    queries: Array,
    reads: int,
    writes: int,
    move: Array,
    rows: Array,
    blind: bool,
    begins: Array,
    hits: Array,
    shares: Array,
    ds: Array,
    gradient: Array,
) -> None:
    """One head of S samples backwards: ds (S, blocks, T, T) holds ∂loss/∂block, by position.

    Passes over samples that no loss has reached. Adds to `gradient`, of the shape of `rows`, and to
    ds of the blocks that the head reads.
    """
    T = starts.shape[2] - 1
    r = np.zeros(rows.shape[1], rows.dtype)
    down = np.zeros(rows.shape[1], rows.dtype)
    slope = np.empty(T, rows.dtype)
    for s in range(len(starts)):
        if not reached[s]:
            continue
        start, index, weight, d = starts[s], indices[s], weights[s], ds[s]
        begin, hit, share = begins[s], hits[s], shares[s]
        for i in range(T):
            out, h = d[writes, i], begin[i]
            if _level(out):
                continue
            mean = 0.0
            for e in range(h, begin[i + 1]):
                j = hit[e]
                slope[e - h] = 0
                for f in range(start[reads, j], start[reads, j + 1]):
                    slope[e - h] += weight[reads, f] * out[move[index[reads, f]]]
                mean += share[e] * slope[e - h]
            room = 3
            for q in queries:
                room += start[q, i + 1] - start[q, i]
            wanted, factor = np.empty(room, np.int64), np.empty(room, rows.dtype)
            found = _list(start, index, weight, i, queries, wanted, factor)
            for b in range(len(keys)):
                part = r[b * T : (b + 1) * T]
                _looked_for(wanted[:found], factor[:found], rows, b * T, part)
            down[:] = 0  # Σ_j ∂loss/∂s_ij x_j
            for e in range(h, begin[i + 1]):
                j, p = hit[e], share[e]
                if reads > 1:
                    for x in range(T):
                        d[reads, j, x] += p * out[move[x]]
                change = p * (slope[e - h] - mean)
                if change == 0 or blind:
                    continue
                for b in range(len(keys)):
                    key = keys[b]
                    for f in range(start[key, j], start[key, j + 1]):
                        down[b * T + index[key, f]] += change * weight[key, f]
                    if key > 1:
                        for u in range(T):
                            d[key, j, u] += change * r[b * T + u]
            for b in range(len(queries)):
                q = queries[b]
                for e in range(start[q, i], start[q, i + 1]):
                    w, a = b * T + index[q, e], weight[q, e]
                    for u in range(down.size):
                        gradient[w, u] += a * down[u]
                if q > 1:
                    for w in range(T):
                        total = 0.0
                        for u in range(down.size):
                            total += rows[b * T + w, u] * down[u]
                        d[q, i, w] += total


@compiled
def _read(
    start: Array,
    index: Array,
    weight: Array,
    block: int,
    N: int,
    y: Array,
    only: Array,
    kind: int,
    d: Array,
    reached: Array,
) -> float:
    """The losses of S samples at a readout of `block`, summed; d[:, block] += ∂loss/∂block."""
    T, total = y.shape[1], 0.0
    z, g = np.empty((T, N), weight.dtype), np.empty((T, N), weight.dtype)
    for s in range(len(start)):
        _logits(start[s, block], index[s, block], weight[s, block], z)
        total += _loss(z, y[s], only[s], kind, g)
        for i in range(T):
            for x in range(T):
                d[s, block, i, x] += g[i, x % N]
        reached[s] = True
    return total


@compiled
def _read_uniform(
    start: Array,
    index: Array,
    weight: Array,
    keys: Array,
    queries: Array,
    reads: int,
    move: Array,
    blind: bool,
    y: Array,
    only: Array,
    kind: int,
    d: Array,
    reached: Array,
    first: int,
    key_class: Array,
    query_class: Array,
    means: Array,
    pulls: Array,
) -> float:
    """The same for what a uniform head writes, whose own gradient is left to `_count`.

    key_class (F, n, N), query_class (F, n, N), means (n, N) and pulls (n, N) receive, for samples
    first … first + S, what that needs: the tallies, with the labels' part of g alone; the logits;
    and what of g all positions share. What goes on to the block that the head reads is the same for
    all its rows.
    """
    T, N, total = y.shape[1], means.shape[1], 0.0
    z, g = np.empty((T, N), weight.dtype), np.empty((T, N), weight.dtype)
    share = np.empty(N, weight.dtype)
    for s in range(len(start)):
        mean, pull = means[first + s], pulls[first + s]
        _logits(start[s, reads], index[s, reads], weight[s, reads], z)
        for c in range(N):
            mean[c] = 0
            for i in range(T):
                mean[c] += z[i, c] / T
            for i in range(T):
                z[i, c] = mean[c]
        total += _loss(z, y[s], only[s], kind, g)
        for c in range(N):
            share[c] = 0
            for i in range(T):
                share[c] += g[i, c] / T
        if not _level(share):
            reached[s] = True
            if reads > 1:
                for j in range(T):
                    for x in range(T):
                        d[s, reads, j, x] += share[move[x] % N]
        if blind:
            continue
        norm = 1.0 if kind < 2 else _exponentials(mean, pull)
        for c in range(N):
            pull[c] = pull[c] / norm if kind == 2 else kind * mean[c]
        labelled = T if only[s] < 0 else 1
        for i in range(T):
            if only[s] < 0 or i == only[s]:
                for c in range(N):
                    g[i, c] -= pull[c] / labelled
        _tally(
            start[s],
            index[s],
            weight[s],
            keys,
            queries,
            reads,
            g,
            first + s,
            key_class,
            query_class,
        )
    return total


@compiled
def _count(
    start: Array, rest: Array, index: Array, weight: Array, query_class: Array, out: Array
) -> None:
    """out[w, u] += Σ_s Σ_c query_class[w, s, c] key_class[u, s, c], the latter by its entries."""
    n, N = query_class.shape[1:]
    for w in range(out.shape[0]):
        row = out[w]
        for s in range(n):
            for c in range(N):
                a = query_class[w, s, c]
                if a != 0:
                    for e in range(start[s, c], rest[s, c]):
                        row[index[e]] += a
                    for e in range(rest[s, c], start[s, c + 1]):
                        row[index[e]] += a * weight[e]


@compiled
def _entries(dense: Array, start: Array, rest: Array, index: Array, weight: Array) -> None:
    """The entries of dense (F, n, N) that are not 0, by sample and class; first those that are 1.

    `start` and `rest` come with how many of them there are and how many are 1; see `_how_many`.
    """
    F, n, N = dense.shape
    ones, others, found = np.empty((n, N), np.int64), np.empty((n, N), np.int64), 0
    for s in range(n):
        for c in range(N):
            number, start[s, c] = start[s, c], found
            ones[s, c], others[s, c] = found, found + rest[s, c]
            rest[s, c] += found
            found += number
        start[s, N] = found
    for u in range(F):
        for s in range(n):
            for c in range(N):
                value = dense[u, s, c]
                if value == 1:
                    index[ones[s, c]] = u
                    ones[s, c] += 1
                elif value != 0:
                    index[others[s, c]], weight[others[s, c]] = u, value
                    others[s, c] += 1


@compiled
def _how_many(dense: Array, start: Array, rest: Array) -> int:
    """How many entries are not 0, and how many of them are 1, by sample and class; and in all."""
    F, n, N = dense.shape
    start[:], rest[:] = 0, 0
    found = 0
    for u in range(F):
        for s in range(n):
            for c in range(N):
                if dense[u, s, c] != 0:
                    start[s, c] += 1
                    rest[s, c] += dense[u, s, c] == 1
                    found += 1
    return found


# Bytes that a thread's samples may take, were every entry used; and scores that it keeps at a time.
_ROOM, _SCORES = 1_600_000_000, 1 << 16


class _Bench:
    """A thread's room for some samples at a time."""

    def __init__(self, made: Program, samples: int, backward: bool) -> None:
        """Lay out arrays; only what is used is ever touched."""
        T, blocks, kept = made.T, len(made.names), len(made.units) if backward else 1
        size = np.dtype(made.dtype).itemsize
        each = T * T * ((blocks + kept) * (4 + size) + (blocks * size if backward else 0))
        self.S = S = max(1, min(samples, 8, _ROOM // each, _SCORES // (made.N * T)))
        self.start = np.empty((S, blocks, T + 1), np.int32)
        self.index = np.empty((S, blocks, T * T), np.int32)
        self.weight = np.empty((S, blocks, T * T), made.dtype)
        self.begin = np.empty((kept, S, T + 1), np.int32)
        self.hit = np.empty((kept, S, T * T), np.int32)
        self.share = np.empty((kept, S, T * T), made.dtype)
        self.d = np.zeros((S if backward else 0, blocks, T, T), made.dtype)
        self.z = np.empty((T, made.N), made.dtype)

    def forward(self, made: Program, at: Array, depth: int, done: int = 0) -> None:
        """Run the heads of layers done + 1 … depth on at most S samples, `at` (…, T)."""
        n = len(at)
        stream = self.stream(n)
        if done == 0:
            _start(at, *stream)
        for number, unit in enumerate(made.units):
            if unit.layer > depth:
                break
            if unit.layer <= done:
                continue
            kept = min(number, len(self.hit) - 1)
            _forward(
                *stream,
                unit.keys,
                unit.queries,
                unit.reads,
                unit.writes,
                unit.move,
                unit.rows,
                unit.uniform,
                made.leave_out,
                made.N,
                self.begin[kept, :n],
                self.hit[kept, :n],
                self.share[kept, :n],
            )

    def stream(self, samples: int) -> tuple[Array, Array, Array]:
        """All blocks of the first samples: start, index and weight."""
        return self.start[:samples], self.index[:samples], self.weight[:samples]

    def logits(self, s: int, block: int) -> Array:
        """The logits that a block of a sample holds, (T, N)."""
        _logits(self.start[s, block], self.index[s, block], self.weight[s, block], self.z)
        return self.z


# Parts of the work on gradients: fixed, so that no sum depends on the number of threads.
_PARTS = 4


def _together(work: Callable[[range], Any], n: int, parts: int | None = None) -> list[Any]:
    """What `work` gives back for each part of 0…n−1, several threads at a time."""
    threads = min(torch.get_num_threads(), os.cpu_count() or 1)
    parts = max(1, min(n, parts or threads))
    ends = [n * part // parts for part in range(parts + 1)]
    ranges = [range(a, b) for a, b in itertools.pairwise(ends)]
    if min(threads, parts) == 1:
        return [work(some) for some in ranges]
    with ThreadPoolExecutor(min(threads, parts)) as pool:
        return list(pool.map(work, ranges))


def predict(made: Program, sigma_at: Array, reads: Mapping[int, int]) -> dict[int, Array]:
    """The most likely class at every position, (n, T), by block.

    Arguments:
        made: the model.
        sigma_at: the places of the values, int32 of shape (n, T).
        reads: by block, the layer after which it is read.
    """
    n, depth = len(sigma_at), max(reads.values())
    found = {block: np.empty((n, made.T), np.int64) for block in reads}

    def work(samples: range) -> None:
        bench = _Bench(made, len(samples), backward=False)
        for first in range(samples.start, samples.stop, bench.S):
            some = range(first, min(first + bench.S, samples.stop))
            bench.forward(made, sigma_at[first : some.stop], depth)
            for s, sample in enumerate(some):
                for block in reads:
                    found[block][sample] = bench.logits(s, block).argmax(1)

    _together(work, n)
    return found


@dataclass(frozen=True)
class Gradients:
    """The mean loss over samples, and its gradient."""

    losses: dict[int, float]
    """By block that is read."""
    W_KQ: dict[int, Array]
    """By unit, of the shape of `Unit.rows`; units whose gradient is exactly 0 are left out."""


@dataclass
class Memory:
    """What the first layers wrote for given samples, to be taken up again while they stay.

    Arguments:
        depth: how many layers it holds; to be lowered below a layer that changes.
    """

    depth: int = 0
    streams: dict[int, list[tuple[Array, Array, Array]]] = field(default_factory=dict)

    def keep(self, bench: _Bench, samples: slice) -> None:
        """Copy the entries of all blocks."""
        for s, sample in enumerate(range(samples.start, samples.stop)):
            ends = bench.start[s, :, -1]
            self.streams[sample] = [
                (
                    bench.start[s, b].copy(),
                    bench.index[s, b, :end].copy(),
                    bench.weight[s, b, :end].copy(),
                )
                for b, end in enumerate(ends)
            ]

    def recall(self, bench: _Bench, samples: slice) -> None:
        """Copy them back."""
        for s, sample in enumerate(range(samples.start, samples.stop)):
            for b, (start, index, weight) in enumerate(self.streams[sample]):
                bench.start[s, b] = start
                bench.index[s, b, : len(index)] = index
                bench.weight[s, b, : len(weight)] = weight


def gradients(
    made: Program,
    sigma_at: Array,
    labels: Mapping[int, Array],
    *,
    loss: Loss,
    only: Array | None = None,
    memory: Memory | None = None,
) -> Gradients:
    """The gradient of the sum of the losses in every W_KQ.

    Arguments:
        made: the model.
        sigma_at: the places of the values, int32 of shape (n, T).
        labels: by block that is read, int64 of shape (n, T).
        loss: one of LOSSES.
        only: the one labelled position of each sample, (n,); None for all positions.
        memory: of the same samples; it is filled as far as the layers that are run.
    """
    n, T, N = len(sigma_at), made.T, made.N
    kind, units = LOSSES.index(loss), made.units
    writer = {unit.writes: number for number, unit in enumerate(units)}
    depth = max(units[writer[block]].layer for block in labels)
    # Uniform heads that are read: their gradient is counted. What nobody looks at is not run.
    counted = {block for block in labels if units[writer[block]].uniform}
    used = {
        int(block)
        for unit in units
        if unit.layer <= depth
        for block in (*unit.keys, *unit.queries, unit.reads)
    }
    run = [
        number
        for number, unit in enumerate(units)
        if unit.layer <= depth and (unit.writes in used or unit.writes not in counted)
    ]
    at_depth = replace(made, units=tuple(units[i] for i in run))
    key_class, query_class, means, pulls = {}, {}, {}, {}
    done = 0 if memory is None else memory.depth
    where = np.full(n, -1) if only is None else only
    for block in counted:
        unit = units[writer[block]]
        size = 0 if unit.blind else T
        key_class[block] = np.zeros((len(unit.keys) * size, n, N), made.dtype)
        query_class[block] = np.zeros((len(unit.queries) * size, n, N), made.dtype)
        means[block], pulls[block] = (np.empty((n, N), made.dtype) for _ in range(2))

    def work(samples: range) -> tuple[dict[int, float], dict[int, Array]]:
        bench = _Bench(at_depth, len(samples), backward=True)
        totals, sums = dict.fromkeys(labels, 0.0), {}
        for first in range(samples.start, samples.stop, bench.S):
            some = slice(first, min(first + bench.S, samples.stop))
            S = some.stop - first
            if memory is not None and memory.depth:
                memory.recall(bench, some)
            bench.forward(at_depth, sigma_at[some], depth, done)
            if memory is not None:
                memory.keep(bench, some)
            stream, d = bench.stream(S), bench.d[:S]
            reached = np.zeros(S, np.bool_)
            for block, y in labels.items():
                unit = units[writer[block]]
                if block not in counted:
                    totals[block] += _read(
                        *stream, block, N, y[some], where[some], kind, d, reached
                    )
                    continue
                totals[block] += _read_uniform(
                    *stream,
                    unit.keys,
                    unit.queries,
                    unit.reads,
                    unit.move,
                    unit.blind,
                    y[some],
                    where[some],
                    kind,
                    d,
                    reached,
                    first,
                    key_class[block],
                    query_class[block],
                    means[block],
                    pulls[block],
                )
            if reached.any():
                if done:  # memory holds no attention, which the way back needs
                    bench.forward(at_depth, sigma_at[some], depth)
                for kept in reversed(range(len(run))):
                    unit = units[run[kept]]
                    if run[kept] not in sums:
                        sums[run[kept]] = np.zeros_like(unit.rows)
                    _backward(
                        *stream,
                        reached,
                        unit.keys,
                        unit.queries,
                        unit.reads,
                        unit.writes,
                        unit.move,
                        unit.rows,
                        unit.blind,
                        bench.begin[kept],
                        bench.hit[kept],
                        bench.share[kept],
                        d,
                        sums[run[kept]],
                    )
                d[:] = 0
        return totals, sums

    parts = _together(work, n, _PARTS)
    if memory is not None:
        memory.depth = max((units[i].layer for i in run), default=0)
    losses = {block: sum(totals[block] for totals, _ in parts) / n for block in labels}
    found: dict[int, Array] = {}
    for _, sums in parts:
        for number, part in sums.items():
            found[number] = found[number] + part if number in found else part
    for block in counted:
        number = writer[block]
        if units[number].blind:
            continue
        direct = _counted(key_class[block], query_class[block], means[block], pulls[block]) / T
        found[number] = found[number] + direct if number in found else direct
    return Gradients(losses, {i: part / n for i, part in found.items() if part.any()})


# Classes up to which a matrix product is faster than a count.
_FEW = 8


def _counted(key_class: Array, query_class: Array, mean: Array, pull: Array) -> Array:
    """Σ_s Σ_c (Q_wc + p_c X_w)(K_uc − m̄_c X_u), Q the labels' part and X = −Σ_c Q_wc.

    The product of Q and K, of which one entry in N is not 0, is a count over these entries, or a
    matrix product where N is small; the rest has rank 1 a sample.
    """
    F, n, N = query_class.shape
    ones = np.ones(N, key_class.dtype)
    out = np.empty((F, len(key_class)), key_class.dtype)
    start, rest = np.empty((n, N + 1), np.int64), np.empty((n, N), np.int64)
    counted = N > _FEW
    small = np.uint16 if len(key_class) <= 1 << 16 else np.uint32
    found = _how_many(key_class, start, rest) if counted else 0
    index, weight = np.empty(found, small), np.empty(found, key_class.dtype)
    if counted:
        _entries(key_class, start, rest, index, weight)
    with _blas().limit(limits=1, user_api="blas"):  # its threads would spin on after the products
        keys = key_class @ ones
        shift = None
        if pull.any():
            shift = np.einsum("usc,sc->us", key_class, pull) - keys * (mean * pull).sum(1)

        def work(some: range) -> None:
            part = slice(some.start, some.stop)
            Q = query_class[part]
            out[part] = -np.einsum("wsc,sc->ws", Q, mean) @ keys.T
            if shift is not None:
                out[part] -= (Q @ ones) @ shift.T
            if counted:
                _count(start, rest, index, weight, Q, out[part])
            else:
                out[part] += Q.reshape(len(Q), -1) @ key_class.reshape(len(keys), -1).T

        _together(work, F, _PARTS)
    return out


@functools.cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of this process."""
    return ThreadpoolController()
