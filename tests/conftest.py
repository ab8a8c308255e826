"""For the whole suite: hypothesis minds laws and not clocks, which on a shared machine lie."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("suite")
