"""Whether two figures may stand side by side; each is one of its own machine."""

import msgspec
import pytest

from pytest_energybench.results.compatibility import differences, heads, numbered, with_hosts
from pytest_energybench.results.merge import Part, merge
from pytest_energybench.results.model import Host, MeterInfo
from tests.results.samples import MACHINE, METERS, make_case, make_run


def test_runs_of_one_machine_and_setting_are_alike():
    assert differences(make_run(), make_run()) == []


def test_the_name_of_the_host_is_no_difference_and_the_fingerprint_decides():
    named = msgspec.structs.replace(MACHINE, hostname="a")
    assert differences(make_run(machine=named), make_run()) == []
    same = msgspec.structs.replace(MACHINE, cores=64)
    assert differences(make_run(machine=same), make_run()) == []


def test_another_version_of_a_library_is_no_difference():
    updated = msgspec.structs.replace(MACHINE, python="CPython 9.9", libraries={"torch": "9.9"})
    assert differences(make_run(machine=updated), make_run()) == []


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


OTHER = msgspec.structs.replace(MACHINE, fingerprint="x", cpu="Another CPU")
HOSTS = [
    Host(name="host 1", machine=MACHINE, meters=METERS, settings={"device": "cpu"}),
    Host(name="host 2", machine=OTHER, settings={"device": "cuda"}),
]


def test_each_host_has_a_head_of_its_own():
    run = make_run(hosts=HOSTS)
    found = heads(run)
    assert found[None] is run
    assert (found["host 2"].machine, found["host 2"].meters) == (OTHER, [])
    assert found["host 2"].settings == {"device": "cuda"}


def test_the_run_itself_says_what_the_first_host_is():
    run = with_hosts(make_run(machine=OTHER), HOSTS)
    assert (run.machine, run.settings, run.hosts) == (MACHINE, {"device": "cpu"}, HOSTS)
    assert with_hosts(run, ()) is run


def test_hosts_of_several_runs_are_counted_through():
    several = make_run(
        make_case("a", 1.0, host="host 1"),
        make_case("b", 1.0, host="host 2"),
        make_case("never_ran", 1.0, host=None),
        hosts=HOSTS,
    )
    one = make_run(make_case("c", 1.0), machine=OTHER)
    hosts, cases = numbered([one, several])
    assert [(host.name, host.machine) for host in hosts] == [
        ("host 1", OTHER),
        ("host 2", MACHINE),
        ("host 3", OTHER),
    ]
    assert [(case.name, case.host) for case in cases] == [
        ("c", "host 1"),
        ("a", "host 2"),
        ("b", "host 3"),
        ("never_ran", None),
    ]


@pytest.mark.parametrize("unlike", [True, False])
def test_shards_of_unlike_machines_keep_them_and_others_need_not(unlike):
    first = make_run(make_case("a", 1.0))
    second = make_run(make_case("b", 1.0), machine=OTHER if unlike else MACHINE)
    parts = [Part("1.json", first), Part("2.json", second)]
    run = merge(parts, join=list, allow_mismatch=True).run
    assert [case.host for case in run.cases] == (["host 1", "host 2"] if unlike else [None, None])
    assert [host.machine for host in run.hosts] == ([MACHINE, OTHER] if unlike else [])


def test_another_version_of_an_estimate_is_another_meter():
    def run(version):
        meters = [msgspec.structs.replace(each, estimate_version=version) for each in METERS]
        return make_run(meters=meters)

    assert differences(run(2), run(2)) == []
    assert differences(run(2), run(1)) == [
        "cpu is estimated by cpu-time, version 2 here and estimated by cpu-time, version 1 there",
        "ram is estimated by ram-size, version 2 here and estimated by ram-size, version 1 there",
    ]
    assert len(differences(run(2), make_run())) == 2  # from before there were versions


def test_a_machine_without_a_name_is_comparable_with_none():
    nameless = msgspec.structs.replace(MACHINE, cpu="")
    (why,) = differences(make_run(machine=nameless), make_run(machine=nameless))
    assert why == "the processor has no name here or there, so the machines can't be told apart"
