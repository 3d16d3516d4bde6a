"""Cross-attention to a constant prompt plus one condition vector, at the price of one vector.

The condition ``h`` of an image is added to every position of the prompt embedding ``u``. That adds one
constant to all logits of a query, which softmax ignores, and moves every value by ``W_v h``; since attention
weights sum to one,

    cross_attention(q, u + h) = cross_attention(q, u) + W_v h        (exact; docs/performance.md)

The keys and values of ``u`` are therefore computed once for a whole run.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor, AttnProcessor2_0
from torch import Tensor, nn

_STANDARD_PROCESSORS = (AttnProcessor, AttnProcessor2_0)


class ShiftedCrossAttention(nn.Module):
    """Attention processor (diffusers) that holds the keys and values of a constant prompt.

    Its ``encoder_hidden_states`` are the condition vectors ``[N, 1, D]``, not a sequence of tokens.
    """

    key: Tensor
    value: Tensor

    def __init__(self, attention: Attention, prompt: Tensor) -> None:
        """Computes keys and values once.

        Args:
            attention: The cross-attention layer that this processor will serve.
            prompt: ``[L, D]`` embedding of the constant prompt, in the dtype of the layer.
        """
        super().__init__()
        with torch.no_grad():
            for name, project in (("key", attention.to_k), ("value", attention.to_v)):
                heads = project(prompt).unflatten(-1, (attention.heads, -1)).transpose(0, 1)
                self.register_buffer(name, heads.contiguous(), persistent=False)

    def forward(
        self,
        attention: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: None = None,
    ) -> Tensor:
        """Attends from ``[N, P, C]`` to the prompt shifted by conditions ``[N, 1, D]``: ``[N, P, C]``."""
        query = attention.to_q(hidden_states).unflatten(-1, (attention.heads, -1))
        attend = _attend_plainly if query.device.type == "cpu" else _attend_fused
        shift = F.linear(encoder_hidden_states, attention.to_v.weight)
        output = attend(query, self.key, self.value).flatten(2) + shift
        projected: Tensor = attention.to_out[0](output)
        return projected


def _attend_plainly(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """``[N, P, H, d]`` to ``[H, L, d]``: one product over all images, and nothing kept for the constants."""
    queries = query.flatten(0, 1).transpose(0, 1) * query.shape[-1] ** -0.5
    attended: Tensor = (queries @ key.transpose(1, 2)).softmax(-1) @ value
    return attended.transpose(0, 1).reshape(query.shape)


def _attend_fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same with the fused kernel, fast on accelerators, which keeps logits of bf16 inputs in float32.

    The batch is not folded into the queries: the fused backward runs in parallel over batch, heads and blocks
    of keys, so one long row of queries would leave most of the device idle.
    """
    batch = (query.shape[0], -1, -1, -1)
    queries = query.transpose(1, 2)
    return F.scaled_dot_product_attention(queries, key.expand(batch), value.expand(batch)).transpose(1, 2)


def is_exact(unet: UNet2DConditionModel) -> bool:
    """Whether the condition is a pure shift in every cross-attention layer of the UNet.

    It is not where the prompt is used in another way than through linear keys and values: normalised keys,
    extra projections, a pooled prompt in the time embedding, a prompt split between two transformers.
    """
    config = unet.config
    elsewhere = (
        unet.encoder_hid_proj is not None
        or config.addition_embed_type is not None
        or config.dual_cross_attention
        or config.attention_type != "default"
    )
    return not elsewhere and all(_is_plain(layer) for layer in cross_attentions(unet))


def _is_plain(layer: Attention) -> bool:
    """Whether a layer is linear keys and values, one softmax and an output projection, nothing else."""
    norms = (layer.norm_q, layer.norm_k, layer.norm_cross, layer.group_norm, layer.spatial_norm)
    return (
        type(layer.processor) in _STANDARD_PROCESSORS
        and all(norm is None for norm in norms)
        and layer.added_kv_proj_dim is None
        and all(type(projection) is nn.Linear for projection in (layer.to_k, layer.to_v))
        and layer.to_k.out_features == layer.to_q.out_features
        and layer.scale_qk
        and not layer.residual_connection
        and layer.rescale_output_factor == 1
    )


def cross_attentions(unet: UNet2DConditionModel) -> list[Attention]:
    """All cross-attention layers of the UNet, in the order of its modules."""
    layers = (module for module in unet.modules() if isinstance(module, Attention))
    return [layer for layer in layers if layer.is_cross_attention]


def shift_cross_attention(unet: UNet2DConditionModel, prompt: Tensor) -> None:
    """Makes every cross-attention layer attend to the constant prompt ``[L, D]``, in place.

    Afterwards the UNet takes conditions ``[N, 1, D]`` as its ``encoder_hidden_states``. Only right where
    :func:`is_exact`.
    """
    for layer in cross_attentions(unet):
        layer.set_processor(ShiftedCrossAttention(layer, prompt))
