"""What nobody uses is left out, and let in for who does."""

from __future__ import annotations

import subprocess
import sys

LEFT_OUT = """
import sys
from meterbook.lean import leave_out, let_in
let_in()
leave_out()
leave_out()
import pyarrow
assert pyarrow.array([1, 2]).to_pylist() == [1, 2]
pyarrow.table({"a": [1]})
assert "pandas" not in sys.modules
try:
    import pandas
except ModuleNotFoundError as error:
    assert error.name == "pandas"
else:
    raise AssertionError("it is there")
let_in()
import pandas
leave_out()
import pandas
"""


def test_pandas_is_left_out_until_it_is_let_in() -> None:
    subprocess.run([sys.executable, "-c", LEFT_OUT], check=True)


WITHOUT = """
import sys
from meterbook.lean import without
with without("rich"):
    try:
        import rich
        raise AssertionError("it is there")
    except ModuleNotFoundError:
        pass
import rich
import meterbook.logs
"""


def test_a_library_is_done_without_only_while_another_is_loaded() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True)
