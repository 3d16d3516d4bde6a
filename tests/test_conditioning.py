"""The projector."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from dcr.conditioning import Projector


def test_projector_is_layer_norm_linear_gelu_linear() -> None:
    projector = Projector(6, 10).double()
    features = torch.randn(3, 6, dtype=torch.float64) * 50
    weights = projector.state_dict()
    assert [tuple(weight.shape) for weight in weights.values()] == [
        (6,),
        (6,),
        (10, 6),
        (10,),
        (10, 10),
        (10,),
    ]
    norm_weight, norm_bias, first, first_bias, second, second_bias = weights.values()
    centred = features - features.mean(1, keepdim=True)
    normed = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt() * norm_weight + norm_bias
    expected = F.gelu(normed @ first.T + first_bias) @ second.T + second_bias
    torch.testing.assert_close(projector(features), expected)


def test_projector_of_the_paper_has_its_size() -> None:
    """768 -> 1024 -> 1024 for OpenAI CLIP and SD 2.1: 1.84 M parameters (methods.md 4.5)."""
    assert sum(parameter.numel() for parameter in Projector(768, 1024).parameters()) == 1_838_592
