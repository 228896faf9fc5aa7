"""The densities of vae_core against torch.distributions, closed forms and quadrature."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from torch.distributions import Bernoulli, Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

import vae_core as vc

settings.register_profile("densities", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("densities")

VALUE, VARIANCE, PROBABILITY = (-1e3, 1e3), (1e-6, 1e6), (0.0, 1.0)
LOG_2PI = math.log(2 * math.pi)


@st.composite
def tensors(draw, *ranges):
    """One float64 tensor for each range, all of one shape (..., dim)."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    size = math.prod(shape)

    def tensor(low, high):
        values = draw(st.lists(st.floats(low, high), min_size=size, max_size=size))
        return torch.tensor(values, dtype=torch.float64).reshape(shape)

    return [tensor(*r) for r in ranges]


def close(actual, expected, **tolerance):
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=actual.dtype), **tolerance)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def leaf(*shape, seed=0, f=torch.clone):
    """f(random numbers), to be differentiated by."""
    return f(random(*shape, seed=seed)).requires_grad_()


def within_standard_errors(samples, expected, n=5):
    """The mean over the first dimension is what is expected, to n standard errors."""
    error = samples.std(0) / math.sqrt(len(samples))
    assert ((samples.mean(0) - expected).abs() <= n * error + 1e-12).all(), (samples.mean(0), expected, error)


# ------------------------------------------------------------------------------------
# The Gaussian
# ------------------------------------------------------------------------------------


@given(tensors(VALUE, VALUE, VARIANCE))
def test_log_normal_is_torchs(args):
    x, m, v = args
    close(vc.log_normal(x, m, v), Independent(Normal(m, v.sqrt()), 1).log_prob(x), rtol=1e-9, atol=1e-9)


def test_log_normal_by_hand():
    x, m, v = torch.tensor([3.0, 0.0]), torch.tensor([1.0, 0.0]), torch.tensor([4.0, 9.0])
    close(vc.log_normal(x, m, v), -LOG_2PI - math.log(2) - math.log(3) - 0.5)


def test_log_normal_broadcasts_and_sums_the_last_dimension_only():
    x, m, v = random(5, 1, 3), random(4, 3, seed=1), random(3, seed=2).exp()
    expected = [[Normal(m[j], v.sqrt()).log_prob(x[i, 0]).sum() for j in range(4)] for i in range(5)]
    close(vc.log_normal(x, m, v), expected)


def test_log_normal_integrates_to_one():
    def density(x):
        return vc.log_normal(*(torch.tensor([t], dtype=torch.float64) for t in (x, 0.7, 0.3))).exp().item()

    assert quad(density, -10, 10, points=[0.7])[0] == pytest.approx(1, abs=1e-9)


def test_sample_gaussian_has_the_stated_mean_and_variance():
    torch.manual_seed(0)
    m, v = torch.tensor([-3.0, 0.0, 100.0]), torch.tensor([0.01, 1.0, 25.0])
    z = vc.sample_gaussian(m.expand(100_000, 3), v.expand(100_000, 3))
    within_standard_errors(z, m)
    within_standard_errors((z - m) ** 2, v)
    within_standard_errors((z - m) * (z - m).roll(1, 1), 0.0)  # the dimensions are independent


def test_sample_gaussian_passes_gradients_to_mean_and_variance():
    m, v = leaf(4, 3), leaf(4, 3, seed=1, f=torch.exp)
    z = vc.sample_gaussian(m, v)
    eps = ((z - m) / v.sqrt()).detach()
    grad_m, grad_v = torch.autograd.grad(z.sum(), (m, v))
    close(grad_m, torch.ones(4, 3))
    close(grad_v, eps / (2 * v.detach().sqrt()))


