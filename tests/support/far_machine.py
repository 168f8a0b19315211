"""A machine elsewhere, made of a network of its own on this one: its cable can be pulled, and nobody is told."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class FarMachine:
    """What runs by `within` has the address alone; from there, this machine is `near`."""

    name: str
    address: str
    near: str

    def within(self, *command: str) -> list[str]:
        """Give the command that runs another one there."""
        return ["ip", "netns", "exec", self.name, *command]

    def cut(self) -> None:
        """Pull the cable: what is sent gets lost, and connections are not closed."""
        _ip("-n", self.name, "link", "set", "far", "down")


@contextlib.contextmanager
def far_machine(number: int) -> Iterator[FarMachine]:
    """Give a machine for as long as the block lasts; skips the test where that takes rights that one has not.

    Args:
        number: Of the machine, 1 to 250: two at once have two.
    """
    net, cable = f"10.231.{number}", f"rung-{os.getpid() % 100_000}-{number}"  # an interface's name has 15 characters
    machine = FarMachine(name=cable, address=f"{net}.2", near=f"{net}.1")
    try:
        _ip("netns", "add", cable)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("a machine elsewhere takes `ip` and the right to make networks (root)")
    try:
        _ip("link", "add", cable, "type", "veth", "peer", "name", "far", "netns", cable)
        _ip("addr", "add", f"{machine.near}/24", "dev", cable)
        _ip("link", "set", cable, "up")
        _ip("-n", cable, "addr", "add", f"{machine.address}/24", "dev", "far")
        _ip("-n", cable, "link", "set", "far", "up")
        _ip("-n", cable, "link", "set", "lo", "up")
        yield machine
    finally:
        subprocess.run(["ip", "link", "del", cable], check=False, capture_output=True)  # at once, as the network is not
        _ip("netns", "del", cable)


def _ip(*words: str) -> None:
    subprocess.run([shutil.which("ip") or "ip", *words], check=True, capture_output=True)
