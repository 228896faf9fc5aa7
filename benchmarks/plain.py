"""The network as others would write it, for a fair comparison."""

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
