"""Doctests ask for energy by `getfixture`.

>>> energy, work = getfixture("energy"), getfixture("work")
>>> with energy.measure():
...     work(10.0)
>>> energy.assert_below("20 J")
"""


def over():
    """
    >>> energy, work = getfixture("energy"), getfixture("work")
    >>> with energy.measure():
    ...     work(10.0)
    >>> energy.assert_below("5 J")
    """
