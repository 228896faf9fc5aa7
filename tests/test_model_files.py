"""Models saved and loaded: what a file holds, and what is refused."""

import json
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_training import X_DIM, Payload, SameArguments, bars, fit, flipped, model, same, weights

import vae_core as vc
from vae_machinery import model_files
from vae_machinery.files import hash_tensors, write_atomically


@pytest.fixture
def saved(tmp_path):
    file = tmp_path / "net.safetensors"
    vc.save_model(file, model(), seed=3, results={"test": {"nelbo": 1.5}})
    return file


def rewrite(file, tensors=None, text=None, **changes):
    """Write the file again with other tensors or another description, as if by an older or a hostile program: its
    hash is right."""
    tensors = load_file(file) if tensors is None else tensors
    with safe_open(file, "pt") as f:
        description = json.loads(f.metadata()["description"]) | changes | {"sha256": ""}
    text = text or json.dumps({k: v for k, v in description.items() if v is not None})
    save_file(tensors, file, {"description": text[:-2] + hash_tensors(tensors, text) + text[-2:]})


@pytest.mark.parametrize(
    "net",
    [
        model(beta=0.5, activation="tanh"),
        model(vc.GMVAE, k=4),
        model(vc.Autoencoder),
        model(vc.SSVAE, y_dim=4, gen_weight=0.5, class_weight=7.0),
    ],
    ids=lambda net: type(net).__name__,
)
def test_a_model_comes_back_as_it_was_saved(tmp_path, net):
    file = tmp_path / "some" / "where" / "net.safetensors"
    vc.save_model(file, net, seed=3, results={"a": [1, 2]})
    loaded = vc.load_model(file)
    assert type(loaded) is type(net) and loaded.arguments == net.arguments and not loaded.training
    assert loaded.description["seed"] == 3 and loaded.description["results"] == {"a": [1, 2]}
    assert all(t.dtype == torch.float16 for t in load_file(file).values())
    state, original = loaded.state_dict(), net.state_dict()
    assert list(state) == list(original)
    for name, t in state.items():
        assert t.dtype == torch.float32 and t.equal(original[name].half().float())
    before = vc.evaluate(net, bars())
    after = vc.evaluate(loaded, bars())
    assert after == pytest.approx(before, abs=0.01)
    if isinstance(net, vc.SSVAE):
        assert (loaded.gen_weight, loaded.class_weight, loaded.y_dim) == (0.5, 7.0, 4)
    elif isinstance(net, vc.VAE):
        assert loaded.beta == net.beta
    vc.save_model(file, loaded)
    assert same(weights(vc.load_model(file)), weights(loaded))  # float16 already: nothing more is lost
    with torch.no_grad():
        next(loaded.parameters()).zero_()
    vc.save_model(file, loaded, **loaded.description)  # a description of other weights
    assert same(weights(vc.load_model(file)), weights(loaded))


def test_a_file_cut_off_anywhere_is_refused(saved):
    whole = saved.read_bytes()
    header = int.from_bytes(whole[:8], "little") + 8
    for length in (0, 4, 8, header // 2, header, (header + len(whole)) // 2, len(whole) - 1):
        saved.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"net\.safetensors.*damaged"):
            vc.load_model(saved)
    saved.write_bytes(whole)
    vc.load_model(saved)


@pytest.mark.parametrize("part", ["header", "weights"])
def test_no_flipped_bit_of_a_model_goes_unnoticed(saved, monkeypatch, part):
    whole = saved.read_bytes()
    header = int.from_bytes(whole[:8], "little") + 8
    monkeypatch.setattr(model_files, "TRAINED", saved.parent)
    for damaged in flipped(whole[:header] if part == "header" else whole[header:], 1000):
        saved.write_bytes(damaged + whole[header:] if part == "header" else whole[:header] + damaged)
        for read in (lambda: vc.load_model(saved), vc.trained_models):
            with pytest.raises(ValueError, match=r"net\.safetensors is damaged, or no model of this book"):
                read()


def test_swapped_weights_of_one_shape_are_noticed(tmp_path):
    file = tmp_path / "net.safetensors"
    vc.save_model(file, vc.VAE(X_DIM, 2, (12, 12, 12)))
    with safe_open(file, "pt") as f:
        tensors, metadata = load_file(file), f.metadata()
    first, second = "enc.rest.1.weight", "enc.rest.3.weight"
    tensors[first], tensors[second] = tensors[second], tensors[first]
    save_file(tensors, file, metadata)
    with pytest.raises(ValueError, match="do not match their hash"):
        vc.load_model(file)


