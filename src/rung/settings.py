"""`rung.toml`: the settings of a workspace. What it does not set has a default; what Rung does not know is an error.

Secrets have no place in it, since it is in git: passwords and keys come from the environment, or from files that it
names.
"""

from __future__ import annotations

import os
import tomllib
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rung.errors import CallError, WorkspaceError
from rung.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = [
    "AlertKind",
    "Alerts",
    "Channel",
    "Listen",
    "Log",
    "Login",
    "Person",
    "Policy",
    "Price",
    "Retraining",
    "Rules",
    "Settings",
    "Severity",
    "read",
    "variable_of",
]

_VARIABLES = {
    "registry": "RUNG_REGISTRY",
    "storage": "RUNG_STORAGE",
    "online_store": "RUNG_ONLINE_STORE",
    "compute": "RUNG_COMPUTE",
    "compute_address": "RUNG_COMPUTE_ADDRESS",
}
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_Port: TypeAlias = Annotated[int, Field(ge=0, le=65_535)]
_Seconds: TypeAlias = Annotated[int, Field(ge=0)]
_Field: TypeAlias = Annotated[str, Field(pattern=r"^(unit|(instance|parameters|prediction)(\.[^.\s]+)*)$")]
_Role: TypeAlias = Literal["viewer", "engineer", "approver", "admin"]
_ChannelName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
AlertKind: TypeAlias = Literal[
    "drift",
    "segment",
    "integrity",
    "errors",
    "latency",
    "quality",
    "estimate",
    "coverage",
    "unready",
    "experiment",
    "gate",
    "overuse",
    "idle",
    "freshness",
    "disk",
    "certificate",
]
Severity: TypeAlias = Literal["info", "warning", "critical"]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Listen(_Declared):
    """Where the platform listens: `[listen]`. Beyond loopback, certificates and tokens are required."""

    gateway: str = "127.0.0.1"
    """Address of the gateway."""
    control: str = "127.0.0.1"
    """Address of the control plane."""
    certificate: str | None = None
    """File with the certificate chain, PEM, for both."""
    key: str | None = None
    """File with its private key, PEM."""

    @field_validator("gateway")
    @classmethod
    def _is_address(cls, host: str) -> str:
        if host != "localhost":
            try:
                ip_address(host)
            except ValueError:
                raise ValueError("it is an IP address, as 0.0.0.0") from None
        return host

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key are set together")
        if not self.certificate and self.is_open:
            raise ValueError("beyond loopback, set certificate and key too")
        return self

    @property
    def is_open(self) -> bool:
        """Whether others than this machine can reach it."""
        return not {self.gateway, self.control} <= LOOPBACK


class Login(_Declared):
    """Who says who somebody is, by OpenID Connect: `[login]`."""

    issuer: str
    """URL of the provider; its keys are found through it."""
    audience: str
    """What its tokens must be made for: this client's id."""
    roles_claim: str = "groups"
    """The claim that names groups."""
    roles: dict[str, _Role] = Field(default_factory=dict)
    """From a group of the provider to a role, in all services. Who is in none is no one here."""


class Log(_Declared):
    """What is kept of a service's requests and answers, and how long: `[services.NAME.log]`."""

    drop: list[_Field] = Field(default_factory=list)
    """What is not kept: `unit`, or fields as `instance.owner`, `parameters.city`, `prediction.name`."""
    hash: list[_Field] = Field(default_factory=list)
    """What is kept as a keyed hash, so that equal values can still be told to be equal."""
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """After how many days rows are removed; by default never."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        both = sorted(set(self.drop) & set(self.hash))
        if both:
            raise ValueError(f"{both[0]} is dropped and hashed: name it once")
        return self


class Price(_Declared):
    """What the machine costs: `[price]`. `rung cost` multiplies it with what was used."""

    cpu_hour: Annotated[float, Field(ge=0)] = 0.0
    """Of a processor for an hour."""
    gib_hour: Annotated[float, Field(ge=0)] = 0.0
    """Of a GiB of memory for an hour."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    """Three letters of ISO 4217."""


class Retraining(_Declared):
    """When a service is trained anew by itself, from the same code on newer data: `[services.NAME.retraining]`.

    What comes of it is deployed, and promoted as `promotion` says: with "manual", when somebody asks for it.
    """

    schedule: str | None = None
    """A cron expression, as "0 6 * * 1"."""
    time_zone: str = "UTC"
    """In which the schedule is meant, as "Europe/Berlin"."""
    new_data: bool = False
    """When a dataset that its training read has a newer version."""
    drift: bool = False
    """When an alert says that what is asked or answered has drifted."""
    falling_quality: bool = False
    """When an alert says that its quality fell, as measured or as estimated."""
    cool_down_s: _Seconds = 86_400
    """From the begin of one retraining to the next, at least, seconds."""
    at_most: Annotated[int, Field(ge=1, le=1_000)] = 8
    """Retrainings that begin by themselves within 30 days."""

    @model_validator(mode="after")
    def _comes(self) -> Self:
        if self.schedule is not None:
            try:
                Schedule(cron=self.schedule, zone=self.time_zone)
            except CallError as error:
                raise ValueError(f"{error.message}: {error.hint}") from None
            except ModuleNotFoundError:  # where there is no platform nobody goes by it
                pass
        return self

    @property
    def is_on(self) -> bool:
        """Whether anything begins a retraining by itself."""
        return self.schedule is not None or self.new_data or self.drift or self.falling_quality


class Rules(_Declared):
    """What of a service is worth an alert: `[services.NAME.alerts]`, and for all `[alerts]`."""

    off: list[AlertKind] = Field(default_factory=list)
    """Kinds of which none is raised, as `idle`."""
    least_drift: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Distance of two distributions from which on it matters, 0 to 1."""
    error_rate: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Share of requests that may fail, 0 to 1."""
    coverage_fall: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Part of the outcomes that may stay away, 0 to 1."""
    unready_s: _Seconds = 60
    """So long a server may not answer, seconds."""
    quiet_s: _Seconds = 1800
    """What is not seen for so long is over, seconds."""
    tell: list[str] | None = None
    """Names of the channels that are told; by default all."""


