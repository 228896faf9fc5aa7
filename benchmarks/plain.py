"""The network and the loop as others would write them, for a fair comparison."""

import torch
import torch.nn.functional as F
from torch import nn

import vae_core as vc


def with_torch_elu(model):
    """The same model with torch's own ELU in the place of vae_core's faster one."""
    for network in (model.enc, model.dec):
        for i, layer in enumerate(network.rest):
            if isinstance(layer, vc.ELU):
                network.rest[i] = nn.ELU()
    return model


def plain_vae():
    """The default VAE as it starts with torch's own ELU and torch's own draw of the weights."""
    model = with_torch_elu(vc.VAE())
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    return model


class ByHand(nn.Module):
    """The default VAE in torch alone, as a good engineer writes it."""

    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(784, 300), nn.ELU(), nn.Linear(300, 300), nn.ELU(), nn.Linear(300, 20))
        self.dec = nn.Sequential(nn.Linear(10, 300), nn.ELU(), nn.Linear(300, 300), nn.ELU(), nn.Linear(300, 784))

    def forward(self, x):
        m, h = self.enc(x).chunk(2, dim=1)
        v = F.softplus(h) + 1e-8
        logits = self.dec(m + v.sqrt() * torch.randn_like(m))
        rec = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (rec + 0.5 * (v + m**2 - 1 - v.log()).sum()) / len(x)


def epoch_by_hand(model, grey, batch_size, rate=1e-3):
    """One epoch over images that lie in memory, floats in [0, 1]: nothing is checked, reported or scheduled."""
    optimizer = torch.optim.Adam(model.parameters(), rate, fused=True)
    for index in torch.randperm(len(grey), device=grey.device).split(batch_size):
        batch = grey[index]
        x = (torch.rand_like(batch) < batch).float()
        loss = model(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
