"""MNIST as the book ships it, the choice of labels, and guesses from a few."""

import hashlib
import lzma
import math
import shutil
import socket

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import vae_core as vc

SMALL = "t10k-labels-idx1-ubyte"


@pytest.fixture(scope="module")
def data():
    """Unpacked from the book's archives, with every socket refused."""
    with pytest.MonkeyPatch.context() as patch:
        refuse_network(patch)
        return vc.load_mnist(vc.BOOK / "data")


def refuse_network(patch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked for")

    patch.setattr(socket.socket, "connect", refuse)
    patch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    refuse_network(monkeypatch)


@pytest.fixture
def archives(tmp_path):
    """A copy of the book's archives that may be damaged."""
    return shutil.copytree(vc.BOOK / "data", tmp_path / "archives")


def test_the_digits_are_the_original_ones(data):
    for (name, digest), values in zip(vc.MNIST_SHA256.items(), data, strict=True):
        raw = lzma.decompress((vc.BOOK / "data" / f"{name}.xz").read_bytes())
        assert hashlib.sha256(raw).hexdigest() == digest
        header = 16 if "images" in name else 8
        assert np.array_equal(np.frombuffer(raw, np.uint8, offset=header), values.flatten().numpy())
    assert data.train_images.shape == (60_000, 784) and data.test_images.shape == (10_000, 784)
    assert data.train_images.dtype == data.test_images.dtype == torch.uint8
    assert data.train_labels.shape == (60_000,) and data.test_labels.shape == (10_000,)
    assert data.train_labels.dtype == data.test_labels.dtype == torch.int64


def test_the_books_own_digits_stay_what_they_are(data):
    """They are read once, and everybody has a copy."""
    for values in vc.load_mnist():
        values.zero_()
    assert all(torch.equal(values, read) for values, read in zip(vc.load_mnist(), data, strict=True))


def test_the_digits_in_figures(data):
    """Counts and grey levels as everybody reports them for MNIST."""
    assert data.train_labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.test_labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    scaled = data.train_images.double() / 255
    assert scaled.mean().item() == pytest.approx(0.1307, abs=5e-5)
    assert scaled.std().item() == pytest.approx(0.3081, abs=5e-5)
    assert data.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_the_archives_in_the_book_are_complete():
    names = {file.name for file in (vc.BOOK / "data").glob("*.xz")}
    assert names == {f"{name}.xz" for name in vc.MNIST_SHA256}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not an archive",
        lambda data: data[:-20],
        lambda data: data[: len(data) // 2],
        lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:],
    ],
    ids=["empty", "text", "end cut off", "half", "one bit"],
)
def test_a_damaged_archive_is_named(archives, damage):
    archive = archives / f"{SMALL}.xz"
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(ValueError, match=rf"{SMALL}.xz .*restore it from the repository"):
        vc.load_mnist(archives)


def test_an_archive_of_something_else_is_refused(archives):
    shutil.copy(archives / "train-labels-idx1-ubyte.xz", archives / f"{SMALL}.xz")
    with pytest.raises(ValueError, match=f"{SMALL}.xz does not hold the original MNIST file"):
        vc.load_mnist(archives)


def test_a_missing_archive_is_named(archives):
    (archives / f"{SMALL}.xz").unlink()
    with pytest.raises(ValueError, match=f"{SMALL}.xz does not exist"):
        vc.load_mnist(archives)


