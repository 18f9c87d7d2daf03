"""The executed chapters: all of them, without a warning, in time, the same when executed again."""

import ast
import base64
import io
import json
import math
import re

import nbformat
import numpy as np
import pytest
from PIL import Image

from chapters import chapters, code_cells, notebook, pages, source, tags
from execute import AGAIN, EXECUTED, SECONDS, due

FILTERS: dict[tuple[str, str], str] = {}
"""Warnings that a chapter may hide: (page, the line that hides it), and the reason."""

HIDING = re.compile(r"warnings\.|catch_warnings|simplefilter|%%capture|stderr|logging\.disable")
HIDING_TAGS = {
    *("raises-exception", "remove-stderr", "remove-output", "remove-input", "skip-execution"),
}


def executed(page, folder=EXECUTED):
    return nbformat.read(folder / f"{page}.ipynb", 4)


def log():
    return json.loads((EXECUTED / "log.json").read_text())


def test_what_was_executed_is_the_chapters_of_the_table_of_contents():
    assert list(log()) == chapters()
    assert {page for page in pages() if source(page).read_text().count("{code-cell}")} == set(
        chapters()
    )
    files = {str(f.relative_to(EXECUTED).with_suffix("")) for f in EXECUTED.rglob("*.ipynb")}
    assert files == set(chapters())


@pytest.mark.parametrize("page", chapters())
def test_every_cell_was_executed_in_order(page):
    cells = code_cells(executed(page))
    assert [cell.source for cell in cells] == [cell.source for cell in code_cells(notebook(page))]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@pytest.mark.parametrize("page", chapters())
def test_time(page):
    assert log()[page]["seconds"] <= SECONDS


@pytest.mark.parametrize("page", chapters())
def test_no_cell_prints_a_warning_or_a_traceback(page):
    for cell in code_cells(executed(page)):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.text
            assert not re.search(r"Traceback \(|Warning:", output.get("text", "")), output.text


@pytest.mark.parametrize("page", chapters())
def test_no_cell_hides_a_warning(page):
    for cell in code_cells(notebook(page)):
        assert not HIDING_TAGS & set(tags(cell)), cell.source
        for line in cell.source.splitlines():
            if HIDING.search(line):
                assert (page, line.strip()) in FILTERS, line


@pytest.mark.parametrize("page", chapters())
def test_a_cell_left_out_of_the_page_only_glues_or_keeps_frames(page):
    for cell in code_cells(notebook(page)):
        if "remove-cell" in tags(cell):
            body = ast.parse(cell.source).body
            frames = ast.unparse(body[-1]).startswith("movable(")
            for statement in body:
                draws = frames and isinstance(statement, ast.FunctionDef)
                assert draws or ast.unparse(statement).startswith(("glue(", "movable(")), (
                    cell.source
                )


@pytest.mark.parametrize("page", chapters())
def test_no_glued_number_is_a_timing(page):
    for cell in code_cells(notebook(page)):
        if "timing" in tags(cell):
            assert "glue(" not in cell.source


def glued(page):
    """What a chapter keeps and does not show: pairs of a name and a text."""
    return [
        (output.metadata["scrapbook"]["name"], *output.data.values())
        for cell in code_cells(executed(page))
        for output in cell.outputs
        if "scrapbook" in output.get("metadata", {})
    ]


def test_glued_names_are_unique():
    names = [name for page in chapters() for name, _ in glued(page)]
    assert len(names) == len(set(names))


MOVABLE = [
    (page, name.removeprefix("movable:"), json.loads(text))
    for page in chapters()
    if (EXECUTED / f"{page}.ipynb").exists()
    for name, text in glued(page)
    if name.startswith("movable:")
]


@pytest.mark.parametrize("part", ["composition", "emergence"])
def test_each_part_has_six_figures_to_move(part):
    assert len([page for page, _, _ in MOVABLE if page.startswith(f"{part}/")]) >= 6


@pytest.mark.parametrize(("page", "name", "record"), MOVABLE, ids=[name for _, name, _ in MOVABLE])
def test_a_figure_to_move_has_its_picture_and_its_frames_differ(page, name, record):
    figures = [
        cell.metadata["mystnb"]["figure"]["name"]
        for cell in code_cells(notebook(page))
        if "figure" in cell.metadata.get("mystnb", {})
    ]
    assert name in figures, "the static figure is what paper shows"
    assert len(record["frames"]) == math.prod(map(len, record["sliders"].values()))
    frames = np.array([json.dumps(frame) for frame in record["frames"]])
    frames = frames.reshape([len(values) for values in record["sliders"].values()])
    for axis, slider in enumerate(record["sliders"]):
        still = frames == frames.take([0], axis)
        assert not still.all(), f"moving {slider} changes nothing"


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))


def results(nb):
    """What must repeat: texts and glued values as they are, images as pixels."""
    found = []
    for cell in code_cells(nb):
        for output in [] if "timing" in tags(cell) else cell.outputs:
            data = dict(output.get("data", {}))
            png = data.pop("image/png", None)
            found.append((output.get("text"), data, None if png is None else pixels(png)))
    return found


REPEATED = [page for page in chapters() if (AGAIN / f"{page}.ipynb").exists()]


def test_what_is_due_was_executed_a_second_time():
    assert set(due()) <= set(REPEATED), "make test executes these a second time"


@pytest.mark.parametrize("page", REPEATED)
def test_two_executions_agree(page):
    first, second = results(executed(page)), results(executed(page, AGAIN))
    assert len(first) == len(second)
    for (text, data, image), (text2, data2, image2) in zip(first, second, strict=True):
        assert text == text2
        assert data == data2
        assert np.array_equal(image, image2)


def test_results_tell_a_changed_pixel_and_a_changed_number():
    def page(number, dot):
        image = np.zeros((4, 4), dtype=np.uint8)
        image[0, 0] = dot
        file = io.BytesIO()
        Image.fromarray(image).save(file, "png")
        data = {"text/plain": number, "image/png": base64.b64encode(file.getvalue()).decode()}
        cell = nbformat.v4.new_code_cell(
            "x", outputs=[nbformat.v4.new_output("display_data", data)]
        )
        return results(nbformat.v4.new_notebook(cells=[cell]))[0]

    assert page("1", 0)[1] == page("1", 7)[1] != page("2", 0)[1]
    assert not np.array_equal(page("1", 0)[2], page("1", 7)[2])
