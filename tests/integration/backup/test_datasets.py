"""Datasets come back with all their versions, and go on from there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import polars as pl

from rung.backup import back_up, restore
from rung.data import Append, Catalogue, Replace, open_catalogue
from rung.objects import FolderObjects

from .conftest import Shop

if TYPE_CHECKING:
    from pathlib import Path


def save(shop: Shop, place: FolderObjects) -> None:
    with shop.registry() as registry:
        back_up(shop.workspace, registry, place)


def write(shop: Shop, *numbers: int, replace: bool = False) -> None:
    rows = pl.DataFrame({"number": numbers})
    open_catalogue(shop.workspace).write("houses", rows, how=Replace() if replace else Append())


def read(catalogue: Catalogue) -> list[list[int]]:
    return [sorted(catalogue.scan(version).collect()["number"]) for version in catalogue.versions("houses")]


def test_all_versions_come_back(shop: Shop, tmp_path: Path):
    place = FolderObjects(tmp_path / "backups")
    write(shop, 1)
    write(shop, 2, 3)
    write(shop, 4, replace=True)
    catalogue = open_catalogue(shop.workspace)
    catalogue.annotate("houses", owner="ann")
    catalogue.keep("houses", 2, "profile", {"rows": 3})
    save(shop, place)
    other = Shop.make(tmp_path / "elsewhere")
    restore(other.workspace, place)
    back = open_catalogue(other.workspace)
    assert read(back) == [[1], [1, 2, 3], [4]]
    assert back.versions("houses") == catalogue.versions("houses")
    assert back.entry("houses").owner == "ann"
    assert back.kept("houses", 2, "profile") == {"rows": 3}
    write(other, 5)
    assert read(back)[-1] == [4, 5]
    assert back.version("houses").number == 4


def test_backup_while_versions_are_written_is_of_one_moment(shop: Shop, tmp_path: Path):
    place = FolderObjects(tmp_path / "backups")
    write(shop, 0)
    end = threading.Event()

    def ingest() -> None:
        number = 0
        while not end.is_set():
            number += 1
            write(shop, number)

    thread = threading.Thread(target=ingest)
    thread.start()
    for _ in range(3):
        save(shop, place)
    end.set()
    thread.join()
    other = Shop.make(tmp_path / "elsewhere")
    restore(other.workspace, place)
    versions = read(open_catalogue(other.workspace))
    assert versions == [list(range(count + 1)) for count in range(len(versions))]
    write(other, -1)
    assert read(open_catalogue(other.workspace))[-1] == [-1, *versions[-1]]