# ------------------------------------------------------------------------------------
# Which labels are known
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [10, 100, 3000])
def test_a_labelled_subset_has_as_many_of_each_class(data, n):
    rows = vc.labelled_subset(data.train_labels, n)
    assert len(rows.unique()) == n
    assert data.train_labels[rows].bincount().tolist() == [n // 10] * 10
    assert data.train_labels[rows].tolist() == sorted(data.train_labels[rows].tolist())


def test_a_labelled_subset_repeats_with_its_seed_and_ignores_the_global_one(data):
    draws = []
    for global_seed, seed in ((0, 0), (1, 0), (0, 1), (0, 2)):
        torch.manual_seed(global_seed)
        draws.append(set(vc.labelled_subset(data.train_labels, 100, seed=seed).tolist()))
    assert draws[0] == draws[1]
    assert all(len(draws[i] & draws[j]) < 10 for i, j in ((0, 2), (0, 3), (2, 3)))


def test_the_labelled_images_of_the_book_are_those_of_seed_0(data):
    assert vc.labelled_subset(data.train_labels, 100).equal(vc.labelled_subset(data.train_labels, 100, seed=0))


def test_every_image_of_a_class_may_be_drawn():
    labels = torch.tensor([1, 0, 1, 0, 0, 1])
    assert vc.labelled_subset(labels, 6, seed=4).sort().values.tolist() == list(range(6))
    drawn = {i for seed in range(50) for i in vc.labelled_subset(labels, 2, seed=seed).tolist()}
    assert drawn == set(range(6))


def test_classes_need_not_begin_at_zero():
    labels = torch.tensor([3, 7, 3, 7])
    assert labels[vc.labelled_subset(labels, 4)].tolist() == [3, 3, 7, 7]


@pytest.mark.parametrize("labels", [torch.zeros(0), torch.zeros(4, 10)])
def test_labels_come_one_an_image(labels):
    with pytest.raises(ValueError, match=r"shape \(images,\); given"):
        vc.labelled_subset(labels, 10)


@pytest.mark.parametrize("n", [0, -10, 105, 2.5, 54_220])  # the rarest digit has 5,421 images
def test_an_impossible_number_of_labels_is_refused(data, n):
    with pytest.raises(ValueError, match=f"given {n}"):
        vc.labelled_subset(data.train_labels, n)


# ------------------------------------------------------------------------------------
# Guesses from a few labels
# ------------------------------------------------------------------------------------


def clusters(n=60, seed=0):
    """Three groups of codes in a plane, far apart, and the group of each."""
    generator = torch.Generator().manual_seed(seed)
    group = torch.arange(n) % 3
    return torch.randn(n, 2, generator=generator) + 30 * F.one_hot(group, 3)[:, :2], group


@pytest.mark.parametrize("k", [1, 3, 10])
def test_a_graph_is_its_definition(k):
    z, _ = clusters(12)
    graph = vc.neighbour_graph(z, *[] if k == 10 else [k]).toarray()
    near, neighbour = torch.cdist(z.double(), z.double()).fill_diagonal_(math.inf).topk(k, largest=False)
    weight = (-4 * (near / near[:, -1:]) ** 2).exp()
    one_way = torch.zeros(12, 12).double().scatter(1, neighbour, weight)
    assert np.allclose(graph, one_way + one_way.T, atol=1e-5)


def test_copies_of_one_image_are_tied_in_full():
    assert vc.neighbour_graph(torch.zeros(12, 3), 3).sum() == 2 * 12 * 3


def test_known_images_keep_their_labels_against_their_neighbours():
    torch.manual_seed(0)
    graph = vc.neighbour_graph(torch.cat([torch.randn(60, 2), torch.randn(60, 2) + 4]), 5)
    known, labels = torch.tensor([0, 1, 2, 3, 60, 61, 62, 63]), torch.tensor([0, 0, 0, 1, 1, 1, 1, 0])
    guesses = vc.spread_labels(graph, known, labels, 2)
    assert torch.equal(guesses[known], F.one_hot(labels, 2).float())


def test_ties_depend_on_relative_distances_alone():
    z, _ = clusters()
    turned = z @ torch.tensor([[0.6, 0.8], [-0.8, 0.6]])
    assert np.allclose(vc.neighbour_graph(z).toarray(), vc.neighbour_graph(3 * turned).toarray(), atol=1e-4)


def test_labels_reach_all_of_their_own_group_and_nothing_else():
    z, group = clusters()
    known = torch.tensor([0, 1, 2])
    graph = vc.neighbour_graph(z, k=5)
    guesses = vc.spread_labels(graph, known, group[known], y_dim=3)
    assert guesses.shape == (60, 3) and torch.allclose(guesses.sum(1), torch.ones(60)) and (guesses >= 0).all()
    assert torch.equal(guesses.argmax(1), group)
    assert torch.equal(guesses[known], torch.eye(3))
    assert vc.spread_labels(graph, known, group[known], y_dim=4).shape == (60, 4)  # one class has no label


def test_guesses_are_their_definition():
    """Written out: what flows along ties, and classes made equally large."""
    z = torch.randn(90, 2, generator=torch.Generator().manual_seed(5))
    graph = vc.neighbour_graph(z, 4)
    known, few = [3, 4, 5, 6, 7], np.eye(3)[[0, 0, 0, 1, 2]]  # most are of one class
    ties = graph.toarray().astype(float)
    degree = ties.sum(1, keepdims=True)
    source, flow = np.zeros((90, 3)), np.zeros((90, 3))
    source[known] = few - few.mean(0)
    for turn in range(6):
        for _ in range(10 if turn else 300):
            flow = (ties @ flow + source) / degree
        scale = np.ones(3)
        for _ in range(100):
            share = np.bincount((flow * scale).argmax(1), minlength=3) / 90
            scale = np.clip(scale + (1 / 3 - share) / 2, 0.5, 2)
        guess = np.maximum(flow * scale, 0)
        flow = np.eye(3)[guess.argmax(1)]
    guess[known] = few
    guess = guess**3 / (guess**3).sum(1, keepdims=True)
    found = vc.spread_labels(graph, torch.tensor(known), torch.tensor([0, 0, 0, 1, 2]), 3)
    np.testing.assert_allclose(found, guess, atol=1e-4)


def test_a_doubtful_image_goes_where_classes_stay_equally_large():
    line = torch.arange(40.0).unsqueeze(1)  # evenly spaced: halfway between the two known images is not the middle
    guesses = vc.spread_labels(vc.neighbour_graph(line, k=2), torch.tensor([0, 31]), torch.tensor([0, 1]), y_dim=2)
    assert (guesses.argmax(1).bincount() - 20).abs().max() <= 1
    assert guesses.max(1).values.argmin().item() in range(18, 22)  # least sure at the border


def test_guesses_on_real_digits_beat_the_nearest_label(data):
    labels = data.train_labels[:3000]
    known = vc.labelled_subset(labels, 100)
    with torch.no_grad():
        z = vc.load_trained("vae").enc(data.train_images[:3000] / 255)[0]
    guesses = vc.spread_labels(vc.neighbour_graph(z), known, labels[known])
    nearest = labels[known][torch.cdist(z, z[known]).argmin(1)]
    right = (guesses.argmax(1) == labels).float().mean()
    assert abs(guesses.amax(1).mean() - right) < 0.05  # about as sure as they are right
    assert right > 0.9 and right > (nearest == labels).float().mean() + 0.03


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda z, graph: vc.neighbour_graph(z[:10], k=10), "more than k = 10 images; given 10"),
        (lambda z, graph: vc.neighbour_graph(z, k=0), "k must be .* given 0"),
        (lambda z, graph: vc.spread_labels(graph, torch.tensor([0, 1]), torch.tensor([3, 10])), "from 0 to 9"),
        (lambda z, graph: vc.spread_labels(graph, torch.tensor([0, 0]), torch.tensor([3, 3])), "different indices"),
        (lambda z, graph: vc.spread_labels(graph, torch.tensor([0, 60]), torch.tensor([3, 4])), "0 to 59"),
        (
            lambda z, graph: vc.spread_labels(graph, torch.tensor([], dtype=torch.long), torch.tensor([])),
            "at least one",
        ),
        (lambda z, graph: vc.spread_labels(graph, torch.tensor([0, 1]), torch.tensor([0, 1])), "no label reaches some"),
        (lambda z, graph: vc.spread_labels(graph, torch.tensor([0, 1]), torch.tensor([3, 3])), "labels are the same"),
        (lambda z, graph: vc.spread_labels(graph, torch.tensor([0, 1]), torch.tensor([0.0, 1.0])), "float32"),
        (lambda z, graph: vc.spread_labels(graph, torch.tensor([0, 1]), torch.tensor([1])), r"2 known.*\(1,\)"),
        (lambda z, graph: vc.spread_labels(graph, torch.tensor([0, 1]), torch.tensor([])), r"2 known.*\(0,\)"),
    ],
)
def test_spreading_says_what_it_wants(call, message):
    z, _ = clusters()
    with pytest.raises(ValueError, match=message):
        call(z, vc.neighbour_graph(z))
