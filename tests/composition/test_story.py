"""The story of chapter 2: it can be answered from what it says, and only with the knowledge."""

import pytest
import torch

from plateaus.composition import Story, Task, story
from plateaus.composition.story import _LINKS, WORDS


def told(k, N, seed=0):
    task = Task.random(k=k, N=N, seed=seed)
    sigma, x = task.sample(1, seed=seed + 1)
    return task, sigma[0], x[0], story(task, sigma[0], x[0])


def test_by_hand():
    task = Task([[1, 0], [0, 1]])
    got = story(task, torch.tensor([[0, 1], [1, 0]]), 0)
    # Ada plays the flute; the town hall houses it; that stands on Elm Road, with roses.
    assert got == Story(
        context=(
            "The library houses the cello.",
            "The town hall houses the flute.",
            "Lilies decorate Bridge Street.",
            "Roses decorate Elm Road.",
        ),
        question="Which flowers decorate the street of the building that houses the instrument "
        "played by Ada?",
        path=("Ada", "the flute", "the town hall", "Elm Road", "roses"),
        knowledge=(
            "Ada plays the flute.",
            "Bruno plays the cello.",
            "The library stands on Bridge Street.",
            "The town hall stands on Elm Road.",
        ),
    )
    assert got.answer == "roses"
    assert got.prompt == " ".join((*got.context, got.question))


@pytest.mark.parametrize(("k", "N"), [(1, 2), (3, 12), (7, 4), (8, 12), (9, 3), (33, 2)])
def test_it_says_every_fact_once(k, N):
    *_, got = told(k, N)
    for sentences in (got.context, got.knowledge):
        assert len(sentences) == len(set(sentences)) == k * N
        assert all(s[0].isupper() and s.endswith(".") for s in sentences)
    assert got.question[0].isupper()
    assert got.question.endswith("?")


@pytest.mark.parametrize(("k", "N"), [(1, 5), (2, 3), (5, 12), (8, 6), (20, 4)])
def test_it_can_be_answered_from_its_sentences(k, N):
    """Walk from x to the answer by looking sentences up, as a reader would."""
    *_, x, got = told(k, N)
    name, names = _LINKS[0].source[x], len(_LINKS)
    path = [name]
    for i in range(k):
        link, after = _LINKS[i % names], _LINKS[(i + 1) % names].source
        opening = f"In year {i // names + 1}, " if k > names else ""

        def found(form, a, candidates, sentences, opening=opening):
            ways = {b: (opening + form.format(a=a, b=b)).lower() + "." for b in candidates}
            said = [b for b, way in ways.items() if way in {s.lower() for s in sentences}]
            assert len(said) == 1, (a, said)
            return said[0]

        middle = found(link.known, name, link.middle[:N], got.knowledge)
        name = found(link.told, middle, after[:N], got.context)
        path += [middle, name]
    assert tuple(path) == got.path


@pytest.mark.parametrize(("k", "N"), [(1, 5), (2, 3), (5, 12), (8, 6), (20, 4)])
def test_the_answer_is_the_label(k, N):
    task, sigma, x, got = told(k, N)
    label = int(task(sigma[None], x[None]))
    assert got.answer == _LINKS[k % len(_LINKS)].source[label]


def test_the_answer_needs_the_hidden_permutations():
    """The prompt depends on sigma and x only."""
    sigma, x = Task.random(k=3, N=4, seed=0).sample(1, seed=1)
    stories = [story(Task.random(k=3, N=4, seed=s), sigma[0], x[0]) for s in range(30)]
    assert len({s.prompt for s in stories}) == 1
    assert len({s.answer for s in stories}) == 4


def test_no_word_is_used_twice():
    words = [w.removeprefix("the ") for link in _LINKS for w in (*link.source, *link.middle)]
    assert len(words) == len(set(words)) == 2 * len(_LINKS) * WORDS
    everything = " ".join(
        f"{link.known} {link.told} {link.question} {link.phrase}" for link in _LINKS
    )
    assert not [w for w in words if w in everything.split()]


@pytest.mark.parametrize(
    ("N", "pick", "x", "message"),
    [
        (13, lambda s: s, 0, "N is 13; valid: 2…12, for the words do not reach further."),
        (3, lambda s: s[None], 0, r"sigma has shape \(1, 2, 3\); valid: \(2, 3\), one input\."),
        (3, lambda s: s.int(), 0, r"sigma has dtype torch\.int32; valid: torch\.int64\."),
        (3, lambda s: s.tolist(), 0, r"sigma is a list; valid: a torch\.int64 tensor\."),
        (3, lambda s: s * 0, 0, r"sigma\[0\] is \[0, 0, 0\]; valid: a permutation of 0…2\."),
        (3, lambda s: s, 3, "x is 3; valid: 0…2."),
        (3, lambda s: s, -1, "x is -1; valid: an integer ≥ 0."),
        (3, lambda s: s, 0.5, r"x is 0\.5; valid: an integer ≥ 0."),
    ],
)
def test_bad_input(N, pick, x, message):
    task = Task.random(k=2, N=N, seed=0)
    with pytest.raises(ValueError, match=message):
        story(task, pick(task.sample(1, seed=0)[0][0]), x)
