"""What is executed: a chapter whose code, library or lock file changed, and no other."""

import nbformat
import nbmake.nb_run
import pytest

from chapters import ROOT, chapters, notebook
from execute import imports, inputs, join_streams, key
from kernels import FOLDER


def chapter(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def test_prose_does_not_count():
    plain = chapter("x = 1")
    prose = chapter("x = 1")
    prose.cells.insert(0, nbformat.v4.new_markdown_cell("Words."))
    prose.cells[1].metadata["mystnb"] = {"figure": {"caption": "Other words."}}
    assert key(plain, "page") == key(prose, "page")


def test_code_and_tags_count():
    tagged = chapter("x = 1")
    tagged.cells[0].metadata["tags"] = ["timing"]
    keys = {key(nb, "page") for nb in (chapter("x = 1"), chapter("x = 2"), tagged)}
    assert len(keys) == 3


def test_the_library_counts_for_those_who_import_it():
    def files(code):
        return {str(file.relative_to(ROOT)) for file in inputs(chapter(code), "page")}

    assert files("import numpy") == {"requirements.lock"}
    hermite = files("from plateaus.emergence import hermite")
    assert "lib/plateaus/emergence/hermite.py" in hermite
    assert "lib/plateaus/__init__.py" in hermite
    assert not any("composition" in file for file in hermite)
    assert "lib/plateaus/composition/task.py" in files("import plateaus.composition")
    assert "lib/plateaus/figures.py" in files("from plateaus import figures")
    stored = {str(file.relative_to(ROOT)) for file in (ROOT / "results").glob("*/*")}
    assert stored
    assert stored <= files("from plateaus.experiments import load")
    assert not stored & hermite


def test_relative_imports_are_followed():
    assert list(imports("from .hermite import expand", "plateaus.emergence")) == [
        "plateaus.emergence.hermite",
        "plateaus.emergence.hermite.expand",
    ]


def test_a_cell_that_is_no_python_stops_with_its_page():
    with pytest.raises(SystemExit, match="page: a code cell is no valid Python"):
        inputs(chapter("%magic"), "page")


def test_pieces_of_a_stream_are_joined():
    def stream(name, text):
        return nbformat.v4.new_output("stream", name=name, text=text)

    nb = chapter("x")
    picture = nbformat.v4.new_output("display_data", {"text/plain": "picture"})
    pieces = [("stdout", "a"), ("stdout", "b\n"), ("stderr", "c"), ("stdout", "d")]
    nb.cells[0].outputs = [*(stream(*piece) for piece in pieces), picture, stream("stdout", "e")]
    join_streams(nb)
    texts = [output.get("text") for output in nb.cells[0].outputs]
    assert texts == ["ab\n", "c", "d", None, "e"]


@pytest.mark.parametrize("page", chapters())
def test_front_matter_names_the_kernel_that_the_cache_expects(page):
    assert notebook(page).metadata.kernelspec == {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }


def test_kernels_take_no_ports():
    find = "from ipykernel.kernelapp import IPKernelApp; app = IPKernelApp.instance()"
    show = "print(app.connection_file)", "print(open(app.connection_file).read())"
    files = set()
    for _ in range(2):
        nb = chapter(find, *show)
        nbmake.nb_run.NotebookClient(nb).execute()
        file, information = (cell.outputs[0].text for cell in nb.cells[1:])
        assert '"transport": "ipc"' in information
        files.add(file.strip())
    assert len(files) == 2
    assert all(file.startswith(FOLDER.name) for file in files)
