"""Run a module of Hamilton functions, cached: `hamilton_run.py MODULE LAST SEED`. The chain's module is generated."""

from __future__ import annotations

import importlib
import sys

from hamilton import driver

if __name__ == "__main__":
    functions = importlib.import_module(sys.argv[1])
    graph = driver.Builder().with_modules(functions).with_cache(path="kept").build()
    graph.execute([sys.argv[2]], inputs={"seed": int(sys.argv[3])})