@given(tensors(VALUE, VALUE))
def test_gaussian_parameters_are_a_mean_and_a_positive_variance(args):
    h_m, h_v = args
    for dim in (-1, 0):
        m, v = vc.gaussian_parameters(torch.cat([h_m, h_v], dim), dim)
        assert m.equal(h_m)
        close(v, F.softplus(h_v) + 1e-8, rtol=1e-12, atol=0)
        assert (v >= 1e-8).all()


def test_gaussian_parameters_keep_the_smallest_variance_in_float32():
    close(vc.gaussian_parameters(torch.tensor([5.0, -1e4]))[1], [1e-8], rtol=1e-6, atol=0)


@given(tensors(VALUE, VARIANCE, VALUE, VARIANCE))
def test_kl_normal_is_torchs_and_never_negative(args):
    qm, qv, pm, pv = args
    kl = vc.kl_normal(qm, qv, pm, pv)
    expected = kl_divergence(Independent(Normal(qm, qv.sqrt()), 1), Independent(Normal(pm, pv.sqrt()), 1))
    close(kl, expected, rtol=1e-9, atol=1e-8)
    assert (kl >= -1e-8).all()
    close(vc.kl_normal(qm, qv, qm, qv), torch.zeros(kl.shape), rtol=0, atol=1e-12)


def test_rounding_takes_no_kl_below_zero_and_no_gradient():
    logits, change = random(2000, 10).float(), 1e-5 * random(2000, 10, seed=1).float()
    log_q, log_p = logits.log_softmax(-1), (logits + change).log_softmax(-1)
    m, v = logits.requires_grad_(), (random(2000, 10, seed=2).exp() + 0.1).float()
    of_normals, of_classes = vc.kl_normal(m, v, m.detach() + change, v), vc.kl_cat(log_q.exp(), log_q, log_p)
    for kl in (of_normals, of_classes):
        assert (kl == 0).any() and (kl >= 0).all() and kl.max() < 1e-5
    (grad,) = torch.autograd.grad(of_normals.sum(), m)
    close(grad, -change / v, rtol=0.05, atol=1e-6)


def test_kl_normal_by_quadrature():
    qm, qv, pm, pv = (torch.tensor([t], dtype=torch.float64) for t in (0.5, 0.25, -1.0, 2.0))

    def integrand(z):
        z = torch.tensor([z], dtype=torch.float64)
        log_q, log_p = vc.log_normal(z, qm, qv), vc.log_normal(z, pm, pv)
        return (log_q.exp() * (log_q - log_p)).item()

    close(vc.kl_normal(qm, qv, pm, pv), quad(integrand, -6, 7, points=[0.5])[0], rtol=0, atol=1e-9)


def test_kl_normal_is_the_mean_log_ratio_of_samples():
    torch.manual_seed(0)
    qm, pm = random(3), random(3, seed=1)
    qv, pv = random(3, seed=2).exp(), random(3, seed=3).exp()
    z = vc.sample_gaussian(qm.expand(100_000, 3), qv.expand(100_000, 3))
    within_standard_errors(vc.log_normal(z, qm, qv) - vc.log_normal(z, pm, pv), vc.kl_normal(qm, qv, pm, pv))


# ------------------------------------------------------------------------------------
# The mixture
# ------------------------------------------------------------------------------------


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.booleans(), st.floats(0.01, 30), st.integers(0, 99))
def test_log_normal_mixture_is_torchs(batch, k, dim, own_components, scale, seed):
    rows = batch if own_components else 1
    z, m = scale * random(batch, dim, seed=seed), scale * random(rows, k, dim, seed=seed + 1)
    v = (3 * random(rows, k, dim, seed=seed + 2)).exp()
    equal = Categorical(logits=torch.zeros(rows, k, dtype=torch.float64))
    expected = MixtureSameFamily(equal, Independent(Normal(m, v.sqrt()), 1)).log_prob(z)
    close(vc.log_normal_mixture(z, m, v), expected, rtol=1e-9, atol=1e-9)


