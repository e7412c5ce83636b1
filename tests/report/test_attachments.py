"""Figures made elsewhere."""

import base64

import pytest

from pytest_energybench.report.attachments import embedded


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("figure_2_energy-accuracy.svg", "Figure 2: energy accuracy"),
        ("fig3.png", "Figure 3"),
        ("loss_curve.png", "Loss curve"),
    ],
)
def test_caption_comes_from_the_name(tmp_path, name, caption):
    (tmp_path / name).write_bytes(b"image")
    assert embedded(tmp_path / name).caption == caption


def test_the_file_travels_inside(tmp_path):
    path = tmp_path / "a.svg"
    path.write_bytes(b"<svg/>")
    uri = embedded(path).uri
    head, _, content = uri.partition(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(content) == b"<svg/>"


def test_what_a_page_cannot_show_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"a\.pdf is not an image"):
        embedded(tmp_path / "a.pdf")
