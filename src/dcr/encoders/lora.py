"""The LoRA of stage 2, with its settings checked."""

from __future__ import annotations

from peft import LoraConfig

from dcr.errors import DcrError, unknown

BIASES = ("lora_only", "none")


def lora_config(
    *, targets: str, rank: int, alpha: float, dropout: float, bias: str, base_model: str
) -> LoraConfig:
    """Builds peft's configuration.

    Args:
        targets: Regular expression that the whole name of an adapted layer matches.
        rank: Rank of the two factors.
        alpha: The update is scaled by alpha / rank.
        dropout: Probability in [0, 1) of dropping an input of the factors while training.
        bias: ``"lora_only"`` also trains the biases of the adapted layers; ``"none"`` trains none.
        base_model: What the adapter folder names as its base.

    Raises:
        DcrError: If a value is out of range.
    """
    if rank < 1:
        raise DcrError(f"lora.rank is {rank}: it must be 1 or more.")
    if not 0 <= dropout < 1:
        raise DcrError(f"lora.dropout is {dropout}: it must be in [0, 1).")
    if bias not in BIASES:
        raise unknown("lora.bias", bias, BIASES)
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        bias=bias,
        target_modules=targets,
        base_model_name_or_path=base_model,
    )