def test_log_normal_mixture_integrates_to_one_in_two_dimensions():
    m, v = 2 * random(1, 4, 2), random(1, 4, 2, seed=1).exp()
    axis = torch.linspace(-20, 20, 801, dtype=torch.float64)
    log_p = vc.log_normal_mixture(torch.cartesian_prod(axis, axis), m, v)
    assert log_p.exp().sum().item() * (40 / 800) ** 2 == pytest.approx(1, abs=1e-9)


def test_log_normal_mixture_far_from_every_component_does_not_underflow():
    log_p = vc.log_normal_mixture(torch.full((1, 2), 1e4), torch.zeros(1, 3, 2), torch.ones(1, 3, 2))
    close(log_p, [-1e8], rtol=1e-6, atol=0)


def gmvae_prior(h_v, seed=0):
    """A GMVAE with components near 0 whose variances are about softplus(h_v)."""
    torch.manual_seed(seed)
    model = vc.GMVAE(x_dim=4, z_dim=3, hidden=(5,), k=7)
    with torch.no_grad():
        model.z_pre[:, :7] = torch.randn(1, 7, 3)
        model.z_pre[:, 7:] = h_v + torch.randn(1, 7, 3)
    return model


@pytest.mark.parametrize("h_v", [3.0, 0.0, -5.0, -12.0, -17.0])  # variances of 3, 0.7, 7e-3, 6e-6, 5e-8
def test_gmvae_prior_is_the_mixture_also_with_small_variances(h_v):
    model = gmvae_prior(h_v)
    m, v = (t.detach() for t in model.z_prior)
    at_components = vc.sample_gaussian(m.expand(20, 7, 3), v.expand(20, 7, 3)).detach()
    expected = vc.log_normal_mixture(at_components.reshape(-1, 3).double(), m.double(), v.double())
    close(model.log_prior(at_components).detach().double(), expected.reshape(20, 7), rtol=0, atol=1e-4)
    elsewhere = 3 * torch.randn(50, 3)
    expected = vc.log_normal_mixture(elsewhere.double(), m.double(), v.double())
    close(model.log_prior(elsewhere).detach().double(), expected, rtol=1e-6, atol=1e-4)


def test_gmvae_prior_has_the_mixtures_gradients():
    model = gmvae_prior(0.0)
    z = torch.randn(6, 3, requires_grad=True)
    m, v = model.z_prior
    ours = torch.autograd.grad(model.log_prior(z).sum(), (z, model.z_pre))
    theirs = torch.autograd.grad(vc.log_normal_mixture(z, m, v).sum(), (z, model.z_pre))
    for actual, expected in zip(ours, theirs, strict=True):
        close(actual, expected, rtol=1e-4, atol=1e-5)


def test_gmvae_prior_is_in_full_precision_under_autocast():
    model, z = gmvae_prior(-5.0), torch.randn(20, 3)
    expected = model.log_prior(z)
    with torch.autocast("cpu", torch.bfloat16):
        close(model.log_prior(z), expected, rtol=1e-6, atol=1e-4)


# ------------------------------------------------------------------------------------
# Bernoulli pixels
# ------------------------------------------------------------------------------------


@given(tensors(PROBABILITY, VALUE))
def test_log_bernoulli_is_torchs_on_bits_and_minus_the_cross_entropy_between(args):
    x, logits = args
    bits = x.round()
    expected = Independent(Bernoulli(logits=logits), 1).log_prob(bits)
    close(vc.log_bernoulli_with_logits(bits, logits), expected, rtol=1e-9, atol=1e-9)
    grey = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    close(vc.log_bernoulli_with_logits(x, logits), grey, rtol=1e-9, atol=1e-9)


def test_log_bernoulli_sums_to_one_over_every_image():
    every_image = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 5)
    close(vc.log_bernoulli_with_logits(every_image, 3 * random(5)).logsumexp(0), 0.0, rtol=0, atol=1e-12)


