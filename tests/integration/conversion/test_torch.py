"""torch modules: kept, served natively, converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.conversion.conftest import ROWS, Instance, Prediction, import_torch, prove, verdict

from rung import artifacts

if TYPE_CHECKING:
    from collections.abc import Callable

torch = import_torch()


@pytest.fixture
def network() -> Any:
    torch.manual_seed(0)
    layers = torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 1)
    return torch.nn.Sequential(*layers).eval()


def predict(rows: list[Instance], model: Any) -> list[Prediction]:
    given = torch.tensor([[row.area / 100, row.floors] for row in rows])
    with torch.inference_mode():
        return [Prediction(price=price) for price in model.eval()(given)[:, 0].tolist()]


def by_name(rows: list[Instance], model: Any) -> list[Prediction]:
    return [Prediction(price=price) for price in model(input=torch.ones(len(rows), 2))[:, 0].tolist()]


def through_forward(rows: list[Instance], model: Any) -> list[Prediction]:
    return [Prediction(price=price) for price in model.forward(torch.ones(len(rows), 2))[:, 0].tolist()]


def test_module_comes_back_from_the_store(network: Any):
    stored = artifacts.encode(network)
    assert artifacts.describe(stored).marked_unsafe
    assert predict(ROWS, artifacts.decode(stored, digest=artifacts.digest_of(stored))) == predict(ROWS, network)


def test_module_is_converted(network: Any):
    proven = prove(network, predict)
    told = proven.verdicts["fit"]
    assert told.verdict == "equal", told
    assert (told.rows, told.precision) == (300, "float32")
    assert told.libraries.keys() >= {"onnxruntime", "onnxscript", "torch"}
    assert not artifacts.describe(artifacts.encode(proven.kept["fit.onnx"])).marked_unsafe
    for count in (1, 2, 300):
        alone = predict(ROWS[:count], proven.models["fit"])
        assert [one.price for one in alone] == pytest.approx([one.price for one in predict(ROWS[:count], network)])


def test_another_type_is_answered_natively(network: Any):
    model = prove(network, predict).models["fit"]
    with pytest.raises(RuntimeError, match="dtype"):  # as the module itself says it
        model(torch.ones(1, 2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("handler", "because"),
    [(by_name, "takes tensors, by place"), (through_forward, "a handler calls forward of the module")],
)
def test_what_is_not_converted_is_told(network: Any, handler: Callable[..., Any], because: str):
    told = verdict(network, handler)
    assert told.verdict == "failed"
    assert because in told.because


@pytest.mark.parametrize(
    "tensor",
    [torch.arange(6.0).reshape(2, 3).T, torch.tensor(3), torch.tensor([True]), torch.ones(2, dtype=torch.bfloat16)],
    ids=["transposed", "scalar", "boolean", "bfloat16"],
)
def test_tensor_is_kept_as_data(tensor: Any):
    stored = artifacts.encode({"weights": tensor})
    assert not artifacts.describe(stored).marked_unsafe
    again = artifacts.decode(stored)["weights"]
    assert again.dtype == tensor.dtype
    assert torch.equal(again, tensor)


def test_tensor_with_a_gradient_is_pickled():
    stored = artifacts.encode(torch.ones(2, requires_grad=True))
    assert artifacts.describe(stored).marked_unsafe
