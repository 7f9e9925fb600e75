"""What every test shares: how hypothesis searches. CI always tries the same examples, a developer new ones.

Where nothing else is said a few examples have to do; ``--hypothesis-profile thorough`` tries many.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "thorough",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    derandomize=bool(os.environ.get("CI")),
)
settings.register_profile("few", settings.get_profile("thorough"), max_examples=10)
settings.load_profile("few")
