"""`check`, `exercise` and `glue`: a check must be able to fail."""

import pytest

from plateaus.book import check, exercise, glue


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
