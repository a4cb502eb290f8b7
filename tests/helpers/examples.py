"""How many examples the property tests draw, and how.

The profile "repeat" draws the same examples in every run. The profile "explore" draws other ones each time, and five
times as many: ``make explore``.
"""

from contextlib import suppress

from hypothesis import HealthCheck, settings

# No example fails for its time, which depends on what else the machine does. Examples leave nothing in fixtures.
EITHER = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}


def register_profiles():
    """Register both profiles, and make "repeat" the default."""
    settings.register_profile("repeat", derandomize=True, max_examples=100, **EITHER)
    settings.register_profile("explore", derandomize=False, max_examples=500, **EITHER)
    settings.load_profile("repeat")
    # Hypothesis also draws constants that it finds in the source of the modules imported so far, which depend on the
    # order of the tests and on how many processes share them. Releases without this module do not.
    with suppress(ImportError, AttributeError):
        from hypothesis.internal.conjecture import providers

        no_constants = providers._local_constants
        providers._get_local_constants = lambda: no_constants


def examples_times(factor):
    """Draw this many times the examples of the profile, instead of a number that overrides any profile."""
    return settings(max_examples=max(1, round(factor * settings().max_examples)))
