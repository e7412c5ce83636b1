"""Methods and models look different, in colour and without it."""

from pytest_energybench.experiment.paper.canvas import method_looks, method_name, model_looks
from tests.experiment.paper import samples

BEYOND = ("channel", "steganographic+lowrank", "steganographic+channel", "steganographic+pruning")


def test_methods_differ_in_colour_and_in_marker():
    looks = method_looks((*samples.METHODS, "autocast", *BEYOND)).values()
    assert len({look.colour for look in looks}) == len(looks)
    assert len({look.marker for look in looks}) == len(looks)


def test_a_method_looks_the_same_in_every_run():
    alone = method_looks(("baseline", "pruning"))
    assert alone["pruning"] == method_looks(samples.METHODS)["pruning"]


def test_models_differ_in_colour_and_in_marker():
    looks = model_looks(samples.MODELS).values()
    assert len({look.colour for look in looks}) == 9
    assert len({look.marker for look in looks}) == 9


def test_methods_have_names_for_people():
    assert method_name("amp") == "mixed precision"
    assert method_name("steganographic+channel") == "steganographic + channels"
    assert method_name("one-of-yours") == "one-of-yours"