def arguments(**changes):
    return {"arguments": {"x_dim": X_DIM, "z_dim": 2, "hidden": [12]} | changes}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"class": "Transformer"}, "holds a 'Transformer', and registered are "),
        ({"class": "GMVAE"}, r"arguments|z_pre has to have shape \(1, 1000, 2\).*; given none"),
        ({"class": "Autoencoder"}, "unexpected keyword|given"),
        ({"class": "SSVAE"}, "enc.label.weight .* given none"),
        ({"class": None}, "holds a None"),
        ({"class": ["VAE"]}, r"holds a \['VAE'\]"),
        (arguments(z_dim=3), r"enc.rest.1.weight has to have shape \(6, 12\) .* given \(4, 12\)"),
        (arguments(z_dim=10**9), r"\(2000000000, 12\)"),
        (arguments(z_dim=10**40), "Overflow"),
        (arguments(hidden=[1] * 100_000), "no arguments"),
        (arguments(hidden=12), "not iterable"),
        (arguments(beta=math.nan), "beta must be a number"),
        (arguments(depth=3), "unexpected keyword argument 'depth'"),
        ({"arguments": None}, "no arguments for it: None"),
        ({"arguments": [X_DIM, 2]}, r"no arguments for it: \[16, 2\]"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_description_that_does_not_fit_the_weights_is_refused(saved, changes, message):
    rewrite(saved, **changes)
    with pytest.raises(ValueError, match=rf"net\.safetensors does not fit .*({message})"):
        vc.load_model(saved)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: {name: w.float() for name, w in t.items()}, "its weights are not float16"),
        (lambda t: t | {"enc.first.bias": torch.zeros(12, dtype=torch.int16)}, "its weights are not float16"),
        (lambda t: t | {"enc.first.bias": torch.full((12,), math.nan).half()}, "enc.first.bias .* not finite"),
        (lambda t: t | {"dec.rest.1.weight": t["dec.rest.1.weight"] / 0}, "dec.rest.1.weight .* not finite"),
        (lambda t: {name: w for name, w in t.items() if name != "enc.first.bias"}, "enc.first.bias .* given none"),
        (lambda t: t | {"more": torch.zeros(2).half()}, r"more has to have shape none .* given \(2,\)"),
        (lambda t: {}, "its weights are not float16"),
    ],
)
def test_other_weights_are_refused(saved, change, message):
    rewrite(saved, change(load_file(saved)))
    with pytest.raises(ValueError, match=rf"net\.safetensors.*{message}"):
        vc.load_model(saved)


@pytest.mark.parametrize(
    "text",
    [
        '{{""}',
        '[""]',
        "[[]]",
        '{"a": ""}',
        '{"a":' * 50_000 + '""' + "}" * 50_000,
        '{"class": ' + "1" * 5000 + ', "sha256": ""}',
    ],
    ids=len,
)
def test_a_description_of_another_kind_is_refused(saved, text):
    rewrite(saved, text=text)
    with pytest.raises(ValueError, match=r"net\.safetensors"):
        vc.load_model(saved)


def test_the_same_model_is_the_same_file(saved):
    before = saved.read_bytes()
    for _ in range(5):
        loaded = vc.load_model(saved)
        vc.save_model(saved, loaded, **loaded.description)
        assert saved.read_bytes() == before


def test_nothing_is_allocated_before_shapes_are_compared(saved, monkeypatch):
    made = []
    real = vc.MLP.__init__

    def seen(self, *arguments):
        real(self, *arguments)
        made.append(self.first.weight.device.type)

    monkeypatch.setattr(vc.MLP, "__init__", seen)
    vc.load_model(saved)
    assert made == ["meta"] * 2 + ["cpu"] * 2
    rewrite(saved, **arguments(z_dim=100_000))
    made.clear()
    with pytest.raises(ValueError, match=r"\(200000, 12\)"):
        vc.load_model(saved)
    assert made == ["meta"] * 2


def test_loading_draws_what_making_does(saved):
    model()
    expected = torch.rand(3)
    torch.manual_seed(0)
    vc.load_model(saved)
    assert torch.rand(3).equal(expected)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"other": "1"},
        {"description": ""},
        {"description": "{}"},
        {"description": '{"sha256": ""}'},
    ],
    ids=str,
)
def test_a_safetensors_file_of_something_else_is_refused(saved, metadata):
    save_file(load_file(saved), saved, metadata)
    with pytest.raises(ValueError, match=r"net\.safetensors"):
        vc.load_model(saved)


