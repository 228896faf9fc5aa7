"""Classes from few labels: which images are known, and three ways to guess the others' from them. Chapter 7."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from vae_machinery.checks import check_count, check_tensor

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix  # slow to import, and needed in one function alone


def labelled_subset(labels: Tensor, n: int, seed: int = 0) -> Tensor:
    """Draw n images whose labels will be known, equally many of each class. Chapter 7.

    labels: (images,) class ids. Returns n indices, class by class. Raises ValueError if n
    is no multiple of the number of classes, or more than there are.
    """
    check_tensor(labels, "labels")
    if labels.dim() != 1 or not len(labels):
        raise ValueError(f"wanted labels of shape (images,); given {tuple(labels.shape)}")
    classes, counts = labels.unique(return_counts=True)
    each, rest = divmod(check_count(n, "n"), len(classes))
    if rest or each > counts.min():
        raise ValueError(
            f"n must be a multiple of the {len(classes)} classes, with no more of one than there are; given {n}"
        )
    generator = torch.Generator().manual_seed(seed)
    rows = [(labels == c).nonzero().squeeze(1) for c in classes]
    return torch.cat([r[torch.randperm(len(r), generator=generator)[:each]] for r in rows])


def neighbour_graph(codes: Tensor, k: int = 10) -> "csr_matrix":
    """Tie each image to its k nearest neighbours in a latent space. Chapter 7.

    codes: (n, dim), the images under an encoder. A tie weighs exp(-4 d^2 / d_k^2), where
    d_k is the distance to the k-th neighbour; two images that chose each other are tied
    twice. Returns a symmetric scipy matrix (n, n), mostly zeros. Raises ValueError if there
    are no more than k images.
    """
    from scipy.sparse import csr_matrix  # slow to import, and needed here alone
    from sklearn.neighbors import NearestNeighbors

    n = len(codes)
    k = check_count(k, "k")
    if n <= k:
        raise ValueError(f"wanted the codes of more than k = {k} images; given {n}")
    found = NearestNeighbors(n_neighbors=k).fit(codes.detach().float().cpu().numpy()).kneighbors()
    distance, neighbour = map(torch.from_numpy, found)
    weight = (-4 * (distance / distance[:, -1:].clamp(min=1e-12)) ** 2).exp()
    start = torch.arange(0, n * k + 1, k)
    ties = csr_matrix((weight.float().flatten().numpy(), neighbour.flatten().numpy(), start.numpy()), (n, n))
    return ties + ties.T


def spread_labels(graph: "csr_matrix", known: Tensor, labels: Tensor, y_dim: int = 10) -> Tensor:
    """Guess every image's class from a few, by letting labels flow along a graph.

    graph: from `neighbour_graph`; known, labels: (few,), which images' classes are known,
    and their class ids. From each known image its label flows along the ties, until all
    have some (Poisson learning, Calder et al., 2020). Then, a few times over, every image is
    given the class that it has most of, such that classes are about equally large, as
    p(y) has it; and these flow a little way on. Returns (n, y_dim), probabilities; the
    known images keep their labels.
    Raises ValueError if labels are not class ids, one for each known image, or if no
    label reaches some image. Chapter 7.
    """
    n = graph.shape[0]
    _check_known(known, labels, n, y_dim)
    degree = torch.from_numpy(graph.sum(1)).float()
    source, few = torch.zeros(n, y_dim), F.one_hot(labels.long(), y_dim).float()
    source[known] = few - few.mean(0)  # as much flows off as flows on
    source /= degree
    ratio, flow = graph.multiply(1 / degree.numpy()).tocsr(), torch.zeros(n, y_dim)
    for steps in (300, 10, 10, 10, 10, 10):
        for _ in range(steps):
            flow = torch.from_numpy(ratio @ flow.numpy()) + source
        if (flow == 0).all(1).any():
            raise ValueError("no label reaches some images: they are tied to no known one, or all labels are the same")
        scale = torch.ones(y_dim)
        for _ in range(100):  # a class that is too large counts for less
            share = (flow * scale).argmax(1).bincount(minlength=y_dim) / n
            scale = (scale + 0.5 * (1 / y_dim - share)).clamp(0.5, 2)
        guess = (flow * scale).clamp(min=0)
        flow = F.one_hot(guess.argmax(1), y_dim).float()
    guess[known] = few
    guess = guess**3  # a mean over neighbours is right more often than it is sure
    return guess / guess.sum(1, keepdim=True)


def name_clusters(codes: Tensor, known: Tensor, labels: Tensor, y_dim: int = 10, steps: int = 25) -> Tensor:
    """Guess every image's class from a few, by EM: one Gaussian with a full covariance for each class.

    codes: (n, dim), samples of q(z|x); known, labels: as in `spread_labels`. The Gaussians start at the means of
    the known codes. In each step p(y|z), with p(y) uniform, says which codes are whose, where no label does; then
    each Gaussian takes the mean and covariance of its own (Dempster et al., 1977).
    Returns p(y|z), (n, y_dim). Raises ValueError as `spread_labels` does, and if a class has no label. Chapter 7.
    """
    _check_known(known, labels, len(codes), y_dim)
    few = F.one_hot(labels.long(), y_dim).to(codes)
    if not few.any(0).all():
        raise ValueError(f"wanted a label of each class, 0 to {y_dim - 1}; given {labels.unique().tolist()}")
    mean, cov = few.T @ codes[known] / few.sum(0).unsqueeze(1), (0.5 * torch.cov(codes.T)).expand(y_dim, -1, -1)
    for _ in range(steps):
        factor = torch.linalg.cholesky(cov)
        log_p = torch.distributions.MultivariateNormal(mean, scale_tril=factor).log_prob(codes.unsqueeze(1))
        p = log_p.softmax(1)
        p[known] = few
        size = p.sum(0)
        mean = p.T @ codes / size.unsqueeze(1)
        second = torch.einsum("ny,ni,nj->yij", p, codes, codes) / size.reshape(-1, 1, 1)
        cov = second - mean.unsqueeze(2) * mean.unsqueeze(1) + 1e-3 * torch.eye(codes.shape[1])
    return p


def cluster_classes(codes: Tensor, labels: Tensor, y_dim: int, each: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """k-means in the codes of each class: means (y_dim * each, dim), Cholesky factors of the covariances of the
    clusters, and how many codes each has, (y_dim, each). Raises ValueError if a class has fewer codes than clusters."""
    from sklearn.cluster import KMeans  # slow to import, and needed here alone

    means, factors, counts = [], [], []
    dim = codes.shape[1]
    ridge = 0.02 * torch.eye(dim)  # a few codes have no full covariance
    for c in range(y_dim):
        own = codes[labels == c].float().cpu()
        if len(own) < each:
            raise ValueError(f"class {c} has {len(own)} codes for its {each} components")
        found = KMeans(each, n_init=1, random_state=seed).fit(own[:4000].numpy())
        which = torch.from_numpy(found.predict(own.numpy()))
        for j in range(each):
            cluster = own[which == j]
            spread = torch.cov((cluster if len(cluster) > 2 * dim else own).T) + ridge
            means.append(cluster.mean(0))
            factors.append(torch.linalg.cholesky(spread))
            counts.append(len(cluster))
    return torch.stack(means), torch.stack(factors), torch.tensor(counts, dtype=torch.float).reshape(y_dim, each)


def _check_known(known: Tensor, labels: Tensor, n: int, y_dim: int) -> None:
    """Raise ValueError unless these are different indices of n images, and a class id for each."""
    if not len(known) or known.min() < 0 or known.max() >= n or len(known.unique()) != len(known):
        raise ValueError(f"known must be different indices from 0 to {n - 1}, at least one; given {known}")
    if known.shape != labels.shape or labels.is_floating_point() or not 0 <= labels.min() <= labels.max() < y_dim:
        values = f", {labels.min()} to {labels.max()}" if labels.numel() else ""
        raise ValueError(
            f"wanted a class id from 0 to {y_dim - 1} for each of {len(known)} known images; "
            f"given {labels.dtype} of shape {tuple(labels.shape)}{values}"
        )
