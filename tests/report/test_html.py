"""The page as text: what it holds, what it must never let through, how large it gets."""

import base64
import hashlib
import re
import subprocess
import sys

import msgspec
import pytest

from pytest_energybench.report import html
from pytest_energybench.report.attachments import Table
from pytest_energybench.report.build import run_view
from pytest_energybench.report.html import render_html, write_html
from pytest_energybench.results.model import (
    Case,
    Commit,
    Comparison,
    Host,
    Machine,
    MeterInfo,
    Result,
    Round,
    Run,
    Search,
    Series,
    StoredRun,
    Window,
)
from tests.report import samples
from tests.report.outline import outline

EVIL = (
    "</noscript></script></style><script>alert(1)</script><img src=x onerror=alert(1)>"
    "\"'><b>&{{7*7}}"
)


def evil_run():
    """Each string that comes from outside holds an injection, marked with its field's name."""

    def evil(field):
        return f"{field}{EVIL}"

    result = Result(kind="fail", reason=evil("reason"), text=evil("text"))
    window = Window(
        name=evil("window"),
        started=evil("started"),
        duration_s=1,
        energy_j={},
        total_j=1.0,
        provenance={},
        flags=[evil("windowflag")],
        errors=[evil("windowerror")],
    )
    domain = evil("domain")
    case = Case(
        nodeid=evil("nodeid"),
        name=evil("name"),
        group=evil("group"),
        expected=evil("expected"),
        params={evil("param"): evil("paramvalue")},
        rounds=[
            Round(
                started=evil("r"),
                duration_s=1,
                energy_j={domain: 1.0},
                total_j=t,
                flags=[evil("roundflag")],
            )
            for t in (1.0, 1.1)
        ],
        total_j=1.0,
        energy_j={domain: 1.0},
        provenance={domain: "measured"},
        metrics={evil("metric"): evil("metricvalue"), "accuracy": 0.9},
        windows=[window],
        search=Search(
            parameter=evil("searched"),
            found=1,
            curve=[(1.0, 0.9), (2.0, 0.8)],
            evaluations=1,
            images=1,
        ),
        series=[
            Series(name=evil("series"), x=evil("x"), unit=evil("unit"), points=[(0, 1), (1, 2)])
        ],
        flags=[evil("flag")],
        errors=[evil("error")],
        comparisons=[
            Comparison(
                reference=evil("reference"),
                name=evil("refname"),
                nodeid=evil("other"),
                finding=evil("finding"),
                estimate=0.1,
                interval=(0.0, 0.2),
                method=evil("meth"),
                judged=result,
            ),
            Comparison(reference="stored", name=evil("v"), finding=evil("found"), estimate=0.1),
        ],
        result=result,
    )
    other = msgspec.structs.replace(case, nodeid=evil("second"), name=evil("second"))
    paper = [
        msgspec.structs.replace(c, params={"model": evil("model"), "method": evil("method")})
        for c in (case, other)
    ]
    return Run(
        created=evil("created"),
        commits=[Commit(id=evil("commit"), branch=evil("branch"), subject=evil("subject"))],
        machine=Machine(
            fingerprint=evil("print"),
            cpu=evil("cpu"),
            cores=1,
            memory_bytes=1,
            gpus=[evil("gpu")],
            os=evil("os"),
            python=evil("python"),
            hostname=evil("host"),
        ),
        meters=[
            MeterInfo(
                domain=domain, source=evil("source"), provenance="measured", note=evil("note")
            )
        ],
        settings={
            evil("setting"): evil("settingvalue"),
            "carbon_intensity": 100,
            "carbon_intensity_source": evil("carbon"),
        },
        cases=paper,
        errors=[evil("runerror")],
        failures=[evil("failure")],
        compared_with=StoredRun(
            name=evil("storedname"),
            created="2026",
            commit=Commit(id=evil("c")),
            differences=[evil("difference")],
            stale=[evil("stale")],
            not_run=[evil("notrun")],
            noise=evil("noise"),
        ),
    )


