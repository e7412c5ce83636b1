"""Cases of one run on several machines: each figure stays a figure of its own machine."""

import msgspec
import pytest

from pytest_energybench.results.hosts import heads, numbered, with_hosts
from pytest_energybench.results.merge import Part, merge
from pytest_energybench.results.model import Host
from tests.results.samples import MACHINE, METERS, make_case, make_run

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
    run = merge(parts, allow_mismatch=True).run
    assert [case.host for case in run.cases] == (["host 1", "host 2"] if unlike else [None, None])
    assert [host.machine for host in run.hosts] == ([MACHINE, OTHER] if unlike else [])
