"""Whether two runs' figures may stand side by side."""

import msgspec

from pytest_energybench.results.alike import differences
from pytest_energybench.results.model import MeterInfo
from tests.results.samples import MACHINE, METERS, make_run


def test_runs_of_one_machine_and_setting_are_alike():
    assert differences(make_run(), make_run()) == []


def test_the_name_of_the_host_is_no_difference_and_the_fingerprint_decides():
    named = msgspec.structs.replace(MACHINE, hostname="a")
    assert differences(make_run(machine=named), make_run()) == []
    same = msgspec.structs.replace(MACHINE, cores=64)
    assert differences(make_run(machine=same), make_run()) == []


def test_every_part_of_the_machine_that_differs_is_listed():
    other = msgspec.structs.replace(MACHINE, fingerprint="x", cores=8, gpus=["H", "H"])
    assert differences(make_run(), make_run(machine=other)) == [
        "cores is 2 here and 8 there",
        "gpus is none here and H, H there",
    ]


def test_a_domain_that_only_one_run_meters_is_a_difference():
    gpu = MeterInfo(domain="gpu:0", source="nvml", provenance="measured")
    assert differences(make_run(meters=[*METERS, gpu]), make_run()) == [
        "gpu:0 is measured by nvml here and not metered there"
    ]


def test_a_meters_note_or_error_is_no_difference():
    noted = [msgspec.structs.replace(meter, note="x", error=0.1) for meter in METERS]
    assert differences(make_run(meters=noted), make_run()) == []


def test_settings_differ_by_value_and_by_being_there_but_for_those_ignored():
    here = make_run(settings={"pue": 1.0, "seed": 1, "data": "digits"})
    there = make_run(settings={"pue": 1.58, "seed": 2})
    expected = ["data is digits here and not set there", "seed is 1 here and 2 there"]
    assert differences(here, there) == expected
    assert differences(here, there, ignore=()) == [
        expected[0],
        "pue is 1.0 here and 1.58 there",
        expected[1],
    ]