def test_an_infinite_logit_is_certain_and_right_or_wrong():
    inf, x = math.inf, torch.tensor([1.0, 0.0])
    logits = torch.tensor([[inf, -inf], [inf, 0], [inf, inf], [-inf, -inf], [0, inf]], requires_grad=True)
    log_p = vc.log_bernoulli_with_logits(x, logits)
    close(log_p.detach(), [0, -math.log(2), -inf, -inf, -inf], rtol=1e-6, atol=0)
    (grad,) = torch.autograd.grad(log_p.sum(), logits)
    assert grad.tolist() == [[0, 0], [0, -0.5], [0, -1], [1, 0], [0.5, -1]]
    assert vc.log_bernoulli_with_logits(torch.tensor([0.5]), torch.tensor([inf])) == -inf
    assert vc.log_bernoulli_with_logits(x, torch.tensor([math.nan, inf])).isnan()


def test_log_bernoulli_at_extreme_logits():
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]])
    close(vc.log_bernoulli_with_logits(torch.tensor([1.0, 0.0]), logits), [0.0, -2e4], rtol=0, atol=0)
    small = torch.tensor([-1e-3, 0.0, 1e-3])
    close(vc.log_bernoulli_with_logits(torch.zeros(3, 1), small.unsqueeze(1)), -F.softplus(small))