class Channel(_Declared):
    """Where alerts are told: `[alerts.channels.NAME]`.

    Its URL and its secret may come from the environment (`RUNG_ALERT_URL_NAME`), or from files.
    """

    kind: Literal["webhook", "apprise"] = "webhook"
    """CloudEvents by HTTP, signed; or mail, Slack and what else Apprise knows, by one of its URLs."""
    url: str | None = None
    """Where to. What holds a secret belongs into a file or a variable."""
    url_file: str | None = None
    """File that holds the URL."""
    secret_file: str | None = None
    """File with the secret that signs webhooks."""
    least: Severity = "warning"
    """What is less is not told."""

    @model_validator(mode="after")
    def _right(self) -> Self:
        if self.url and self.url_file:
            raise ValueError("set url or url_file")
        if self.kind == "apprise" and self.secret_file:
            raise ValueError("only webhooks are signed")
        parts = urlsplit(self.url or "")
        if parts.username or parts.password:
            raise ValueError("a URL with a password belongs into url_file, or into RUNG_ALERT_URL_NAME")
        return self


class Person(_Declared):
    """Somebody who answers for services, and where alerts of these are told to them: `[people.NAME]`."""

    also: list[str] = Field(default_factory=list)
    """How they are written in specifications and known to the platform, as `anna@example.org` or `token:anna`."""
    channels: dict[_ChannelName, Channel] = Field(min_length=1)


class Alerts(Rules):
    """What is looked for, how often, and who is told: `[alerts]`."""

    look_every_s: Annotated[int, Field(ge=10)] = 300
    """From one look at production to the next, seconds."""
    false_alarms_a_year: Annotated[float, Field(gt=0, le=1_000)] = 1.0
    """Of each route of each revision, at the most expected."""
    disk_free_gib: Annotated[float, Field(ge=0)] = 2.0
    """With less free than this, there is an alert."""
    certificate_days: Annotated[int, Field(ge=0)] = 21
    """So long before a certificate ends, there is an alert."""
    channels: dict[_ChannelName, Channel] = Field(default_factory=dict)


class Mlflow(_Declared):
    """Which MLflow is told of runs and revisions: `[mlflow]`."""

    tracking: str
    """`https://...`, `http://...`, or a database file as `sqlite:///.rung/mlflow.db`, from the workspace's root on."""

    @field_validator("tracking")
    @classmethod
    def _is_tracking(cls, uri: str) -> str:
        parts = urlsplit(uri)
        if not (parts.scheme in {"http", "https"} and parts.hostname) and not uri.startswith("sqlite:///"):
            raise ValueError("it is https://..., http://... or sqlite:///FILE")
        if parts.username or parts.password:
            raise ValueError("the password comes from MLFLOW_TRACKING_PASSWORD, not from the URL")
        return uri


class Training(_Declared):
    """How many trainings of revisions run at once: `[training]`."""

    slots: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """On the whole platform; others wait in a queue. None: every one begins at once."""


class Team(_Declared):
    """Who shares the slots of trainings: `[teams.NAME]`. A service in no team is one of its own, with one share."""

    services: list[str] = Field(min_length=1)
    """Whose trainings count for the team."""
    slots: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """That it may use at once; where slots are scarce, also its share of them. None: all of them, and a share of 1."""
    burst: bool = False
    """It may use more of them while no other team waits."""


