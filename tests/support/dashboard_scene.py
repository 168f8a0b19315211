"""What the dashboard's tests look at: services in every stage, written through the registry's own methods.

The clock is simulated, so that states and looks lie hours apart. Nothing of it is served: the loop must not run.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import polars as pl
from recorded_tests import DESIGN, ab_test
from simulated_clock import SimulatedClock

from rung.artifacts import LocalStore, encode
from rung.control.practice.specifications import Specifications
from rung.data import Append, Facts, open_catalogue
from rung.lake import OUTCOMES, PREDICTIONS, AppendLog, outcome_line, prediction_line
from rung.lifecycle import ContractFinding, Gate, SplitKind, State, Verdict, VerdictKind
from rung.schema import ABTest, ConsumerRequest
from rung.serving import Bundle, write_bundle
from rung.testing import EVALUATED, Evaluated, Exchange
from rung.training._record import RunRecord, TaskRecord

if TYPE_CHECKING:
    from pathlib import Path

    from rung.control.place import Place
    from rung.registry import Promotion, Registry
    from rung.schema import RevisionName

COMMIT = "a88984f0eeb754a0e2c27363a1ce05ea47d304f9"
POLICY = {"promotion": "approve", "approvals": 1, "approvers": "approver", "approval_deadline_s": 30 * 86_400.0}
_HOUR = timedelta(hours=1)
_LOOKS = 90
_REQUESTS = 1_500

SPECIFICATION = """\
    +++
    title = "Valuation of single-family houses"
    latency_p99_ms = 250
    throughput_rps = 20
    error_rate = 0.01
    consumers = ["listing form", "valuation desk"]

    [owners]
    product = "product@example.org"
    engineering = "engineering@example.org"
    +++

    # Problem

    Owners who want to sell ask **what their house would fetch**. <script>alert("no")</script>

    # Expected behaviour

    | situation | behaviour |
    |---|---|
    | larger, all else equal | the price is not lower |
    | a field is missing | the request is refused |

    # Pitfalls

    - **The market moves.** Train again with newer sales.
    """


@dataclass(slots=True, kw_only=True)
class Scene:
    """A registry that is filled."""

    registry: Registry
    place: Place
    clock: SimulatedClock

    def revision(self, service: str, *, actor: str = "ada", run: bool = True) -> RevisionName:
        """Train the next revision of a service."""
        name = self.registry.create_revision(service, 1, actor=actor, commit=COMMIT, dirty=False)
        self.clock.pass_time(_HOUR / 4)
        if run:
            self.run(name)
        return name

    def candidate(self, service: str, *, actor: str = "ada") -> RevisionName:
        """Serve the next revision of a service."""
        name = self.revision(service, actor=actor)
        self.bundle(name)
        told = "its training succeeded: within_10_percent 0.4372"
        self.registry.move(name, State.TRAINED, because=told, actor="rung")
        self.registry.move(name, State.DEPLOYING, because="serving was deployed", actor=actor)
        self.registry.record_event(
            "memory",
            str(name),
            because="2 workers, 114 MiB each, 318 MiB in all; 2 GiB declared",
            actor="rung",
            total_bytes=318 << 20,
            is_above=False,
        )
        told = "its server answered a prediction; 500 held-out rows are answered as in its evaluation"
        self.registry.move(name, State.CANDIDATE, because=told, actor="rung")
        self.clock.pass_time(_HOUR)
        return name

    def bundle(self, name: RevisionName) -> None:
        """Write what a server must know of a revision."""
        hardware: dict[str, Any] = {"vcpus": 1, "memory_gib": 1, "gpus": 0, "disk_gib": 1}
        scaling = {"minimum": 1, "maximum": 1, "target_concurrency": 8}
        limits = {"request_timeout_s": 5, "gunicorn_workers": 2, "batching": {"max_instances": 8}}
        serving = {**hardware, **limits, "autoscaling": scaling}
        bundle = Bundle(
            revision=str(name),
            run=str(name),
            artifacts={},
            contract={},
            infrastructure={"training": hardware, "serving": serving},
            ab_test=ABTest.model_validate(DESIGN).model_dump(mode="json"),
            example={},
        )
        write_bundle(self.place.workspace.state, bundle)

    def attempt(self, name: RevisionName, *verdicts: Verdict, policy: dict[str, Any] | None = None) -> Promotion:
        """Begin a promotion and give its first verdicts."""
        self.registry.begin_promotion(name, actor="ben", policy=policy)
        attempt = self.now(name)
        for verdict in verdicts:
            self.registry.begin_gate(attempt, verdict.gate, because=f"the {verdict.gate} gate is next")
            self.clock.pass_time(_HOUR / 20)
            self.registry.add_verdict(attempt, verdict)
        return self.now(name)

    def now(self, name: RevisionName) -> Promotion:
        """Give the attempt that is under way."""
        return next(one for one in self.registry.promotions(name.service, active_only=True) if one.revision == name)

    def crown(self, name: RevisionName) -> None:
        """Promote a candidate."""
        attempt = self.attempt(name, *gates())
        told = "it passed all gates, and its major had no incumbent"
        self.registry.crown(attempt, because=told, warm_until=self.clock.now() + 1000 * _HOUR)
        self.clock.pass_time(2 * _HOUR)

    def test(self, name: RevisionName, incumbent: RevisionName, *, looks: int) -> Promotion:
        """Begin an A/B test, with looks and a ramp."""
        attempt = self.attempt(name, *gates())
        shares = {str(name): 0.1, str(incumbent): 0.9}
        identity = self.registry.begin_experiment(attempt, incumbent, design=DESIGN, shares=shares)
        for number, look in enumerate(ab_test(looks=looks)["course"]):
            self.clock.pass_time(timedelta(minutes=12))
            if number in {30, 85}:
                share = 0.25 if number == 30 else 0.5
                (running,) = [one for one in self.registry.experiments(active_only=True) if one.id == identity]
                self.registry.split(
                    running,
                    {str(name): share, str(incumbent): 1 - share},
                    kind=SplitKind.RAMP,
                    because="nothing spoke against its smaller share",
                    actor="rung",
                )
            self.registry.keep_look(identity, {key: look[key] for key in look if key != "time"}, for_ever=True)
        return self.now(name)

    def run(self, name: RevisionName | None, service: str = "", *, depth: int = 4, seed: int = 0) -> str:
        """Keep the record of a run, with what its evaluation answered."""
        service = name.service if name is not None else service
        drawn = random.Random(f"{service} {name} {depth} {seed}")
        store = LocalStore(self.place.workspace.artifacts)
        evaluated = store.put(encode(_evaluated(service, drawn).model_dump()))
        identity = str(name) if name is not None else f"{service}-20261120-09{depth:02}{seed:02}-a1b2c3d"
        good = 0.3 + 0.02 * depth + drawn.random() / 50
        record = RunRecord(
            id=identity,
            service=service,
            status="succeeded",
            started=self.clock.now().isoformat(timespec="milliseconds"),
            user="ada",
            python="3.11.2",
            rung="0.1.0",
            pid=1,
            commit=COMMIT,
            seed=seed,
            hyperparameters={"model": "boosting", "depth": depth, "trees": 100 * depth, "learning_rate": 0.1 / depth},
            metrics={"within_10_percent": round(good, 4), "mean_absolute_percentage_error": round(0.5 - good, 4)},
            seconds=2.0 + depth,
            peak_memory_bytes=300 << 20,
            exit_code=0,
            revision=None if name is None else str(name),
            tasks=[
                TaskRecord(
                    name="load_data",
                    key="k",
                    state="cached",
                    because="unchanged",
                    digest="sha256:" + "ab" * 32,
                    size=452_796,
                    data=[{"path": "data/sales.csv", "digest": "sha256:" + "cd" * 32, "size": 1_234_567}],
                ),
                TaskRecord(
                    name="build_model",
                    key="k",
                    state="ran",
                    because="hyperparameters.depth differs",
                    seconds=0.8,
                    digest="sha256:" + "ae" * 32,
                    size=4_993,
                    reports=[[step, 1 / (step + depth)] for step in range(30)],
                ),
                TaskRecord(
                    name="evaluate",
                    key="k",
                    state="ran",
                    because="it has not run here before",
                    seconds=1.2,
                    digest="sha256:" + "ef" * 32,
                    size=2_762,
                    kept={EVALUATED: evaluated},
                ),
            ],
        )
        self.registry.record_run(record.to_json())
        return identity


def gates() -> tuple[Verdict, ...]:
    """What the gates before production find."""
    tests = [{"name": f"test_{what}", "passed": True, "because": ""} for what in ("larger_costs_more", "neighbours")]
    data = [
        {"name": "within_10_percent", "passed": True, "told": "0.4372 against 0.3011", "because": "", "p_value": 0.91},
        {"name": "mean_absolute_percentage_error", "passed": True, "told": "0.1827", "because": "", "p_value": None},
    ]
    contract = ContractFinding(consumer="listing-form", version=1, broken=()).to_json()
    closed = {"latency_p50_ms": 21.0, "latency_p90_ms": 43.0, "latency_p99_ms": 66.0}
    steady = {"latency_p50_ms": 18.0, "latency_p90_ms": 30.0, "latency_p99_ms": 52.0}
    more = {"requests": 178, "failures": 0, "throughput_rps": 20.1}
    load = {"measured": {**closed, **more, "open": {**steady, **more}}, "limits": {"latency_p99_ms": 250.0}}
    return (
        Verdict(
            gate=Gate.REGRESSION,
            kind=VerdictKind.PASS,
            because="all 2 regression tests passed on the live endpoint",
            evidence={"tests": tests, "contracts": [contract]},
        ),
        Verdict(
            gate=Gate.DATA,
            kind=VerdictKind.PASS,
            because="no data test is significantly worse on the same 3,177 rows",
            evidence={"tests": data, "rows": 3_177, "reference": "housing.v1.m0"},
        ),
        Verdict(gate=Gate.REPLAY, kind=VerdictKind.PASS, because="of 200 recorded requests none was refused"),
        Verdict(
            gate=Gate.LOAD,
            kind=VerdictKind.PASS,
            because="356 requests with 0 failures; 99th percentile 66 ms with users in turn",
            evidence=load,
        ),
    )


def seed(registry: Registry, place: Place) -> Scene:
    """Fill a registry."""
    clock = SimulatedClock(datetime.now(UTC) - timedelta(days=6))
    scene = Scene(registry=registry, place=place, clock=clock)
    with clock.installed():
        _seed_housing(scene)
        _seed_reviews(scene)
        _seed_others(scene)
    _seed_data(place)
    _seed_traffic(place)
    return scene


def _seed_housing(scene: Scene) -> None:
    """An incumbent, a rejected one, and an A/B test that runs."""
    scene.candidate("housing")
    first = scene.candidate("housing")
    _write(scene.place, first)
    told = f"{first} was deployed with it"
    Specifications(scene.registry).keep("housing", dedent(SPECIFICATION), actor="ada", because=told)
    _register(scene, "listing-form", "it shows the price")
    scene.crown(first)
    worse = scene.candidate("housing", actor="ben")
    told = "significantly worse than housing.v1.m1's on the same 3,177 rows: within_10_percent 0.2471 against 0.4372"
    fail = Verdict(gate=Gate.DATA, kind=VerdictKind.FAIL, because=told)
    attempt = scene.attempt(worse, gates()[0], fail)
    scene.registry.reject(attempt, because=f"data gate: {told}")
    for depth in range(2, 8):
        scene.clock.pass_time(_HOUR / 6)
        scene.run(None, "housing", depth=depth)
    challenger = scene.candidate("housing")
    package = scene.place.source(challenger) / "experiments" / "housing"
    package.mkdir(parents=True)
    (package / "specification.md").write_text(dedent(SPECIFICATION).replace("would fetch", "would fetch in May"))
    scene.test(challenger, first, looks=_LOOKS)
    _register(scene, "webshop", "it sorts by price")


def _register(scene: Scene, consumer: str, because: str) -> None:
    """A consumer says what it relies on."""
    requests = [
        ConsumerRequest(route="predict", body={"instances": [{"rooms": rooms, "area": 140}]}) for rooms in (4, 6)
    ]
    scene.registry.add_contract(
        "housing.v1", consumer, requests=requests, reads={"/price": ["number"]}, because=because, actor="ada"
    )


def _seed_reviews(scene: Scene) -> None:
    """One that waits for approval."""
    scene.candidate("reviews")
    scene.crown(scene.candidate("reviews"))
    waiting = scene.candidate("reviews", actor="ben")
    attempt = scene.attempt(waiting, *gates(), policy=POLICY)
    told = "it passed what needs no production traffic; now it waits for 1 approval by an approver"
    scene.registry.await_approval(attempt, because=told)
    for number in range(4):
        scene.run(None, "reviews", depth=3, seed=number)


def _seed_others(scene: Scene) -> None:
    """A training that failed, a test that ended invalid, a candidate at rest."""
    failed = scene.revision("parcels", run=False)
    scene.registry.move(failed, State.FAILED, because="its training ended with 1: the disk is full", actor="rung")
    scene.candidate("quotes")
    first = scene.candidate("quotes")
    scene.crown(first)
    challenger = scene.candidate("quotes")
    attempt = scene.test(challenger, first, looks=8)
    told = "invalid: the units did not come as the traffic split declares (2,000 and 1,400)"
    look = {**ab_test(looks=8)["look"], "outcome": "invalid", "progress": told}
    running = scene.registry.experiment_of(attempt)
    assert running is not None
    scene.registry.keep_look(running.id, look, for_ever=True)
    scene.registry.add_verdict(
        attempt, Verdict(gate=Gate.EXPERIMENT, kind=VerdictKind.INCONCLUSIVE, because=told, evidence=look)
    )
    scene.registry.reject(scene.now(challenger), because=f"A/B test: {told}")
    scene.candidate("tickets")
    scene.candidate("tickets")


def _seed_data(place: Place) -> None:
    """A dataset of two versions."""
    catalogue = open_catalogue(place.workspace)
    drawn = random.Random(0)
    rows = pl.DataFrame({"price": [drawn.gauss(90_000, 20_000) for _ in range(400)], "rooms": [4, 5, 6, None] * 100})
    catalogue.write("sales", rows, how=Append(), facts=Facts(by="ada", note="the first year"))
    catalogue.write("sales", rows.with_columns(pl.col("price") * 1.3), how=Append(), facts=Facts(by="ben"))
    said = {"description": "Sales of houses", "owner": "ada", "tags": ["sales"], "licence": "CC0-1.0"}
    catalogue.annotate("sales", **said, columns={"price": "in dollars"}, freshness_s=86_400)


def _seed_traffic(place: Place) -> None:
    """Production of housing, as servers and the collector logged it: two days of this week, one of the week before.

    Houses have more rooms than they had, some requests are refused, and outcomes come for most.
    """
    drawn, now = random.Random(1), datetime.now(UTC)
    asked, told = [], []
    for number in range(_REQUESTS):
        age = timedelta(hours=drawn.uniform(0, 40) if number % 3 else drawn.uniform(6 * 24, 7 * 24))
        moment = round((now - age).timestamp() * 1e6)
        revision, unit = f"housing.v1.m{3 if number % 5 == 0 and number % 3 else 1}", f"customer-{number}"
        house = {"rooms": drawn.choice([4, 5, 6, 7, 8] if number % 3 else [3, 4, 4, 5]), "area": drawn.gauss(140, 30)}
        price = 1_000 * house["area"] * math.exp(drawn.gauss(0, 0.1))
        answer: dict[str, Any] = {"status": 200, "predictions": json.dumps([{"price": price}]).encode()}
        if number % 37 == 0:
            answer = {"status": 422, "error": b'{"title": "rooms is not a number"}'}
        asked.append(
            prediction_line(
                id=f"request-{number}",
                time=moment,
                revision=revision,
                kind="production",
                unit=unit,
                duration_ms=5 * math.exp(drawn.gauss(0, 0.5)),
                instances=json.dumps([house]).encode(),
                **answer,
            )
        )
        hit = float(drawn.random() < (0.44 if revision.endswith("m3") else 0.38))
        told.append(outcome_line(service="housing", metric="converted", value=hit, received=moment, unit=unit))
    for stream, lines in ((PREDICTIONS, asked), (OUTCOMES, told)):
        log = AppendLog(place.predictions, stream)
        log.append_lines(lines)
        log.close()


def _evaluated(service: str, drawn: random.Random) -> Evaluated:
    """What an application answered to held-out rows: prices, or distributions over classes."""
    rows = [drawn.gauss(0, 1) for _ in range(60)]
    if service == "reviews":
        shares = [1 / (1 + math.exp(-3 * row + drawn.gauss(0, 0.6))) for row in rows]
        predictions: list[Any] = [{"label": {"positive": share, "negative": 1 - share}} for share in shares]
        truths: list[Any] = ["positive" if row + drawn.gauss(0, 0.5) > 0 else "negative" for row in rows]
    else:
        truths = [round(90_000 * math.exp(row / 3)) for row in rows]
        predictions = [{"price": round(truth * math.exp(drawn.gauss(0, 0.15)), 2)} for truth in truths]
    exchange = Exchange(route="predict", instances=[{"x": row} for row in rows], predictions=predictions, truths=truths)
    return Evaluated(max_difference=1e-5, exchanges=[exchange])


def _write(place: Place, name: RevisionName) -> Path:
    """Write the papers that a revision's source holds."""
    folder = place.source(name) / "experiments" / name.service
    (folder / "experiments").mkdir(parents=True)
    (folder / "specification.md").write_text(dedent(SPECIFICATION))
    document = (
        f"# {name}: linear model\n\n## Intention\n\nA linear model: `price = w x`.\n\n## Approach\n\nRidge.\n\n"
        "## Lessons\n\n- Late outcomes are those of dear houses: they sell slowly.\n"
        "- A line misses **location**. <script>alert(1)</script>\n"
    )
    (folder / "experiments" / f"v{name.major}.m{name.minor}.md").write_text(document)
    return folder
