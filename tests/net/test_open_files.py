from __future__ import annotations

import subprocess
import sys

from gateway.net.open_files import most_open_files

LOWERED = """
import resource
from gateway.net.open_files import most_open_files, raise_limit
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
print(raise_limit() == most_open_files(), raise_limit() == most_open_files())
"""


def test_a_low_limit_is_raised_as_far_as_it_may() -> None:
    words = [sys.executable, "-c", LOWERED]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


def test_the_most_is_a_number() -> None:
    assert most_open_files() > 64