class Policy(_Declared):
    """How revisions of one service come to be promoted: `[services.NAME]`."""

    promotion: Literal["manual", "approve", "auto"] = "manual"
    """Whoever asks for it; after others approved it; or each new candidate by itself."""
    approvals: Annotated[int, Field(ge=1, le=20)] = 1
    """How many must approve; never who trained the revision or asked for its promotion."""
    approvers: Literal["approver", "admin"] = "approver"
    """The least role of those who may."""
    approval_deadline_s: Annotated[int, Field(ge=1)] = 7 * 86_400
    """A promotion that is not approved by then has failed, seconds."""
    merged_only: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")] | None = None
    """Only commits that are part of this branch may be deployed, as `main` or `origin/main`; by default any."""
    sign_off: Literal["required", "noted"] | None = None
    """Whether a promotion waits for both owners' signatures and a reviewed declaration of metrics, or only says that
    they are missing; by default required where there are tokens, a login, or an address beyond loopback."""
    automatic_rollback: bool = True
    """A new incumbent that fails, or breaks a guardrail, while its predecessor is kept warm hands over to it again."""
    api_keys: bool = False
    """The gateway answers only who sends a key of a consumer, in the header x-api-key."""
    idle_after_s: _Seconds = 7 * 86_400
    """A candidate or an incumbent that nobody asks for so long is named as idle, seconds; 0: never."""
    tear_down_idle: bool = False
    """Idle candidates are torn down; never the incumbent, its warm predecessor, or the benchmark."""
    retraining: Retraining = Retraining()
    alerts: Rules = Rules()
    log: Log = Log()


