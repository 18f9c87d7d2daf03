"""`check`, `exercise`, `glue` and `movable`: a check must be able to fail."""

import json

import pytest

from plateaus.book import HEAVIEST, check, curve, exercise, glue, image, movable


def square_is(power=2):
    assert 3**power == 9


def test_check_prints_what_it_showed(capsys):
    assert check("thm-square", kind="exact", false={"power": 3})(square_is) is square_is
    assert capsys.readouterr().out == "thm-square: holds (exact); 1 false variant rejected.\n"


def test_check_counts_the_variants(capsys):
    check("thm-square", kind="exact", false=[{"power": 3}, {"power": 1}])(square_is)
    assert "2 false variants rejected" in capsys.readouterr().out


def test_check_fails_when_the_statement_is_false():
    with pytest.raises(AssertionError):
        check("thm-square", kind="exact", false={"power": 3})(lambda power=1: square_is(power))


def test_check_fails_when_a_false_variant_passes():
    with pytest.raises(
        AssertionError, match=r"thm-square accepts the false variant \{'power': 2\}"
    ):
        check("thm-square", kind="exact", false={"power": 2})(square_is)


def test_check_passes_on_other_errors_of_a_false_variant():
    with pytest.raises(TypeError):
        check("thm-square", kind="exact", false={"power": "two"})(square_is)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "proof", "false": {"power": 3}}, "kind is 'proof'; valid are symbolic, exact"),
        ({"kind": "exact", "false": []}, "no false variant"),
        ({"kind": "exact", "false": {}}, "no false variant"),
        (
            {"kind": "exact", "false": {"exponent": 3}},
            "sets exponent; the check's parameters are power",
        ),
    ],
)
def test_check_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        check("thm-square", **arguments)(square_is)


def test_exercise_solved_and_not(capsys):
    def doubles(f):
        assert f(2) == 4, "2 doubled is 4"

    assert exercise("ex-double", lambda x: 2 * x)(doubles) is True
    assert exercise("ex-double", lambda x: x)(doubles) is False
    assert exercise("ex-double", lambda x: 1 / 0)(doubles) is False
    solved, wrong, broken = capsys.readouterr().out.splitlines()
    assert solved == "ex-double: solved."
    assert wrong == "ex-double: not solved yet (AssertionError: 2 doubled is 4)."
    assert broken.startswith("ex-double: not solved yet (ZeroDivisionError:")


def test_glue_makes_the_record_of_mystnb(monkeypatch):
    shown = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, **keywords: shown.append((data, keywords))
    )
    import numpy as np

    for value in (np.float64(0.25), np.int64(3), "text", 1.5):
        glue("name", value)
    texts = [data["application/papermill.record/text/plain"] for data, _ in shown]
    assert texts == ["0.25", "3", "'text'", "1.5"]
    assert shown[0][1]["metadata"]["scrapbook"] == {
        "name": "name",
        "mime_prefix": "application/papermill.record/",
    }


def test_glue_refuses_what_prose_cannot_print():
    with pytest.raises(TypeError, match=r"glue\('name'\) was given a list; valid: number, text"):
        glue("name", [1, 2])


def frames(monkeypatch, *arguments, **keywords):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    movable(*arguments, **keywords)
    ((text,),) = [data.values() for data in shown]
    return json.loads(text)


def test_movable_keeps_a_frame_for_every_combination(monkeypatch):
    def draw(k, way):
        x = [1, 2, 4]
        points = curve("seen", x, [k / 3, float("nan"), k], kind="points")
        return [curve(way, x, [k * v for v in x]), points, image("map", [[k, 0], [0, 1]])]

    sliders = {"k": [2, 5], "way": ["up", "down", "left"]}
    record = frames(monkeypatch, "fig-k", draw, sliders=sliders, x="n", y="accuracy", log="x")
    assert (record["figure"], record["x"], record["log"]) == ("fig-k", "n", "x")
    assert record["sliders"] == sliders
    assert len(record["frames"]) == 6
    line, points, field = record["frames"][4]  # k = 5, down: the last slider runs first
    assert line == {"kind": "line", "label": "down", "x": [1, 2, 4], "y": [5, 10, 20]}
    assert points["y"] == [1.667, None, 5]
    assert field["values"] == [[5, 0], [0, 1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"figure": "sec-k"}, "figure is 'sec-k'"),
        ({"sliders": {}}, "the sliders of fig-k are {}"),
        ({"sliders": {"k": [1]}}, "two values or more"),
        ({"log": "z"}, "log is 'z'"),
        ({"draw": lambda k: []}, "fig-k draws nothing at {'k': 1}"),
        ({"draw": lambda k: [curve("c", range(HEAVIEST), range(HEAVIEST))]}, "at most 200000"),
        ({"draw": lambda k: [curve("c", [1, 2], [1])]}, "'c' has 2 x and 1 y"),
        ({"draw": lambda k: [curve("c", [float("nan")], [1])]}, "an x that is not a number"),
        ({"draw": lambda k: [curve("c", [1], [float("inf")])]}, "infinite"),
        ({"draw": lambda k: [curve("c", [1], [1], kind="bars")]}, "kind is 'bars'"),
        ({"draw": lambda k: [image("c", [1, 2])]}, "'c' is no matrix"),
        ({"draw": lambda k: [image("c", [[float("nan")]])]}, "'c' is no matrix"),
    ],
)
def test_movable_refuses(change, message):
    given = {"figure": "fig-k", "draw": lambda k: [curve("c", [1], [k])], "sliders": {"k": [1, 2]}}
    with pytest.raises(ValueError, match=message):
        movable(**(given | change))
