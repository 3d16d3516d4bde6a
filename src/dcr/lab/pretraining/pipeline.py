"""Makes every model of a recipe, one folder each, skipping those that are done."""

from __future__ import annotations

import yaml

from dcr.errors import DcrError
from dcr.lab.pretraining.captioned import CaptionedImages, captioned_photos, captioned_scenes
from dcr.lab.pretraining.diffusion import pretrain_denoiser, pretrain_vae
from dcr.lab.pretraining.encoders import pretrain_encoder
from dcr.lab.pretraining.recipe import PretrainRecipe
from dcr.lab.pretraining.tokenizer import learn_tokenizer

RECIPE_FILE = "recipe.yaml"


def pretrain(recipe: PretrainRecipe) -> None:
    """Makes tokenizer, encoders and generator of a recipe.

    A second call with the same recipe goes on where the first was interrupted and ends with the same weights.

    Args:
        recipe: What is made, from what, and where it goes.

    Raises:
        DcrError: If the output folder holds the models of another recipe.
    """
    _claim(recipe)
    data = _captioned_images(recipe)
    texts = [text for several in (*data.captions, *data.full_captions) for text in several]
    tokenizer = learn_tokenizer(texts, recipe.vocabulary)
    size, seed, output = recipe.image_size, recipe.seed, recipe.output
    for family, encoder in (("clip", recipe.clip), ("siglip", recipe.siglip)):
        if encoder is not None and not (output / family).exists():
            pretrain_encoder(family, data, tokenizer, encoder, output / family, image_size=size, seed=seed)
    vae_folder, generator_folder = output / ".vae", output / "stable-diffusion"
    if not generator_folder.exists():
        if not vae_folder.exists():
            pretrain_vae(data, recipe.vae, vae_folder, image_size=size, seed=seed)
        pretrain_denoiser(
            data, tokenizer, vae_folder, recipe.denoiser, generator_folder, image_size=size, seed=seed
        )


def _claim(recipe: PretrainRecipe) -> None:
    wanted = recipe.model_dump(mode="json", exclude={"output"})
    path = recipe.output / RECIPE_FILE
    if path.exists() and yaml.safe_load(path.read_text()) != wanted:
        raise DcrError(
            f"{recipe.output} holds the models of another recipe: give another --output, or delete it."
        )
    recipe.output.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(wanted, sort_keys=False))


def _captioned_images(recipe: PretrainRecipe) -> CaptionedImages:
    size = recipe.image_size + recipe.crop_margin
    if recipe.data == "scenes":
        return captioned_scenes(recipe.images, recipe.seed, size)
    return captioned_photos(recipe.data, size)
