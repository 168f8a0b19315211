"""One page for Prometheus with everything: each server's metrics and the gateway's, by revision, and the loop's own."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx2

from rung.control.servers import revision_of
from rung.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rung.control._usage import Usage
    from rung.control.gateways import Gateways
    from rung.control.servers import Servers
    from rung.registry import Registry, Revision

_AT_ONCE = 8  # servers that are asked at a time
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?( .+)")
_CLUSTER = re.compile(r'envoy_cluster_name="([^"/]+)/(v[0-9]+)/(m[0-9]+)"')


@dataclass(slots=True)
class Family:
    """All samples of one name."""

    head: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Collects the pages of one platform."""

    registry: Registry
    servers: Servers
    gateways: Gateways
    usage: Usage

    def exposition(self, service: str | None = None) -> str:
        """Ask the gateway and every server that runs; one that does not answer has `rung_up` 0.

        Args:
            service: Of this one alone; None: of all, and what the gateway counts of all together.
        """
        watched = [one for one in self.registry.watched(datetime.now(UTC)) if service in {None, one.name.service}]
        names = {str(revision.name) for revision in watched}
        running = sorted(process for process in self.servers.alive() if revision_of(process) in names)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            pages = dict(zip(running, pool.map(self._page, running), strict=True))
        families: dict[str, Family] = {}
        for line in self._own(watched, pages):
            add(families, line)
        for name, page in pages.items():
            for line in (page or "").splitlines():
                add(families, line, labels=_labels(name))
        for line in map(_named, self._of_gateway().splitlines()):
            if service is None or line.startswith("#") or f'revision="{service}.' in line:
                add(families, line)
        told = (family for family in families.values() if family.lines)
        return "".join(f"{line}\n" for family in told for line in (*family.head, *family.lines))

    def _page(self, name: str) -> str | None:
        try:
            with self.servers.connect(name) as client:
                answer = client.get("/metrics")
        except httpx2.HTTPError:
            return None
        return answer.text if answer.is_success else None

    def _of_gateway(self) -> str:
        try:
            return self.gateways.own.exposition()
        except GatewayError:
            return ""  # `rung_gateway_up` says it

    def _own(self, watched: Iterable[Revision], pages: Mapping[str, str | None]) -> Iterable[str]:
        yield from _head("rung_gateway_up", "gauge", "Whether the gateway answers")
        yield f"rung_gateway_up {int(self.gateways.own.ready())}"
        yield from self._elsewhere(watched)
        yield from _head("rung_up", "gauge", "Whether a revision's server answers")
        for name, page in pages.items():
            yield f"rung_up{{{_labels(name)}}} {int(page is not None)}"
        yield from _head("rung_state", "gauge", "The state of a revision that is watched")
        for revision in watched:
            yield f'rung_state{{revision="{revision.name}",state="{revision.state}"}} 1'
        yield from self._alerts({one.name.service for one in watched})
        yield from _head("rung_memory_bytes", "gauge", "Memory of a revision's server, shared pages once")
        for name, size in self.usage.last().memory_bytes.items():
            if name in pages:
                yield f'rung_memory_bytes{{revision="{name}"}} {size:.0f}'

    def _elsewhere(self, watched: Iterable[Revision]) -> Iterable[str]:
        """Tell of the gateways elsewhere: their standing, and what they sent to each revision."""
        yield from _head("rung_gateway_standing", "gauge", "How far a gateway elsewhere is")
        for one in self.gateways.shown()[1:]:
            yield f'rung_gateway_standing{{gateway="{one["name"]}",standing="{one["standing"]}"}} 1'
        yield from _head("rung_gateway_requests_total", "counter", "Requests that gateways elsewhere sent")
        names = {str(revision.name) for revision in watched}
        for gateway, counts in self.gateways.counts_elsewhere().items():
            for name, count in counts.items():
                if name in names:
                    yield f'rung_gateway_requests_total{{gateway="{gateway}",revision="{name}"}} {count}'

    def _alerts(self, services: set[str]) -> Iterable[str]:
        """Count open alerts: of these services, and of the platform itself."""
        yield from _head("rung_alerts_open", "gauge", "Alerts that are open")
        found = Counter((one.service, one.kind, one.severity) for one in self.registry.alerts())
        for (service, kind, severity), count in sorted(found.items()):
            if service in services | {"*"}:
                yield f'rung_alerts_open{{service="{service}",kind="{kind}",severity="{severity}"}} {count}'


def _labels(process: str) -> str:
    revision, _, replica = process.partition("~")
    return f'revision="{revision}",replica="{replica or 1}"'


def add(families: dict[str, Family], line: str, *, labels: str = "") -> None:
    """Put a line of an exposition to its family, with further labels. Pure but for `families`.

    >>> families = {}
    >>> for line in ("# TYPE up gauge", 'up{route="a"} 1'):
    ...     add(families, line, labels='revision="housing.v1.m2"')
    >>> families["up"].lines
    ['up{revision="housing.v1.m2",route="a"} 1']
    """
    if line.startswith(("# HELP ", "# TYPE ")):
        family = families.setdefault(line.split(" ", 3)[2], Family())
        if line not in family.head and not family.lines:
            family.head.append(line)
        return
    found = _SAMPLE.fullmatch(line)
    if found is None:
        return  # an empty line, or a comment
    name, own, value = found.groups()
    told = ",".join(part for part in (labels, own) if part)
    family = families.setdefault(_family_of(name, families), Family())
    family.lines.append(f"{name}{{{told}}}{value}" if told else f"{name}{value}")


def _family_of(name: str, families: Mapping[str, Family]) -> str:
    """Name the family of a sample: that of a histogram has samples with three endings."""
    if name in families:
        return name
    stem = re.sub(r"_(bucket|sum|count|total|created)$", "", name)
    return stem if stem in families else name


def _named(line: str) -> str:
    """Give a sample of the gateway the revision that its cluster is."""
    return _CLUSTER.sub(r'revision="\1.\2.\3"', line)


def _head(name: str, kind: str, told: str) -> tuple[str, str]:
    return f"# HELP {name} {told}", f"# TYPE {name} {kind}"
