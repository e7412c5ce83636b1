"""The files beside a report, and the page that takes them in."""

import builtins
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest

from pytest_energybench.cli.main import main
from pytest_energybench.experiment.paper import publish as module
from pytest_energybench.experiment.paper.canvas import method_name
from pytest_energybench.experiment.paper.figures import PAPER_FIGURES
from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.publish import is_the_papers, publish
from pytest_energybench.report.build import run_view
from pytest_energybench.report.html import write_html
from pytest_energybench.results.run_file import write_run
from tests.experiment.paper import samples
from tests.report import samples as others

ROOT = Path(__file__).resolve().parents[3]
MOST_SVG_BYTES = 150_000
MOST_PAGE_BYTES = 1_500_000
TABLES = [
    "table_2_models",
    "table_6_steganographic",
    "table_7_pruning",
    "table_8_lowrank",
    "table_savings",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def published(few, folder):
    pytest.importorskip("matplotlib")
    return publish(few, folder)


@pytest.fixture(scope="module")
def few(run):
    """Two models with all methods: nine take four times as long to draw."""
    return samples.only(run, models=("resnet18", "vgg16"))


@pytest.fixture(scope="module")
def part(run):
    """The least that has something to show in every figure."""
    return samples.only(run, models=("resnet18",), methods=("baseline", "steganographic"))


def test_all_files_are_there(published, folder):
    assert sorted(path.name for path in (folder / "tables").iterdir()) == sorted(
        f"{stem}{ending}" for stem in TABLES for ending in (".csv", ".md")
    )
    stems = [path.stem for path in published.figures]
    assert [stem[:9] for stem in stems] == [f"figure_{number}_" for number in range(1, 7)]
    assert sorted(path.name for path in (folder / "figures").iterdir()) == sorted(
        f"{stem}{width}{ending}"
        for stem in stems
        for width in ("", "_88mm")
        for ending in (".svg", ".png")
    )
    assert (folder / "claims.md").read_text("utf-8").startswith("# Claims of the paper")
    assert not published.left_out


def test_figures_are_small_and_well_formed(published):
    for path in published.figures:
        assert path.stat().st_size < MOST_SVG_BYTES, path.name
        ElementTree.parse(path)
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_names_can_be_searched_in_the_svg(published):
    names = ["ResNet18", "VGG16"]
    for path in published.figures:
        text = "".join(ElementTree.parse(path).getroot().itertext())
        assert [name for name in names if name not in text] == []
    methods = "".join(ElementTree.parse(published.figures[1]).getroot().itertext())
    assert [m for m in map(method_name, samples.METHODS[1:]) if m not in methods] == []


def test_the_page_has_each_figure_and_table_once(few, published, folder):
    page = folder / "energy.html"
    write_html(run_view(few), page, [published.headline, *published.figures, *published.tables])
    text = page.read_text("utf-8")
    assert text.count("data:image/svg+xml;base64,") == 6
    for title in ("Claims of the paper", "Savings without and with", "Table 2:", "Table 8:"):
        assert title in text


def test_the_page_of_the_published_run_stays_small():
    assert (ROOT / "reports" / "reproduction" / "energy.html").stat().st_size <= MOST_PAGE_BYTES


def test_the_same_run_gives_the_same_bytes(few, published):
    stem = published.figures[1].with_suffix("")
    for ending, content in module.drawn(PAPER_FIGURES[1], Matrix.of(few)).items():
        assert stem.with_name(stem.name + ending).read_bytes() == content


def test_a_figure_with_nothing_to_show_is_left_out_and_said(part, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "figures").mkdir()
    for figure in PAPER_FIGURES:
        (tmp_path / "figures" / f"{figure.stem}.svg").write_text("of an earlier run")
    less = publish(samples.only(part, methods=("baseline",)), tmp_path)
    assert less.left_out == (
        "Figure 1 is left out: it needs steganographic cases",
        *(
            f"Figure {number} is left out: it needs a baseline and another method of the same model"
            f"{with_what}"
            for number, with_what in (
                (2, ", with energies"),
                (3, ""),
                (4, ", with energies and stored bytes"),
                (5, ", with epochs"),
                (6, ", with energies and epochs"),
            )
        ),
    )
    assert [list(row) for row in less.tables[-1].rows] == [[line] for line in less.left_out]
    assert not list((tmp_path / "figures").iterdir()), "figures of the run before are gone"


def test_a_run_of_something_else_leaves_the_folder_alone(tmp_path):
    assert publish(others.ci_run(), tmp_path) == module.Published()
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_a_line_says_so(run, tmp_path, monkeypatch):
    absent = module.importlib.util.find_spec
    monkeypatch.setattr(
        module.importlib.util,
        "find_spec",
        lambda name: None if name == "matplotlib" else absent(name),
    )
    old = tmp_path / "figures" / "figure_2_energy-and-accuracy.svg"
    old.parent.mkdir()
    old.write_text("of an earlier run")
    result = publish(run, tmp_path)
    assert result.figures == ()
    assert not old.exists()
    assert result.left_out == (
        "Figures 1 to 6 are not drawn: matplotlib is missing"
        " (pip install 'pytest-energybench[bench]')",
    )
    assert (tmp_path / "claims.md").exists()
    assert len(list((tmp_path / "tables").iterdir())) == 2 * len(TABLES)


def test_matplotlib_is_imported_only_to_draw(monkeypatch, tmp_path):
    """Everything else of the room works where matplotlib can't be imported."""
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        assert not name.startswith("matplotlib"), name
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr(module, "can_draw", lambda: False)
    assert publish(samples.paper_run(), tmp_path).tables


def test_the_page_made_from_a_run_file_has_them_too(part, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(module, "PAPER_FIGURES", PAPER_FIGURES[:2])
    write_run(part, tmp_path / "run.json")
    assert main(["report", str(tmp_path / "run.json"), "-o", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("data:image/svg+xml") == 2
    assert all(title in page for title in ("Claims of the paper", "Table 2", "Table 8"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "run.json"]


def test_other_cases_with_a_model_and_a_method_are_not_the_papers(run):
    other = samples.only(run, models=("resnet18",))
    renamed = [
        msgspec.structs.replace(case, params={**case.params, "model": "kettle"})
        for case in other.cases
    ]
    assert is_the_papers(other)
    assert not is_the_papers(msgspec.structs.replace(other, cases=renamed))