@pytest.mark.parametrize("dim", [126, 127, 784])
def test_log_bernoulli_needs_no_number_below_the_normal_ones(dim):
    """Processors may take those for zero, and PyTorch lets them where it is asked to."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor keeps all numbers")
    try:
        bound = vc.log_bernoulli_with_logits(torch.ones(1, dim), torch.zeros(1, dim)).item()
    finally:
        torch.set_flush_denormal(False)
    assert bound == pytest.approx(-dim * math.log(2), rel=1e-6)


@pytest.mark.parametrize(
    "x_shape, shape",
    [
        ((4, 1, 6), (3, 6)),
        ((3, 6), (4, 3, 6)),
        ((6,), (6,)),
        ((2, 6), (1,)),
        ((4, 1, 6), (3, 1)),
        ((0, 6), (2, 0, 6)),
        ((3, 225), (3, 225)),  # pixels that no 112 divides
        ((2, 784), (500, 2, 784)),  # more than is taken at a time
    ],
)
def test_log_bernoulli_and_its_gradients_are_those_of_the_plain_formula(x_shape, shape):
    x = random(*x_shape).sigmoid().requires_grad_()
    logits = 5 * random(*shape)
    logits.flatten()[:3] = torch.tensor([0.0, 90.0, -90.0])[: logits.numel()]
    logits.requires_grad_()
    fast = vc.log_bernoulli_with_logits(x, logits)
    plain = (x * logits - F.softplus(logits, threshold=100)).sum(-1)
    close(fast.detach(), plain.detach(), rtol=1e-12, atol=1e-12)
    weight = random(*fast.shape)
    gradients = (torch.autograd.grad((f * weight).sum(), (x, logits)) for f in (fast, plain))
    for ours, theirs in zip(*gradients, strict=True):
        close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_second_derivatives():
    """Of what has a derivative of its own; torch compares them with differences of the first."""
    x = torch.linspace(-3.05, 3, 12, dtype=torch.float64, requires_grad=True)  # none at 0, where ELU bends
    assert torch.autograd.gradgradcheck(vc.ELU(), x)
    assert torch.autograd.gradgradcheck(lambda a: vc.kl_cat(a.softmax(-1), a.log_softmax(-1), -math.log(12)), x)
    pixels = (torch.arange(12) % 2).double()
    assert torch.autograd.gradgradcheck(lambda a: vc.log_bernoulli_with_logits(pixels, a), x)


def test_the_slope_of_elu_keeps_its_digits_in_bfloat16():
    x = torch.linspace(-8, 8, 100).bfloat16().requires_grad_()
    vc.ELU()(x).sum().backward()
    exact = x.detach().double().clamp(max=0).exp()
    assert ((x.grad.double() - exact) / exact).abs().max() < 0.005  # half of what its 8 bits can tell apart


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_in_half_precision_are_summed_in_full(dtype):
    logits, x = torch.linspace(-4, 4, 784), (torch.arange(784) % 2).float()
    assert torch.equal(
        vc.log_bernoulli_with_logits(x, logits.to(dtype)), vc.log_bernoulli_with_logits(x, logits.to(dtype).float())
    )


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_pixels_may_be_whole_numbers(dtype):
    x, gradients = torch.tensor([[0, 1, 1], [1, 0, 1]]), []
    for pixels in (x.float(), x.to(dtype)):
        logits = torch.tensor([0.5, -2.0, 1.0], requires_grad=True)
        vc.log_bernoulli_with_logits(pixels, logits).sum().backward()
        gradients.append(logits.grad)
    assert torch.equal(*gradients)


@pytest.mark.parametrize("dtype, precision", [(torch.float64, 1e-12), (torch.float32, 2e-7), (torch.bfloat16, 1e-2)])
def test_elu_and_its_gradient_are_those_of_torch(dtype, precision):
    x = torch.cat([5 * random(200), torch.tensor([0.0, 1e-3, -1e-3, 200.0, -200.0])]).to(dtype).requires_grad_()
    (ours, ours_back), (theirs, theirs_back) = (
        (y.detach(), torch.autograd.grad(y.sum(), x)[0]) for y in (vc.ELU()(x), F.elu(x))
    )
    assert ours.dtype == ours_back.dtype == dtype
    close(ours.double(), theirs.double(), rtol=precision, atol=1e-7)
    close(ours_back.double(), theirs_back.double(), rtol=precision, atol=precision)
    with torch.no_grad():  # works in place, on a copy
        before = x.clone()
        assert torch.equal(vc.ELU()(x), ours) and torch.equal(x, before)


# ------------------------------------------------------------------------------------
# Categorical, log-mean-exp, copies
# ------------------------------------------------------------------------------------


@given(tensors(VALUE, VALUE))
def test_kl_cat_is_torchs(args):
    q, p = (Categorical(logits=t / 100) for t in args)
    close(vc.kl_cat(q.probs, q.logits, p.logits), kl_divergence(q, p), rtol=1e-9, atol=1e-9)


def test_kl_cat_takes_zeros_and_numbers():
    q = torch.tensor([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])
    close(vc.kl_cat(q, q.log(), -math.log(3)), [math.log(3) - math.log(2), math.log(3)])
    assert vc.kl_cat(q[1], q[1].log(), q[0].log()) == math.inf
    close(vc.kl_cat(torch.full((4,), 0.25), -math.log(4), -math.log(4)), 0.0)


def test_kl_cat_has_the_precision_of_its_input():
    q = random(6).softmax(-1)
    for number in (-math.log(6), torch.tensor(1 / 6, dtype=torch.float64).log()):
        kl = vc.kl_cat(q, q.log(), number)
        assert kl.dtype == torch.float64
        close(kl, (q * (q.log() + math.log(6))).sum(), rtol=1e-14, atol=1e-15)
    assert vc.kl_cat(q.float(), q.float().log(), -math.log(6)).dtype == torch.float32
    one_hot = torch.tensor([0, 1, 0])
    close(vc.kl_cat(one_hot, one_hot.log(), -math.log(3)), math.log(3))


def test_kl_cats_gradients_are_zero_where_q_is_zero():
    q = torch.tensor([0.0, 0.25, 0.75], requires_grad=True)
    log_p = torch.tensor([0.2, 0.3, 0.5]).log().requires_grad_()
    to_q, to_p = torch.autograd.grad(vc.kl_cat(q, q.log(), log_p), (q, log_p))
    close(to_q, [0, 1 + math.log(0.25 / 0.3), 1 + math.log(0.75 / 0.5)])
    close(to_p, [0, -0.25, -0.75])


def test_kl_cat_has_finite_gradients_where_q_is_zero():
    logits = torch.tensor([0.0, 1.0, -200.0], requires_grad=True)  # a probability of 0 in float32
    log_q = logits.log_softmax(-1)
    assert log_q.exp()[2] == 0
    (grad,) = torch.autograd.grad(vc.kl_cat(log_q.exp(), log_q, -math.log(3)), logits)
    q = torch.tensor([0.0, 1.0]).softmax(-1)
    slope = q[0] * q[1]  # d/da of sum q log q for two classes whose logits differ by a = 1
    close(grad, [-slope, slope, 0.0], rtol=1e-5, atol=1e-6)


@given(tensors(VALUE), st.floats(-1e3, 1e3))
def test_log_mean_exp_is_the_log_of_the_mean_and_shifts_with_its_input(args, shift):
    (x,) = args
    for dim in range(x.dim()):
        expected = (x / 2).exp().mean(dim).log()
        close(vc.log_mean_exp(x / 2, dim), expected, rtol=1e-9, atol=1e-9)
        result = vc.log_mean_exp(x, dim)
        close(vc.log_mean_exp(x + shift, dim), result + shift, rtol=1e-9, atol=1e-9)
        assert (x.mean(dim) - 1e-9 <= result).all() and (result <= x.amax(dim) + 1e-9).all()


def test_log_mean_exp_at_infinity_and_at_huge_values():
    inf = math.inf
    x = torch.tensor([[-inf, -inf], [-inf, 0.0], [1e38, 1e38], [-1e38, -1e38], [-1e30, 5.0]])
    close(vc.log_mean_exp(x, 1), [-inf, -math.log(2), 1e38, -1e38, 5 - math.log(2)], rtol=1e-6, atol=0)


def test_duplicate_is_rep_major():
    x = torch.tensor([[1, 2], [3, 4], [5, 6]])
    assert vc.duplicate(x, 2).tolist() == [[1, 2], [3, 4], [5, 6], [1, 2], [3, 4], [5, 6]]


@given(tensors(VALUE), st.integers(1, 5))
def test_duplicate_comes_apart_as_rep_times_batch(args, rep):
    (x,) = args
    assert (vc.duplicate(x, rep).reshape(rep, *x.shape) == x).all()


# ------------------------------------------------------------------------------------
# Gradients, in float64
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f, inputs",
    [
        (vc.log_normal, [leaf(2, 3), leaf(3, seed=1), leaf(2, 3, seed=2, f=torch.exp)]),
        (vc.log_normal_mixture, [leaf(2, 3), leaf(1, 4, 3, seed=1), leaf(1, 4, 3, seed=2, f=torch.exp)]),
        (vc.kl_normal, [leaf(2, 3), leaf(2, 3, seed=1, f=torch.exp), leaf(3, seed=2), leaf(3, seed=3, f=torch.exp)]),
        (
            vc.log_bernoulli_with_logits,
            [
                torch.tensor([[0.0, 1, 1], [1, 0, 0.5]], dtype=torch.float64),
                torch.tensor([[0.0, 0, 5], [-7, 1, 0]], dtype=torch.float64, requires_grad=True),
            ],
        ),
        (lambda a: vc.kl_cat(a.softmax(-1), a.log_softmax(-1), -math.log(3)), [leaf(2, 3)]),
        (lambda a: vc.log_mean_exp(a, 0), [leaf(4, 3)]),
        (lambda a: vc.duplicate(a, 3), [leaf(4, 3)]),
        (lambda a: vc.gaussian_parameters(a, 1), [leaf(2, 4, 3)]),
    ],
    ids=["log_normal", "mixture", "kl_normal", "log_bernoulli", "kl_cat", "log_mean_exp", "duplicate", "parameters"],
)
def test_gradients_are_right(f, inputs):
    assert torch.autograd.gradcheck(f, inputs)


# ------------------------------------------------------------------------------------
# Binary pixels from grey ones
# ------------------------------------------------------------------------------------


def test_binarize_turns_each_grey_level_on_as_often_as_it_says():
    levels, n = torch.arange(256, dtype=torch.uint8), 20_000
    on = vc.binarize(levels.expand(n, 256), torch.Generator().manual_seed(0))
    p = levels.float() / 255
    assert ((on.mean(0) - p).abs() <= 5 * (p * (1 - p) / n).sqrt()).all()  # at 0 and 255: exactly
    assert on.dtype == torch.float32 and set(on.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("u", [0.0, 1 - 2**-24])  # the ends of what torch.rand can draw
@pytest.mark.parametrize("ends", [torch.tensor([0, 255], dtype=torch.uint8), torch.tensor([0.0, 1.0])], ids=str)
def test_binarize_never_touches_black_and_white(monkeypatch, u, ends):
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, u))
    assert vc.binarize(ends).tolist() == [0, 1]


@given(st.integers(0, 2**32))
@settings(max_examples=10)
def test_binarize_draws_the_same_from_bytes_floats_and_one_generator(seed):
    x = torch.randint(256, (1000,), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    draws = [vc.binarize(images, torch.Generator().manual_seed(seed)) for images in (x, x, x / 255, x.double() / 255)]
    assert all(draw.equal(draws[0]) for draw in draws)
    assert not vc.binarize(x, torch.Generator().manual_seed(seed + 1)).equal(draws[0])


# ------------------------------------------------------------------------------------
# A label at the first layer
# ------------------------------------------------------------------------------------


def test_mlp_label_enters_as_if_appended_to_the_input():
    torch.manual_seed(0)
    mlp = vc.MLP((4, 5, 2), y_dim=3)
    x, y = torch.randn(6, 4), torch.eye(3).unsqueeze(1)  # every label against every x
    weight = torch.cat([mlp.first.weight, mlp.label.weight], dim=1)
    for j in range(3):
        xy = torch.cat([x, y[j].expand(6, 3)], dim=1)
        close(mlp(x, y)[j], mlp.rest[1](F.elu(F.linear(xy, weight, mlp.first.bias))), rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------
# What is refused
# ------------------------------------------------------------------------------------

ONES, NAN = torch.ones(2, 3), torch.full((2, 3), math.nan)
ZERO_VARIANCE = torch.tensor([1.0, 0.0, 1.0])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: vc.sample_gaussian(ONES, -ONES), "positive; the smallest given is -1"),
        (lambda: vc.sample_gaussian(ONES, NAN), "positive.*nan"),
        (lambda: vc.sample_gaussian(ONES, torch.ones(3)), r"one shape; given \(2, 3\) and \(3,\)"),
        (lambda: vc.log_normal(ONES.half(), ONES, ONES), r"x is torch.float16: give x\.float\(\)"),
        (lambda: vc.kl_normal(ONES, ONES, ONES.bfloat16(), ONES), r"pm is torch.bfloat16: give pm\.float\(\)"),
        (lambda: vc.gaussian_parameters(ONES), r"even size along dim -1.*\(2, 3\)"),
        (lambda: vc.gaussian_parameters(torch.ones(3, 2), dim=0), r"even size along dim 0.*\(3, 2\)"),
        (lambda: vc.log_normal(ONES, ONES, ZERO_VARIANCE), "positive; the smallest given is 0"),
        (lambda: vc.log_normal(ONES, ONES, NAN), "positive.*nan"),
        (lambda: vc.log_normal(ONES, torch.ones(2), ONES), r"broadcast.*x \(2, 3\), m \(2,\), v \(2, 3\)"),
        (lambda: vc.log_normal_mixture(ONES, ONES, ONES), r"batch, k, dim.*m \(2, 3\)"),
        (lambda: vc.log_normal_mixture(torch.ones(3), torch.ones(1, 4, 3), torch.ones(1, 4, 3)), r"z \(3,\)"),
        (lambda: vc.log_normal_mixture(ONES, torch.ones(1, 4, 3), torch.ones(1, 2, 3)), r"v \(1, 2, 3\)"),
        (
            lambda: vc.log_normal_mixture(ONES, torch.ones(1, 4, 2), torch.ones(1, 4, 2)),
            r"given z \(2, 3\), m \(1, 4, 2\)",
        ),
        (
            lambda: vc.log_normal_mixture(ONES, torch.ones(1, 4, 1), torch.ones(1, 4, 1)),
            r"given z \(2, 3\), m \(1, 4, 1\)",
        ),
        (
            lambda: vc.log_normal_mixture(ONES, torch.ones(5, 4, 3), torch.ones(5, 4, 3)),
            r"given z \(2, 3\), m \(5, 4, 3\)",
        ),
        (lambda: vc.log_normal_mixture(ONES, torch.ones(1, 4, 3), -torch.ones(1, 4, 3)), "positive"),
        (lambda: vc.log_bernoulli_with_logits(ONES, torch.ones(2)), r"x \(2, 3\), logits \(2,\)"),
        (lambda: vc.log_bernoulli_with_logits(2 * ONES, ONES), r"\[0, 1\]; given 2 to 2"),
        (
            lambda: vc.log_bernoulli_with_logits(torch.tensor([0, 255], dtype=torch.uint8), ONES[0, :2]),
            "given 0 to 255",
        ),
        (lambda: vc.log_bernoulli_with_logits(NAN, ONES), "nan"),
        (lambda: vc.kl_normal(torch.ones(4), ONES, ONES, ONES), r"qm \(4,\)"),
        (lambda: vc.kl_normal(ONES, torch.ones(4), ONES, ONES), r"qv \(4,\)"),
        (lambda: vc.kl_normal(ONES, ONES, torch.ones(4), ONES), r"pm \(4,\)"),
        (lambda: vc.kl_normal(ONES, ONES, ONES, torch.ones(4)), r"pv \(4,\)"),
        (lambda: vc.kl_normal(ONES, ZERO_VARIANCE, ONES, ONES), "positive"),
        (lambda: vc.kl_normal(ONES, ONES, ONES, -ONES), "positive"),
        (lambda: vc.kl_cat(torch.ones(2), ONES, ONES), r"q \(2,\), log_q"),
        (lambda: vc.kl_cat(ONES, torch.ones(2), ONES), r"log_q \(2,\)"),
        (lambda: vc.kl_cat(ONES, ONES, torch.ones(2)), r"log_p \(2,\)"),
        (lambda: vc.log_mean_exp(torch.ones(0, 3), 0), r"nothing to average.*\(0, 3\), dim=0"),
        (lambda: vc.duplicate(ONES, 0), "rep must be a whole number of at least 1; given 0"),
        (lambda: vc.duplicate(ONES, 1.5), "rep must be .* given 1.5"),
        (lambda: vc.duplicate(ONES, math.inf), "rep must be .* given inf"),
        (lambda: vc.duplicate(ONES, None), "rep must be .* given None"),
        (lambda: vc.duplicate(ONES, "3"), "rep must be .* given '3'"),
        (lambda: vc.binarize([0.0, 1.0]), "wanted images as a tensor; given list"),
        (lambda: vc.binarize(torch.tensor([0, 1])), r"floats in \[0, 1\]; given dtype torch.int64"),
        (lambda: vc.binarize(torch.tensor([0.0, 1.5])), r"\[0, 1\]; given 0 to 1.5"),
        (lambda: vc.binarize(torch.tensor([-0.5, 1.0])), r"given -0.5 to 1"),
        (lambda: vc.binarize(torch.tensor([0.5, math.nan])), "nan"),
        (lambda: vc.MLP((2, 3, 4), "gelu"), "elu, relu, tanh; given 'gelu'"),
    ],
)
def test_a_bad_argument_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
