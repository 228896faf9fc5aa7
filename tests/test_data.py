"""MNIST as the book ships it, and the choice of labels."""

import hashlib
import shutil
import socket

import numpy as np
import pytest
import torch

import vae_core as vc

RAW = "MNIST/raw"
SMALL = "t10k-labels-idx1-ubyte"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def data(cache):
    """Unpacked once from the book's archives, with every socket refused."""
    with pytest.MonkeyPatch.context() as patch:
        refuse_network(patch)
        return vc.load_mnist(cache=cache)


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


def test_the_digits_are_the_original_ones(data, cache):
    for (name, digest), values in zip(vc.MNIST_SHA256.items(), data, strict=True):
        raw = (cache / RAW / name).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == digest
        header = 16 if "images" in name else 8
        assert np.array_equal(np.frombuffer(raw, np.uint8, offset=header), values.flatten().numpy())
    assert data.train_images.shape == (60_000, 784) and data.test_images.shape == (10_000, 784)
    assert data.train_images.dtype == data.test_images.dtype == torch.uint8


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


def test_a_sound_cache_is_left_as_it_is(data, cache):
    times = {file: file.stat().st_mtime_ns for file in (cache / RAW).iterdir()}
    assert len(times) == 4
    vc.load_mnist(cache=cache)
    assert {file: file.stat().st_mtime_ns for file in (cache / RAW).iterdir()} == times


@pytest.mark.parametrize("damage", [
    lambda file: file.unlink(),
    lambda file: file.write_bytes(b""),
    lambda file: file.write_bytes(file.read_bytes()[:-1]),
    lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\x07"),
], ids=["missing", "empty", "cut off", "one label changed"])
def test_a_damaged_cache_is_repaired(data, cache, damage):
    file = cache / RAW / SMALL
    damage(file)
    assert vc.load_mnist(cache=cache).test_labels.equal(data.test_labels)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == vc.MNIST_SHA256[SMALL]


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: b"not an archive", lambda data: data[:-20], lambda data: data[: len(data) // 2],
    lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:],
], ids=["empty", "text", "end cut off", "half", "one bit"])
def test_a_damaged_archive_is_named_and_not_unpacked(archives, tmp_path, damage):
    archive = archives / f"{SMALL}.xz"
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(ValueError, match=rf"{SMALL}.xz .*restore it with git"):
        vc._unpack(archive, tmp_path / "out", vc.MNIST_SHA256[SMALL])
    assert not (tmp_path / "out").exists()


def test_an_archive_of_something_else_is_refused_by_load_mnist(archives, data, cache, tmp_path):
    other = tmp_path / "other cache"
    shutil.copytree(cache, other)
    (other / RAW / SMALL).unlink()
    shutil.copy(archives / "train-labels-idx1-ubyte.xz", archives / f"{SMALL}.xz")
    with pytest.raises(ValueError, match=f"{SMALL}.xz does not hold the original MNIST file"):
        vc.load_mnist(archives, other)
    assert not (other / RAW / SMALL).exists()


def test_without_archives_a_changed_file_is_refused(data, cache, tmp_path):
    other = shutil.copytree(cache, tmp_path / "other cache")
    file = other / RAW / SMALL
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    with pytest.raises(ValueError, match=SMALL):
        vc.load_mnist(tmp_path, other)


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


def test_every_image_of_a_class_may_be_drawn():
    labels = torch.tensor([1, 0, 1, 0, 0, 1])
    assert vc.labelled_subset(labels, 6, seed=4).sort().values.tolist() == list(range(6))
    drawn = {i for seed in range(50) for i in vc.labelled_subset(labels, 2, seed=seed).tolist()}
    assert drawn == set(range(6))


def test_classes_need_not_begin_at_zero():
    labels = torch.tensor([3, 7, 3, 7])
    assert labels[vc.labelled_subset(labels, 4)].tolist() == [3, 3, 7, 7]


@pytest.mark.parametrize("n", [0, -10, 105, 2.5, 54_220])  # the rarest digit has 5,421 images
def test_an_impossible_number_of_labels_is_refused(data, n):
    with pytest.raises(ValueError, match=f"given {n}"):
        vc.labelled_subset(data.train_labels, n)
