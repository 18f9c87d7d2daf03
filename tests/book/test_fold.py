"""Proofs and solutions fold without a script."""

from fold import fold


def test_a_proof_becomes_details():
    html = '<div class="proof dropdown admonition" id="proof"><p>Proof. <em>Words</em>.</p></div>'
    assert fold(html) == (
        '<details class="proof folded" id="proof"><summary>Proof</summary>'
        "<p><em>Words</em>.</p></details>"
    )


def test_a_solution_keeps_its_title():
    html = (
        '<div class="solution dropdown admonition"><p class="admonition-title">Solution to '
        '<a href="#ex">Exercise 1</a></p><section id="solution-content"><p>4</p></section></div>'
    )
    assert fold(html) == (
        '<details class="solution folded"><summary>Solution to <a href="#ex">Exercise 1</a>'
        "</summary><section><p>4</p></section></details>"
    )


def test_what_does_not_fold_stays():
    html = '<div class="admonition"><p class="admonition-title">Theorem</p></div>'
    assert fold(html) == html