class Settings(_Declared):
    """All settings of a workspace."""

    gateway_port: _Port = 4780
    """Port of the gateway; 0 takes any free one."""
    control_port: _Port = 4700
    """Port of the control plane; 0 takes any free one."""
    keep_warm_s: _Seconds = 86_400
    """A retired revision keeps its server, for a rollback, seconds."""
    keep_candidates_s: _Seconds = 30 * 86_400
    """A candidate that nobody promotes is torn down after, seconds; 0: never."""
    registry: str | None = None
    """URL of a PostgreSQL database, without a password; by default a file in `.rung/`."""
    storage: str | None = None
    """URL of an S3-compatible store for artifacts and the lake, as `s3://bucket/prefix`; by default `.rung/`."""
    online_store: str | None = None
    """URL of a Redis server or a PostgreSQL database for features that are served, without a password; by default a
    file in `.rung/`."""
    compute: Literal["local", "ray"] = "local"
    """Where servers and trainings run unless their hardware specification says it: this machine, or a Ray cluster."""
    compute_address: str | None = None
    """Where that cluster is, as `10.0.0.1:6379`."""
    local_vcpus: Annotated[int, Field(ge=1)] | None = None
    """Virtual CPUs of this machine that servers may have before no further replica is begun; None: its processors."""
    aws_variables_for: list[str] = Field(default_factory=list)
    """Services whose trainings and servers get the `AWS_*` variables although these are the storage's."""
    require_signatures: bool = False
    """Every revision that is served must be signed by a trusted key; else only those that hold pickles."""
    openlineage_url: str | None = None
    """Where OpenLineage events are posted to, as `https://lineage.example.org/api/v1/lineage`; by default nowhere."""
    price: Price | None = None
    listen: Listen = Listen()
    login: Login | None = None
    mlflow: Mlflow | None = None
    alerts: Alerts = Alerts()
    people: dict[_ChannelName, Person] = Field(default_factory=dict)
    training: Training = Training()
    teams: dict[str, Team] = Field(default_factory=dict)
    services: dict[str, Policy] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_one_team(self) -> Self:
        named = [service for team in self.teams.values() for service in team.services]
        twice = sorted({service for service in named if named.count(service) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is named twice in teams: a service is in one")
        return self

    @model_validator(mode="after")
    def _has_address(self) -> Self:
        if self.compute == "ray" and self.compute_address is None:
            raise ValueError('compute = "ray" needs compute_address')
        return self

    @field_validator("registry")
    @classmethod
    def _is_postgresql(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in {"postgresql", "postgres"}:
            raise ValueError("it begins with postgresql://")
        return url

    @field_validator("online_store")
    @classmethod
    def _is_online_store(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in {"redis", "rediss", "postgresql", "postgres"}:
            raise ValueError("it begins with redis://, rediss:// or postgresql://")
        return url

    @field_validator("storage")
    @classmethod
    def _is_s3(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme != "s3" or not urlsplit(url).netloc):
            raise ValueError("it is s3://BUCKET or s3://BUCKET/PREFIX")
        return url

    @field_validator("openlineage_url")
    @classmethod
    def _is_safe(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "")
        if url is not None and not (
            parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))
        ):
            raise ValueError("it is https://..., or http:// on this machine: a key would travel in the clear")
        if parts.username or parts.password:
            raise ValueError("the key comes from OPENLINEAGE_API_KEY, not from the URL")
        return url

    @model_validator(mode="after")
    def _told_somewhere(self) -> Self:
        for rules in (self.alerts, *(policy.alerts for policy in self.services.values())):
            unknown = sorted(set(rules.tell or ()) - self.alerts.channels.keys())
            if unknown:
                raise ValueError(f"alerts.tell names {unknown[0]!r}, and there is no channel of that name")
        return self

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = list(self.channels())
        variables = [variable_of(name) for name in names]
        for name, variable in zip(names, variables, strict=True):
            if variables.count(variable) > 1:
                raise ValueError(f"two channels, one of them {name}, would have the variable RUNG_ALERT_URL_{variable}")
        return self

    def channels(self) -> dict[str, Channel]:
        """Give all channels by their names; those of people as `anna.mail`."""
        own = {
            f"{name}.{channel}": declared
            for name, person in self.people.items()
            for channel, declared in person.channels.items()
        }
        return {**self.alerts.channels, **own}

    def channels_of(self, names: Collection[str]) -> list[str]:
        """Name the channels of people who have one of these names, in whatever case it is written."""
        known = {name.casefold() for name in names}
        return [
            f"{name}.{channel}"
            for name, person in self.people.items()
            if known & {one.casefold() for one in (name, *person.also)}
            for channel in person.channels
        ]

    def policy(self, service: str) -> Policy:
        """Tell how revisions of a service come to be promoted."""
        return self.services.get(service, Policy())

    def rules(self, service: str) -> Rules:
        """Tell what of a service is worth an alert: what it sets itself, else what is set for all."""
        own = self.policy(service).alerts
        return self.alerts.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


def variable_of(channel: str) -> str:
    """Give what the name of a channel is in the names of variables.

    >>> variable_of("pager"), variable_of("anna.mail")
    ('PAGER', 'ANNA_MAIL')
    """
    return channel.upper().replace(".", "_")


def read(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read a `rung.toml`; the variables of `_VARIABLES` go before it.

    Raises:
        WorkspaceError: It is not TOML, has a setting that Rung does not know, a value out of its range, or a password.
    """
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path} is not TOML ({error})", hint="mend that line") from error
    for name in ("registry", "online_store"):
        if isinstance(written.get(name), str) and _has_password(written[name]):
            raise WorkspaceError(
                f"{path} has a password in `{name}`",
                hint=f"set {_VARIABLES[name]}, or keep one of PostgreSQL in ~/.pgpass",
            )
    given = {name: environment[variable] for name, variable in _VARIABLES.items() if environment.get(variable)}
    try:
        return Settings.model_validate(written | given)
    except ValidationError as error:
        raise _told(path, error, given) from None


def _has_password(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.password) or any("password" in name for name in parse_qs(parts.query))


def _told(path: Path, error: ValidationError, given: Mapping[str, str]) -> WorkspaceError:
    """Tell of the first mistake; a value from the environment may hold a secret and is not repeated."""
    found = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return WorkspaceError(f"{path} sets {where!r}", hint=f"the settings are: {', '.join(_known(found['loc']))}")
    if found["loc"] and found["loc"][0] in given:
        return WorkspaceError(f"{_VARIABLES[where]} is not right", hint=str(found["msg"]))
    value = "" if isinstance(found["input"], dict) else f" = {found['input']!r}"
    return WorkspaceError(f"{path}: {where}{value}", hint=str(found["msg"]))


def _known(loc: tuple[int | str, ...]) -> list[str]:
    """Name the settings beside one that is not known."""
    models: dict[Any, type[BaseModel]] = {
        "listen": Listen,
        "login": Login,
        "mlflow": Mlflow,
        "price": Price,
        "services": Policy,
        "alerts": Alerts,
        "training": Training,
        "teams": Team,
        "people": Person,
    }
    model = models.get(loc[0], Settings) if len(loc) > 1 else Settings
    if model is Policy and len(loc) > 3:  # noqa: PLR2004  services.NAME.log.SETTING
        parts: dict[str, type[BaseModel]] = {"alerts": Rules, "log": Log, "retraining": Retraining}
        model = parts.get(str(loc[2]), Policy)
    if model is Alerts and len(loc) > 3 and loc[1] == "channels":  # noqa: PLR2004  alerts.channels.NAME.SETTING
        model = Channel
    if model is Person and len(loc) > 4:  # noqa: PLR2004  people.NAME.channels.NAME.SETTING
        model = Channel
    return list(model.model_fields)