@pytest.mark.parametrize(
    "write",
    [
        lambda data, file: file.write_bytes(pickle.dumps(data, protocol=2)),
        torch.save,
    ],
    ids=["pickle", "torch"],
)
def test_a_renamed_pickle_is_refused_and_not_executed(saved, tmp_path, write):
    proof = tmp_path / "executed"
    write(Payload(proof), saved)
    with pytest.raises(ValueError, match="damaged, or no model of this book"):
        vc.load_model(saved)
    assert not proof.exists()
    pickle.loads(pickle.dumps(Payload(proof), protocol=2)).close()
    assert proof.exists()  # the payload works; only, nobody ran it


class CalledOtherwise(vc.VAE):
    def __init__(self, width):
        super().__init__(X_DIM, 2, (width,))


def test_a_subclass_with_other_arguments_is_trained_and_describes_its_class(tmp_path):
    net = CalledOtherwise(12)
    fit(net, checkpoint=tmp_path / "run", epochs=1)
    assert net.arguments == vc.VAE(X_DIM, 2, (12,)).arguments


@pytest.mark.parametrize("kind", [vc.VAE, vc.GMVAE, vc.SSVAE])
def test_what_was_changed_since_is_saved(tmp_path, kind):
    net = model(kind, beta=2)
    assert net.beta == 2
    net.beta = 4.0
    vc.save_model(tmp_path / "net", net)
    assert vc.load_model(tmp_path / "net").beta == 4


@pytest.mark.parametrize("value", [70000.0, math.nan])
def test_weights_that_a_file_cannot_hold_are_refused(tmp_path, value):
    net = model()
    net.dec.rest[-1].bias.data[3] = value
    with pytest.raises(ValueError, match=f"dec.rest.1.bias holds {value:g}.* ends at 65504"):
        vc.save_model(tmp_path / "net", net)
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_another_class_is_saved_once_its_class_is_known(tmp_path, monkeypatch):
    net, file = SameArguments(X_DIM, 2, (12,)), tmp_path / "net"
    with pytest.raises(ValueError, match=r"SameArguments is not registered: write @vae_core\.register"):
        vc.save_model(file, net)
    with monkeypatch.context() as patch:
        patch.setitem(model_files.REGISTRY, "SameArguments", SameArguments)
        vc.save_model(file, net)
        assert type(vc.load_model(file)) is SameArguments
        patch.setitem(model_files.REGISTRY, "CalledOtherwise", CalledOtherwise)
        with pytest.raises(ValueError, match=r"CalledOtherwise has to keep its arguments, and self\.width is missing"):
            vc.save_model(file, CalledOtherwise(12))
    with pytest.raises(ValueError, match=r"holds a 'SameArguments', and registered are .*VAE, GMVAE"):
        vc.load_model(file)


def test_a_model_of_other_layers_or_impossible_arguments_is_not_saved(tmp_path):
    foreign, other, impossible = model(), model(), model()
    foreign.dec = torch.nn.Linear(2, X_DIM)
    other.z_dim = 3
    impossible.beta = math.nan
    for net, message in (
        (foreign, "Linear is not registered"),
        (impossible, "beta"),
        (other, r"enc\.rest\.1\.weight has to have shape \(6, 12\) .*; given \(4, 12\)"),
    ):
        with pytest.raises(ValueError, match=message):
            vc.save_model(tmp_path / "net", net)
    assert list(tmp_path.iterdir()) == []


def test_two_threads_may_write_one_file(tmp_path):
    data = [bytes([i]) * 2_000_000 for i in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda each: write_atomically(tmp_path / "file", each), data))
    assert (tmp_path / "file").read_bytes() in data and len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        vc.load_model(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.safetensors does not exist"):
        vc.load_model(tmp_path / "nowhere.safetensors")


def test_an_unknown_name_is_answered_with_the_known_ones():
    known = sorted(vc.trained_models())
    with pytest.raises(ValueError, match=f"'nobody'; there are {', '.join(known)}"):
        vc.load_trained("nobody")
    with pytest.raises(ValueError, match="no trained model"):
        vc.load_trained("../trained/vae")


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_failure_while_writing_leaves_the_old_file(saved, monkeypatch, step):
    """A full disk: half of the data is written, or the file cannot be moved into place."""
    before, path = saved.read_bytes(), type(saved)
    write_bytes = path.write_bytes

    def fail(self, data):
        if step == "write_bytes":
            write_bytes(self, data[: len(data) // 2])
        raise OSError("no space left on device")

    monkeypatch.setattr(path, step, fail)
    with pytest.raises(OSError, match="no space"):
        vc.save_model(saved, model(seed=1))
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]
