"""What chapter 8 asks of the parts: each likelihood is kept in files, and scores all pairs as it scores one."""

import pytest
import torch

import vae_core as vc

LIKELIHOODS = [
    vc.Bernoulli,
    vc.ContinuousBernoulli,
    vc.Gaussian,
    lambda: vc.Gaussian(0.01),
    lambda: vc.Gaussian("learned"),
    lambda: vc.Gaussian("predicted"),
]


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_model_with_this_likelihood_comes_back_from_its_file(likelihood, tmp_path):
    torch.manual_seed(0)
    model, x = vc.VAE(x_dim=6, z_dim=2, hidden=(4,), likelihood=likelihood()), (torch.rand(3, 6) > 0.5).float()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half())  # as the file keeps it
    vc.save_model(tmp_path / "model.safetensors", model)
    again = vc.load_model(tmp_path / "model.safetensors")
    assert type(again.likelihood) is type(model.likelihood)
    with vc.seeded(0):
        one = model.log_weight(x, 5)[0]
    with vc.seeded(0):
        assert torch.equal(one, again.log_weight(x, 5)[0])


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_all_pairs_are_scored_as_each_is(likelihood):
    torch.manual_seed(0)
    likelihood, x = likelihood(), (torch.rand(5, 6) > 0.5).float()
    parameters = 3 * torch.randn(7, likelihood.outputs * 6)
    with torch.no_grad():
        one_by_one = torch.stack([likelihood.log_prob(each, parameters) for each in x])
        torch.testing.assert_close(likelihood.log_prob_pairs(x, parameters), one_by_one, rtol=1e-5, atol=1e-4)
