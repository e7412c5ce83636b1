"""Methods and models look different, in colour and without it."""

from pytest_energybench.experiment.paper.style import method_looks, model_looks
from tests.experiment.paper import samples

BEYOND = ("channel", "steganographic+lowrank", "steganographic+channel", "steganographic+pruning")


def luminance(colour):
    """Relative luminance 0 to 1 (ITU-R BT.709), without its gamma: enough to order greys."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_methods_differ_in_colour_and_in_marker():
    looks = method_looks((*samples.METHODS, *BEYOND)).values()
    assert len({look.colour for look in looks}) == len(looks)
    assert len({look.marker for look in looks}) == len(looks)


def test_bars_differ_without_colour():
    looks = list(method_looks((*samples.METHODS, *BEYOND)).values())
    for place, one in enumerate(looks):
        for other in looks[place + 1 :]:
            apart = abs(luminance(one.colour) - luminance(other.colour)) > 0.25
            assert one.hatch != other.hatch or apart, (one, other)


def test_a_method_looks_the_same_in_every_run():
    alone = method_looks(("baseline", "pruning"))
    assert alone["pruning"] == method_looks(samples.METHODS)["pruning"]


def test_models_differ_in_colour_and_in_marker():
    looks = model_looks(samples.MODELS).values()
    assert len({look.colour for look in looks}) == 9
    assert len({look.marker for look in looks}) == 9


def test_hatches_are_lines():
    """One of dots or stars is 130 kB of SVG."""
    looks = method_looks((*samples.METHODS, *BEYOND, "one more")).values()
    assert not any(set(look.hatch) & set(".o*O") for look in looks)