FIELDS = {
    *("nodeid", "name", "second", "group", "model", "method", "param", "paramvalue", "metric"),
    *("metricvalue", "reason", "meth", "finding", "flag", "roundflag", "window", "windowflag"),
    *("windowerror", "error", "domain", "searched", "series", "unit", "source", "note", "created"),
    *("branch", "subject", "print", "cpu", "gpu", "os", "python", "host", "setting"),
    *(
        "settingvalue",
        "carbon",
        "runerror",
        "failure",
        "difference",
        "stale",
        "notrun",
        "expected",
        *("storedname", "noise"),
        "title",
        "head",
        "cell",
        "text",
        "refname",
    ),
}


def test_nothing_from_outside_becomes_markup():
    paper = evil_run()
    params = {f"param{EVIL}": f"paramvalue{EVIL}"}
    cases = [msgspec.structs.replace(case, params=params) for case in paper.cases]
    table = Table(title=f"title{EVIL}", header=[f"head{EVIL}"], rows=[[f"cell{EVIL}"]], note=EVIL)
    said = ""
    for run in (paper, msgspec.structs.replace(paper, cases=cases)):
        page = outline(render_html(run_view(run), [table]))
        assert page.tags.count("script") == 1
        assert page.tags.count("style") == 1
        assert "img" not in page.tags
        assert not [name for _, name, _ in page.attributes if name.startswith("on")]
        said += "".join(page.text) + "".join(str(value) for _, _, value in page.attributes)
    assert {field for field in FIELDS if f"{field}{EVIL}" in said} == FIELDS


@pytest.mark.parametrize("make", [evil_run, samples.ci_run])
def test_a_packed_panel_is_the_same_panel(make, monkeypatch):
    """A browser that runs scripts reads what is packed up to its end as text, and parses it once
    it is opened: the same markup, and nothing in it that would end it sooner."""
    plain = render_html(run_view(make()))
    monkeypatch.setattr(html, "PACKED_FROM", 1)
    packed = render_html(run_view(make()))
    assert packed.count("<noscript>") == packed.count("</noscript") == len(make().cases)
    assert packed.replace("<noscript>", "").replace("</noscript>", "") == plain


