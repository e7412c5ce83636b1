"""Work that a call only makes: coroutines and generators."""

from __future__ import annotations

import pytest

from tests.field.suites import locks_of_its_own, only_this_plugin, suite  # noqa: F401


def test_they_are_refused_in_a_line_that_says_what_to_do(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makepyfile(
        """
        import conftest

        async def work():
            conftest.METER.clock.advance(1.0)

        async def cheap():
            conftest.METER.clock.advance(0.01)

        def generator():
            conftest.METER.clock.advance(1.0)
            yield 1

        def test_coroutine(energy):
            energy(work)
            energy.assert_below("0.1 J")

        def test_compare(energy):
            energy.compare(work, cheap, rounds=3).assert_within("100 %")

        def test_generator(energy):
            energy(generator)
            energy.assert_below("0.1 J")
        """
    )
    result = suite.runpytest("-W", "error")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "E * energy: work returned a coroutine, so its work would not be metered: pass *",
            "E * energy: cheap returned a coroutine, *",
            "E * energy: generator returned a generator, *: pass *list(generator())*",
        ]
    )


def test_what_goes_on_working_after_the_call_is_refused_and_what_has_ended_is_metered(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(
        """
        import csv, itertools, multiprocessing.pool, subprocess, sys, threading
        from concurrent.futures import ThreadPoolExecutor
        import pytest

        FOREVER = threading.Event()

        def process(code="input()"):
            return subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE)

        def thread(work=FOREVER.wait):
            made = threading.Thread(target=work, daemon=True)
            made.start()
            return made

        POOL = multiprocessing.pool.ThreadPool(8)

        def task(work=FOREVER.wait):
            return POOL.apply_async(work)

        def pairs():
            return zip(map(abs, [1]), [2])

        def chained():
            return itertools.chain(map(abs, [1]))

        def mapped():
            return POOL.imap(abs, [1])

        def rows():
            return csv.reader(map(str, [1]))

        async def work():
            pass

        def several():
            return [None, work()]

        EXECUTOR = ThreadPoolExecutor(1)

        def submitted(work=FOREVER.wait):
            return None, EXECUTOR.submit(work)

        @pytest.mark.parametrize(
            "begun",
            [process, thread, task, pairs, chained, mapped, rows, several, submitted],
        )
        def test_refused(energy, begun):
            with pytest.raises(TypeError, match="so its work would not be metered: pass what"):
                energy(begun, iterations=1)
            with pytest.raises(TypeError, match="so its work would not be metered: pass what"):
                energy.compare(int, begun, rounds=1, warmup=0)

        def quick():
            with ThreadPoolExecutor(1) as executor:
                return None, executor.submit(int)

        def ended(begun, wait, **kwargs):
            made = begun(**kwargs)
            wait(made)
            return made

        @pytest.mark.parametrize(("begun", "wait", "kwargs"), [
            (process, lambda made: made.communicate(), {"code": ""}),
            (thread, lambda made: made.join(), {"work": int}),
            (task, lambda made: made.wait(), {"work": int}),
            (quick, lambda made: made[1].result(), {}),
        ])
        def test_metered(energy, begun, wait, kwargs):
            energy(ended, begun, wait, iterations=1, **kwargs)
            assert len(energy.case().rounds) == 1

        def test_a_setup_may_start_what_the_call_works_with(energy):
            energy(lambda made: made.communicate(), setup=process)
            energy(lambda numbers: list(numbers), setup=lambda: iter([1]))

        @pytest.fixture(scope="module", autouse=True)
        def all_end():
            yield
            FOREVER.set()
            POOL.terminate()
            EXECUTOR.shutdown()
        """
    )
    suite.runpytest_subprocess().assert_outcomes(passed=14)
