"""Learning rates: SGDR against torch's own, and which optimizer moves the weights."""

import pytest
import torch

from pipeline.training.schedules import build_warm_restarts, compute_warm_restart_factor, get_optimizer


@pytest.mark.parametrize(("first", "growth"), [(10, 1), (10, 2), (7, 3)])
def test_warm_restarts_are_those_of_torch(first, growth):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=first, T_mult=growth)
    for step in range(100):
        assert compute_warm_restart_factor(step, 0, first, growth) == pytest.approx(oracle.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        oracle.step()


def test_rate_rises_before_the_first_cycle():
    assert [compute_warm_restart_factor(step, 4, 10, 2) for step in range(5)] == [0, 0.25, 0.5, 0.75, 1.0]


def test_schedule_goes_on_from_its_state(make_params):
    params = make_params(**{"train.T_0": 5, "train.warmup_steps": 2}).train

    def build():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        return optimizer, build_warm_restarts(optimizer, params)

    optimizer, whole = build()
    rates = []
    for step in range(12):
        if step == 6:
            state = whole.state_dict()
        rates.append(whole.get_last_lr()[0])
        optimizer.step()
        whole.step()
    optimizer, resumed = build()
    resumed.load_state_dict(state)
    for rate in rates[6:]:
        assert resumed.get_last_lr()[0] == pytest.approx(rate)
        optimizer.step()
        resumed.step()


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam)])
def test_optimizer_is_the_named_one(name, kind, make_params):
    assert get_optimizer(make_params(**{"train.optim": name}).train) == (kind, {"lr": 0.002, "fused": True})
