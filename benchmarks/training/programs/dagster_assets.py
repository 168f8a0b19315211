"""The work as Dagster assets, made in this process. `dagster_assets.py noop TASKS SEED` or `real SEED`."""

# Dagster reads the annotations of an asset when it is declared: they may not be postponed.
import sys
from typing import Any

import workload
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    Config,
    DagsterInstance,
    FilesystemIOManager,
    RunConfig,
    asset,
    materialize,
)


class Settings(Config):
    """What a run is given."""

    seed: int


@asset
def task_0(config: Settings) -> int:
    """Begin the chain."""
    return config.seed + 1


def link(number: int) -> AssetsDefinition:
    """Make the asset that takes the one before it."""

    @asset(name=f"task_{number}", ins={"value": AssetIn(f"task_{number - 1}")})
    def add_one(value: int) -> int:
        return value + 1

    return add_one


@asset
def rows(config: Settings) -> dict[str, Any]:
    """Make the rows."""
    return workload.load_rows(config.seed)


@asset
def parts(rows: dict[str, Any]) -> dict[str, Any]:
    """Hold some rows out."""
    return workload.split_rows(rows)


@asset
def forest(config: Settings, parts: dict[str, Any]) -> Any:
    """Fit the forest."""
    return workload.fit_forest(parts, config.seed)


@asset
def figures(context: AssetExecutionContext, parts: dict[str, Any], forest: Any) -> dict[str, float]:
    """Score the forest and log its figures."""
    found = workload.score(parts, forest)
    context.add_output_metadata(found)
    return found


def run(assets: list[AssetsDefinition], seeded: tuple[str, ...], seed: int) -> None:
    """Make `assets` in this process; those in `seeded` take the seed."""
    settings = RunConfig({name: Settings(seed=seed) for name in seeded})
    with DagsterInstance.get() as instance:
        materialize(
            assets,
            instance=instance,
            run_config=settings,
            resources={"io_manager": FilesystemIOManager(base_dir="kept")},
        )


if __name__ == "__main__":
    if sys.argv[1] == "noop":
        run([task_0, *(link(number) for number in range(1, int(sys.argv[2])))], ("task_0",), int(sys.argv[3]))
    else:
        run([rows, parts, forest, figures], ("rows", "forest"), int(sys.argv[2]))
