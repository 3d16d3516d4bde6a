"""Makes a small CLIP or SigLIP from captioned images."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedModel,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

from dcr.files import atomic_folder
from dcr.lab.pretraining.captioned import CaptionedImages, draw_captions, tokenize
from dcr.lab.pretraining.fit import finish, fit
from dcr.lab.pretraining.recipe import EncoderRecipe
from dcr.seeds import derive_seed

MAX_LOGIT_SCALE = math.log(100)


def pretrain_encoder(
    family: str,
    data: CaptionedImages,
    tokenizer: CLIPTokenizer,
    recipe: EncoderRecipe,
    folder: Path,
    *,
    image_size: int,
    seed: int,
) -> None:
    """Trains a dual encoder with its family's own contrastive loss and saves it as a Hugging Face folder.

    Args:
        family: ``"clip"`` (softmax loss) or ``"siglip"`` (sigmoid loss).
        data: Captioned images.
        tokenizer: Tokenizer of the captions.
        recipe: Sizes and schedule.
        folder: Where the encoder goes.
        image_size: Side of the images (px).
        seed: The run's seed.
    """
    tokenizer.model_max_length = recipe.context_length
    torch.manual_seed(derive_seed(seed, family, "weights"))
    model, processor = (_clip if family == "clip" else _siglip)(recipe, tokenizer, image_size)
    mean = torch.tensor(processor.image_mean).view(3, 1, 1)
    std = torch.tensor(processor.image_std).view(3, 1, 1)
    token_ids = tokenize(tokenizer, data.captions)

    def loss(rng: torch.Generator) -> Tensor:
        index, pixels = data.draw(recipe.batch_size, image_size, rng)
        ids = draw_captions(token_ids, index, rng)
        if family == "clip":  # causal and read at the first end token: what follows it changes nothing
            ids = ids[:, : int((ids == tokenizer.eos_token_id).int().argmax(dim=1).max()) + 1]
        with torch.no_grad():
            model.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
        result: Tensor = model(input_ids=ids, pixel_values=(pixels - mean) / std, return_loss=True).loss
        return result

    checkpoint = folder.with_name(f".{folder.name}-checkpoint")
    fit(
        [model],
        loss,
        label=family,
        steps=recipe.steps,
        learning_rate=recipe.learning_rate,
        checkpoint=checkpoint,
        seed=seed,
    )
    with atomic_folder(folder) as partial:
        model.half().save_pretrained(partial)
        processor.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
    finish(checkpoint)


def _towers(recipe: EncoderRecipe, tokenizer: CLIPTokenizer, image_size: int) -> dict[str, dict[str, object]]:
    heads = recipe.width // 32
    shared = {
        "hidden_size": recipe.width,
        "intermediate_size": 4 * recipe.width,
        "num_attention_heads": heads,
        "projection_dim": recipe.projection,
    }
    return {
        "vision_config": {
            **shared,
            "num_hidden_layers": recipe.layers,
            "image_size": image_size,
            "patch_size": recipe.patch_size,
        },
        "text_config": {
            **shared,
            "num_hidden_layers": recipe.text_layers,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": tokenizer.model_max_length,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
    }


def _clip(
    recipe: EncoderRecipe, tokenizer: CLIPTokenizer, image_size: int
) -> tuple[PreTrainedModel, CLIPImageProcessor]:
    config = CLIPConfig(projection_dim=recipe.projection, **_towers(recipe, tokenizer, image_size))
    processor = CLIPImageProcessor(size={"shortest_edge": image_size}, crop_size=image_size)
    return CLIPModel(config), processor


def _siglip(
    recipe: EncoderRecipe, tokenizer: CLIPTokenizer, image_size: int
) -> tuple[PreTrainedModel, SiglipImageProcessor]:
    model = SiglipModel(SiglipConfig(**_towers(recipe, tokenizer, image_size)))
    with torch.no_grad():
        model.logit_scale.fill_(math.log(10))
        model.logit_bias.fill_(-10)
    return model, SiglipImageProcessor(size={"height": image_size, "width": image_size})