@pytest.mark.parametrize("make", [samples.paper_run, samples.ci_run, samples.empty_run])
def test_policy_allows_exactly_the_pages_own_style_and_script(make):
    page = render_html(run_view(make()))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none';")
    for kind in ("style", "script"):
        content = re.search(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    attributes = outline(page).attributes
    assert "style" not in [name for _, name, _ in attributes]
    outside = [v for _, n, v in attributes if n in ("src", "href") and not v.startswith("#")]
    assert outside == []


@pytest.mark.parametrize("make", [samples.paper_run, samples.ci_run, evil_run])
def test_ids_are_unique_and_links_arrive(make):
    attributes = outline(render_html(run_view(make()))).attributes
    ids = [value for _, name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {value[1:] for _, name, value in attributes if name == "href"}
    labelled = {value for _, name, value in attributes if name == "aria-labelledby"}
    assert links | labelled <= set(ids)


def test_parts_come_in_the_order_of_deciding_and_are_folded(paper):
    page = render_html(run_view(paper))
    parts = re.findall(r'<details class="part" id="([\w-]+)"( open)?>', page)
    names = ["cases", "baseline", "accuracy", "provenance", "reading"]
    assert parts == [(name, "") for name in names]
    assert page.index("<h1>") < page.index('<section id="look"') < page.index('id="cases"')


def test_every_ratio_of_an_estimate_is_called_a_time_ratio(paper, ci):
    page = render_html(run_view(paper))
    assert "Energy is estimated from CPU time here: every energy ratio is a time ratio" in page
    table = page[page.index('<table id="table"') :]
    assert "vs baseline (time ratio)" in table
    panels = re.findall(r"<b>[^<]*%</b>(?: \([^)]*\))?(, a time ratio)?", table)
    assert len(panels) == 27
    assert all(panels)
    without_legend = render_html(run_view(ci)).split('id="reading"')[0]
    assert "time ratio" not in without_legend


def test_a_search_shows_when_it_has_paid(paper):
    page = render_html(run_view(paper))
    assert "pays after 1 training (0.62)" in page
    assert "pay: training saved nothing" in page


def test_a_flagged_case_says_so_in_its_row(ci):
    assert render_html(run_view(ci)).count("⚑ flagged") == 1


def test_figures_and_tables_are_taken_in(paper, tmp_path):
    figure = tmp_path / "figure_2_energy.svg"
    figure.write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    table = Table("Table 6", ["Model", "Paper", "Ours"], [["AlexNet", "0.511", "0.958"]])
    page = render_html(run_view(paper), [figure, table])
    assert '<img src="data:image/svg+xml;base64,' in page
    assert 'alt="Figure 2: energy"' in page
    assert "<summary><h2>Table 6</h2></summary>" in page
    outline(page)


@pytest.mark.parametrize(
    "case",
    [
        Case(nodeid="a", name="a"),
        Case(nodeid="x" * 5_000, name="ü日本🔋" * 200, total_j=1e-9, duration_s=1e9),
        Case(nodeid="\x00\ud800\u202e", name="", total_j=0.0, energy_j={"cpu": 0.0}),
        Case(nodeid="n", name="n", outcome="skipped"),
    ],
)
def test_odd_cases_make_a_whole_page(case, tmp_path):
    path = tmp_path / "report.html"
    write_html(run_view(Run(machine=samples.MACHINE, cases=[case])), path)
    outline(path.read_text("utf-8"))


def test_each_case_says_on_which_of_several_hosts_it_ran(ci):
    hosts = [
        Host(
            name=f"host {number}",
            machine=msgspec.structs.replace(ci.machine, cpu=f"CPU {number}", hostname=name),
            meters=ci.meters,
        )
        for number, name in ((1, None), (2, "rack-7"))
    ]
    cases = [msgspec.structs.replace(case, host="host 2") for case in ci.cases]
    page = render_html(run_view(msgspec.structs.replace(ci, cases=cases, hosts=hosts)))
    assert page.count("· on host 2") == len(cases)
    assert "CPU 1, " in page
    assert "rack-7, CPU 2, " in page
    assert "Meters of all hosts" in page


def test_nothing_metered_says_how_to():
    page = render_html(run_view(samples.empty_run()))
    assert "No case was metered in this run." in page
    assert "<code>energy</code> fixture" in page
    assert "<table id" not in page


def test_a_page_is_replaced_as_a_whole(ci, tmp_path):
    path = tmp_path / "deep" / "report.html"
    write_html(run_view(ci), path)
    write_html(run_view(ci), path)
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


def test_the_papers_run_stays_small(paper):
    cases = [
        *paper.cases,
        *(msgspec.structs.replace(c, nodeid=f"{c.nodeid}2") for c in paper.cases[:9]),
    ]
    page = render_html(run_view(msgspec.structs.replace(paper, cases=cases)))
    assert len(page.encode()) <= 1_500_000


LARGE = """
import sys, time
from pathlib import Path
from pytest_energybench.report.build import run_view
from pytest_energybench.report.html import write_html
from pytest_energybench.results.run_file import write_run
from tests.processes import peak_bytes
from tests.report.samples import big_run
from msgspec.structs import replace
def seconds(run):
    start = time.process_time()
    write_run(run, Path(sys.argv[1]) / "run.json")
    write_html(run_view(run), Path(sys.argv[1]) / "run.html")
    return time.process_time() - start
run = big_run()
seconds(replace(run, cases=run.cases[:10]))  # what is loaded and compiled once
few, many = seconds(replace(run, cases=run.cases[:500])), seconds(run)
print(few, many, peak_bytes(), (Path(sys.argv[1]) / "run.html").stat().st_size)
"""


def test_time_grows_no_faster_than_cases_and_two_thousand_stay_small(tmp_path, pytestconfig):
    """In processor seconds; a square would take sixteen times as long for four times as many."""
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=pytestconfig.rootpath,
    )
    few, many, memory, page = map(float, done.stdout.split())
    assert many <= 8 * few
    assert memory <= 250e6
    assert page <= 6e6


def test_importing_a_report_pulls_in_nothing_heavy(pytestconfig):
    code = (
        "import sys, pytest_energybench.report.html, pytest_energybench.report.terminal;"
        "print({'pytest', 'torch', 'numpy', 'pynvml', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=pytestconfig.rootpath,
    )
    assert done.stdout.strip() == "set()"


def test_cells_of_words_are_set_as_words_and_figures_as_figures(paper):
    for prose, expected in ((True, "<td>0.5</td>"), (False, '<td class="n">0.5</td>')):
        page = render_html(run_view(paper), [Table("T", ["a", "b"], [["x", "0.5"]], prose=prose)])
        assert expected in page
