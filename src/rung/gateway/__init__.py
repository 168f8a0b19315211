"""The gateway: one address for consumers, in front of every revision (A49, A52, B30, B31).

The pure part turns a `Routing` into Envoy's configuration as data; `Gateway` writes it and waits until Envoy took it.
The control plane is the only caller of `Gateway`; the analysis of experiments calls `assigned`.

Paths: `/{service}/v{major}/{route}` is production, `/{service}/v{major}/m{minor}/{route}` exactly one revision,
`/outcomes` takes business outcomes, `/healthz` is the gateway's own. A revision's server sees `/{route}` and these
headers, which no consumer can set:

| header | value |
|---|---|
| `x-rung-route` | `production`, `exact` or `shadow` |
| `x-rung-experiment` | the experiment's id, while one runs |
| `x-rung-arm` | the arm that the unit is *assigned* to: `challenger`, `incumbent`, in a bandit `m3`; or `none` |
| `x-rung-propensity` | the probability with which a unit is assigned to that arm, as in `0.3000`; not with `none` |
| `x-request-id` | a new unique id; the answer carries it too |
| `x-rung-consumer` | who sent it, by the key; only where the service demands one |
| `x-rung-consumer-service` | the only service that this key is for, if it is for one |
| `x-forwarded-prefix` | what was cut from the path |

`none` is a request without a usable unit (absent, sent twice, longer than 256 characters, not printable ASCII, or with
a comma): a random arm would break "same unit, same arm", so the incumbent answers and the analysis leaves it out.
A unit assigned to a challenger that is down is answered by the incumbent; its arm stays what it was.

A mirrored request carries the headers of the production request that it is a copy of, `x-request-id` among them, and
`shadow` for its route. No consumer waits for a shadow, and what a shadow cannot take is not mirrored.
"""

from rung.gateway._bootstrap import bootstrap
from rung.gateway.assignment import assigned
from rung.gateway.certificate import Certificate
from rung.gateway.configuration import configuration, widened
from rung.gateway.document import from_json, to_json, version_of
from rung.gateway.limits import Consumer, Limits, Rate
from rung.gateway.routing import Arm, Backend, Challenger, Production, Routing, Shadow, Split
from rung.gateway.server import Gateway
from rung.gateway.traffic import Traffic

__all__ = [
    "Arm",
    "Backend",
    "Certificate",
    "Challenger",
    "Consumer",
    "Gateway",
    "Limits",
    "Production",
    "Rate",
    "Routing",
    "Shadow",
    "Split",
    "Traffic",
    "assigned",
    "bootstrap",
    "configuration",
    "from_json",
    "to_json",
    "version_of",
    "widened",
]
