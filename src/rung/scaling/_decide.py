"""The decision: how many replicas there should be. It looks at averages, rises at once and falls late.

As Knative's autoscaler has it, what is usual (30 s) decides, unless what is sudden (3 s) is far above it; as the
horizontal autoscaler of Kubernetes has it, there is a band in which nothing is done, a limit to how fast the number
rises, and the highest number of a cool-down counts before it falls. What is our own: a fall that soon had to be taken
back makes the next one wait twice as long, so that a target which no replica can reach does not make the number swing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from rung.scaling._load import LEAST_SAMPLES, STABLE_S, STALE_S, SUDDEN_S

if TYPE_CHECKING:
    from rung.infrastructure import Autoscaling
    from rung.scaling._load import Load, Sample

TOLERANCE = 0.1
"""Share of the target, above and below, in which nothing changes."""
SUDDEN_TIMES = 2.0
"""Load that is so many times what the replicas should have is sudden."""
_CHANCE = 3.0
"""Standard deviations of a count that come about by chance (Poisson): what is sudden is beyond them."""
RISE_S = 15.0
"""In so many seconds the number rises to the double at the most, ..."""
RISE_BY = 4
"""... or by so many."""
MOST_REGRETS = 4
"""So often the cool-down is doubled at the most."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Lull:
    """A time in which fewer replicas would have been enough."""

    since: float  # seconds
    highest: int  # replicas that the busiest moment of it asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What one decision leaves to the next one of the same revision.

    The shell keeps it as it is. After a restart `Memory(replicas=N)`, with those that there are, is enough: cool-downs
    begin anew, and nothing is taken away too early.
    """

    replicas: int  # decided last, the starting ones among them
    sudden_at: float | None = None  # when load was last found to be sudden, seconds
    rise_at: float | None = None  # when the present rise began, seconds
    rise_from: int = 0  # replicas at that time
    lull: Lull | None = None
    fell_at: float | None = None  # when the number last fell, if that has not been regretted, seconds
    regrets: int = 0  # falls that soon were taken back, forgotten one by one
    busy_at: float | None = None  # when somebody last asked, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many replicas there should be, and why."""

    replicas: int
    because: str  # one sentence
    memory: Memory  # for the next decision


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """What one of the targets asks for."""

    replicas: float  # 2.5: two would be busier than aimed at, three less
    told: str
    is_sudden: bool  # beyond what chance does to it

    @classmethod
    def of(cls, amount: float, target: float, replicas: int, *, told: str, is_count: bool) -> _Need:
        by_chance = 1 + _CHANCE / math.sqrt(target * replicas) if is_count else 0.0
        return cls(
            replicas=amount / target,
            told=f"{_brief(amount)} {told}, {_brief(target)} per replica aimed at",
            is_sudden=amount >= target * replicas * max(SUDDEN_TIMES, by_chance),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needs:
    """What is asked for at one moment."""

    usual: _Need
    sudden: _Need
    is_sudden: bool
    is_known: bool  # measured for long enough to say what is usual
    is_whole: bool  # everything that is aimed at was measured


def decide(spec: Autoscaling, seen: Load, memory: Memory, now: float) -> Decision:
    """Decide how many replicas of a revision there should be.

    Call it with every new sample. Whoever applies it brings `ready` of later samples to `replicas`, and never starts
    more because some are slow to start: those are counted already. It holds what there is whenever it cannot know.

    Args:
        spec: What the revision declares.
        seen: What was measured; with a `target_cpu`, samples should have `cpu`.
        memory: What the decision before left.
        now: Seconds, of the clock of the samples.

    >>> from rung.infrastructure import Autoscaling
    >>> from rung.scaling import Load, Sample
    >>> spec = Autoscaling(minimum=1, maximum=6, target_concurrency=8)
    >>> samples = tuple(Sample(at=at / 2, in_flight=30, arrived=40, ready=1) for at in range(8))
    >>> decision = decide(spec, Load(samples=samples), Memory(replicas=1), 3.5)
    >>> decision.replicas
    4
    >>> decision.because
    'raised from 1 to 4: 30 requests in flight over 3 s, 8 per replica aimed at'
    """
    memory = replace(memory, replicas=min(max(memory.replicas, spec.minimum), spec.maximum))
    if spec.minimum == spec.maximum:
        return _stay(Memory(replicas=memory.replicas), "neither fewer nor more are declared")
    recent = seen.since(now - STALE_S, now)
    if memory.replicas == 0:
        return _wake(spec, recent, memory, now)
    needs = _needs(spec, seen, memory.replicas, now) if len(recent) >= LEAST_SAMPLES else None
    if needs is None:
        return _hold(seen, memory, now)
    memory = _reminded(seen, needs, memory, now)
    if _may_sleep(spec, memory, now):
        asleep = Memory(replicas=0, fell_at=now, busy_at=memory.busy_at)
        return _to(asleep, memory.replicas, f"no request for {spec.sleeps_after_s:g} s")
    return _move(spec, needs, memory, _Now(at=now, ready=recent[-1].ready))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    """The moment of a decision."""

    at: float  # seconds
    ready: int  # replicas that answer


def _hold(seen: Load, memory: Memory, now: float) -> Decision:
    """Change nothing, and let no lull or idleness count through a time of which nothing is known."""
    past = [one.at for one in seen.samples if one.at <= now]
    why = f"too few measurements, the last one {now - past[-1]:.1f} s ago" if past else "nothing was measured yet"
    return _stay(replace(memory, lull=None, busy_at=now), f"held, {why}")


def _wake(spec: Autoscaling, recent: list[Sample], memory: Memory, now: float) -> Decision:
    asked = [one for one in recent if not one.is_idle and (memory.fell_at is None or one.at > memory.fell_at)]
    if not asked:
        return _stay(memory, "asleep, nobody asks")
    waiting = max(1.0, *(one.demand for one in asked))
    wanted = 1 if spec.target_concurrency is None else _whole(waiting / spec.target_concurrency)
    replicas = min(wanted, RISE_BY, spec.maximum)
    woken = Memory(replicas=replicas, rise_at=now, rise_from=0, busy_at=now)
    return _to(woken, 0, f"{waiting:.0f} waiting for one that is awake")


def _needs(spec: Autoscaling, seen: Load, replicas: int, now: float) -> _Needs | None:
    """Give what is asked for; None: nothing that is aimed at was measured."""
    usual = _over(spec, seen, replicas, now=now, over_s=STABLE_S)
    sudden = _over(spec, seen, replicas, now=now, over_s=SUDDEN_S)
    if not sudden:
        return None
    return _Needs(
        usual=max(usual, key=_by_replicas),
        sudden=max(sudden, key=_by_replicas),
        is_sudden=any(one.is_sudden for one in sudden),
        is_known=seen.covers(STABLE_S / 2, now=now),
        is_whole=len(sudden) == (spec.target_concurrency is not None) + (spec.target_cpu is not None),
    )


_by_replicas = attrgetter("replicas")


def _over(spec: Autoscaling, seen: Load, replicas: int, *, now: float, over_s: float) -> list[_Need]:
    """Give what each target asks for by the average of a time."""
    found = []
    demand = seen.demand(now=now, over_s=over_s)
    if spec.target_concurrency is not None and demand is not None:
        told = f"requests in flight over {over_s:g} s"
        found.append(_Need.of(demand, spec.target_concurrency, replicas, told=told, is_count=True))
    cpu = seen.cpu(now=now, over_s=over_s)
    if spec.target_cpu is not None and cpu is not None:
        told = f"replicas' vCPUs in use over {over_s:g} s"
        found.append(_Need.of(cpu, spec.target_cpu, replicas, told=told, is_count=False))
    return found


def _reminded(seen: Load, needs: _Needs, memory: Memory, now: float) -> Memory:
    """Keep in mind when load was sudden, and when somebody last asked; the first decision counts as that."""
    asked = [one.at for one in seen.samples if one.at <= now and not one.is_idle]
    busy_at = max([*asked[-1:], now if memory.busy_at is None else memory.busy_at])
    is_over = memory.sudden_at is not None and now - memory.sudden_at >= STABLE_S
    sudden_at = now if needs.is_sudden else None if is_over else memory.sudden_at
    return replace(memory, busy_at=busy_at, sudden_at=sudden_at)


def _may_sleep(spec: Autoscaling, memory: Memory, now: float) -> bool:
    idle_s = spec.sleeps_after_s
    return idle_s is not None and memory.busy_at is not None and now - memory.busy_at >= idle_s


def _move(spec: Autoscaling, needs: _Needs, memory: Memory, now: _Now) -> Decision:
    """Rise for what is usual and still there, or fall. While load was sudden, rise at once, and do not fall."""
    was_sudden = memory.sudden_at is not None
    need = needs.sudden if was_sudden else min(needs.usual, needs.sudden, key=_by_replicas)
    if (was_sudden or needs.is_known) and need.replicas > memory.replicas * (1 + TOLERANCE):
        return _rise(spec, need, memory, now)
    enough = max(_whole(needs.usual.replicas / (1 - TOLERANCE)), spec.minimum, 1)
    if was_sudden or not needs.is_whole or enough >= memory.replicas:
        return _stay(replace(memory, lull=None), need.told)
    return _fall(spec, enough, needs.usual, memory=memory, now=now.at)


def _rise(spec: Autoscaling, need: _Need, memory: Memory, now: _Now) -> Decision:
    memory = replace(memory, lull=None)
    if memory.replicas == spec.maximum:
        return _stay(memory, f"the maximum; {need.told}")
    if _may_begin_rise(memory, now):
        memory = replace(memory, rise_at=now.at, rise_from=memory.replicas)
    most = max(2 * memory.rise_from, memory.rise_from + RISE_BY)
    replicas = min(_whole(need.replicas), most, spec.maximum)
    if replicas <= memory.replicas:
        return _stay(memory, f"{now.ready} of them answer, more come later; {need.told}")
    return _to(_regretted(spec, replace(memory, replicas=replicas), now.at), memory.replicas, need.told)


def _may_begin_rise(memory: Memory, now: _Now) -> bool:
    """Tell whether the last rise is over: some time ago, and not with most replicas still on their way."""
    if memory.rise_at is None:
        return True
    return now.at - memory.rise_at >= RISE_S and 2 * now.ready >= memory.replicas


def _regretted(spec: Autoscaling, memory: Memory, now: float) -> Memory:
    """Make the next fall wait twice as long when the last one has to be taken back soon, else half as long."""
    if memory.fell_at is None:
        return memory
    is_soon = now - memory.fell_at < 2 * _cool_down_s(spec, memory)
    regrets = min(memory.regrets + 1, MOST_REGRETS) if is_soon else max(memory.regrets - 1, 0)
    return replace(memory, fell_at=None, regrets=regrets)


def _cool_down_s(spec: Autoscaling, memory: Memory) -> float:
    return float(spec.scale_down_after_s * 2**memory.regrets)


def _fall(spec: Autoscaling, enough: int, need: _Need, *, memory: Memory, now: float) -> Decision:
    """Fall after the whole cool-down to what its busiest moment asked for, and by half at the most."""
    lull = memory.lull or Lull(since=now, highest=enough)
    lull = replace(lull, highest=max(lull.highest, enough))
    cool_down_s = _cool_down_s(spec, memory)
    if now - lull.since < cool_down_s:
        why = f"{lull.highest} would do for {now - lull.since:.0f} of {cool_down_s:g} s"
        return _stay(replace(memory, lull=lull), f"{why}; {need.told}")
    replicas = max(lull.highest, math.ceil(memory.replicas / 2))
    fallen = replace(memory, replicas=replicas, lull=None, fell_at=now)
    return _to(fallen, memory.replicas, f"{lull.highest} did for {cool_down_s:g} s; {need.told}")


def _stay(memory: Memory, why: str) -> Decision:
    return Decision(replicas=memory.replicas, because=f"stays at {memory.replicas}: {why}", memory=memory)


def _to(memory: Memory, before: int, why: str) -> Decision:
    moved = "raised" if memory.replicas > before else "lowered"
    because = f"{moved} from {before} to {memory.replicas}: {why}"
    return Decision(replicas=memory.replicas, because=because, memory=memory)


def _whole(replicas: float) -> int:
    return math.ceil(replicas - _ROUNDING)


def _brief(amount: float) -> str:
    return f"{amount:.1f}".removesuffix(".0") if amount >= 1 else f"{amount:.2g}"
