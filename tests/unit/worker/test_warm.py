"""Warming up leaves nothing to be compiled while a worker works: a compilation holds all else for half a second."""

import os
import subprocess
import sys

# Names that compiled code refers to are compiled with it and show no types of their own.
LEFT = """
import sys
from numba.core.dispatcher import Dispatcher
import streams.worker
from streams.warm import warm
warm()
modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in ("scoring", "streams")]
made = {id(each): each for module in modules for each in vars(module).values() if isinstance(each, Dispatcher)}
within = {name for each in made.values() for name in each.py_func.__code__.co_names}
print("left:", *sorted(each.__name__ for each in made.values() if not each.signatures and each.__name__ not in within))
"""


def test_all_that_is_called_is_compiled() -> None:
    """But for what no worker calls: companions of the shop's knowledge, and log-odds of many rows at once."""
    environment = os.environ | {"RECOMPRA_RULES": "all"}
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "left: _cut _first linear_logits"
