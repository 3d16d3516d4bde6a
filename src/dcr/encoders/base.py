"""What every encoder does: pixels in [0, 1] come in, condition features go out, LoRA comes and goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from peft import PeftModel, get_peft_model
from PIL import Image
from torch import Tensor, nn
from transformers import PreTrainedModel

from dcr.encoders.lora import lora_config
from dcr.errors import DcrError
from dcr.files import atomic_folder
from dcr.pretrained import quiet


class Encoder(nn.Module, ABC):
    """A vision tower with its text tower beside it, loaded frozen, in eval mode and in float32.

    The image processor's mean and standard deviation are applied inside, so nothing outside knows them. Only
    vision weights ever train, and only through LoRA; the text tower stays in eval mode always.

    Attributes:
        model: The transformers model, wrapped by peft between :meth:`add_lora` and :meth:`merge_lora`.
        image_size: Side of the square input, px.
        source: The folder or Hub id that it came from.
    """

    model_class: ClassVar[Any]
    lora_targets: ClassVar[str]
    text_mask: ClassVar[bool]

    model: PreTrainedModel
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        image_processor: Any,
        tokenizer: Any,
        companions: Mapping[str, bytes],
        source: str,
    ) -> None:
        """Puts the parts together; :func:`dcr.encoders.load_encoder` reads and checks them.

        Args:
            model: ``CLIPModel`` or ``SiglipModel``.
            image_processor: Its image processor, PIL backend.
            tokenizer: Its tokenizer.
            companions: Name and content of the processor and tokenizer files that :meth:`save` writes.
            source: The folder or Hub id, for messages and for the adapter's ``base_model_name_or_path``.
        """
        super().__init__()
        self.model = model
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.companions = companions
        self.source = source
        self.image_size: int = model.config.vision_config.image_size
        normalize = image_processor.do_normalize
        mean = image_processor.image_mean if normalize else [0.0] * 3
        std = image_processor.image_std if normalize else [1.0] * 3
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.eval()

    def check(self) -> None:
        """Refuses parts that load well and do not belong together.

        Raises:
            DcrError: If the image processor's size or the tokenizer's vocabulary is not the model's.
        """
        size = self.image_size
        if not isinstance(size, int):
            raise DcrError(
                f"{self.source}: vision_config.image_size is {size}; one number (px, square) is needed."
            )
        produced = self.preprocess(Image.new("RGB", (2 * size, size + 1))).shape
        if produced != (3, size, size):
            raise DcrError(
                f"The image processor of {self.source} makes images of {produced[1]}x{produced[2]} px, "
                f"its model takes {size}x{size} px (vision_config.image_size): they do not belong together."
            )
        tokens, rows = len(self.tokenizer), self.model.config.text_config.vocab_size
        if tokens > rows:
            raise DcrError(
                f"The tokenizer of {self.source} has {tokens} tokens, its text tower embeds {rows} "
                "(text_config.vocab_size): they do not belong together."
            )

    @property
    @abstractmethod
    def width(self) -> int:
        """Width d of the condition feature."""

    @property
    def has_lora(self) -> bool:
        """Whether LoRA is on."""
        return isinstance(self.model, PeftModel)

    @property
    def plain_model(self) -> PreTrainedModel:
        """The transformers model without peft's wrapper."""
        return self.model.get_base_model() if self.has_lora else self.model

    def train(self, mode: bool = True) -> Self:
        """Sets the mode of the vision tower; the text tower stays in eval mode."""
        super().train(mode)
        self.plain_model.text_model.eval()
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Computes the condition features (methods.md 0.1).

        Args:
            pixels: [B, 3, S, S], float, in [0, 1]; S is ``image_size``.

        Returns:
            [B, d], float32 outside of autocast, not normalised to unit length.

        Raises:
            DcrError: If the images have another size.
        """
        features: Tensor = self.plain_model.get_image_features(
            pixel_values=self._normalize(pixels)
        ).pooler_output
        return features

    def tokens(self, pixels: Tensor) -> Tensor:
        """Computes the last hidden states of the vision tower.

        Args:
            pixels: [B, 3, S, S], float, in [0, 1].

        Returns:
            [B, N, h]. CLIP: class token first, before the last layer norm. SigLIP: patches only, after it.

        Raises:
            DcrError: If the images have another size.
        """
        hidden: Tensor = self.plain_model.vision_model(pixel_values=self._normalize(pixels)).last_hidden_state
        return hidden

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Computes text features in the space of :meth:`forward`.

        Args:
            texts: N texts; padded and cut to the length that the text tower was trained with.

        Returns:
            [N, d], without gradient, not normalised to unit length.
        """
        length = min(self.tokenizer.model_max_length, self.model.config.text_config.max_position_embeddings)
        inputs = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        ).to(self.mean.device)
        mask = inputs["attention_mask"] if self.text_mask else None
        features: Tensor = self.plain_model.get_text_features(
            inputs["input_ids"], attention_mask=mask
        ).pooler_output
        return features

    def preprocess(self, image: Image.Image) -> Tensor:
        """Applies the evaluation geometry of the folder's own image processor.

        Args:
            image: Any size and mode; transparency is laid on white, as transformers does.

        Returns:
            [3, S, S], float32, in [0, 1], on the CPU.
        """
        batch = self.image_processor(
            image,
            do_convert_rgb=True,
            do_rescale=True,
            rescale_factor=1 / 255,
            do_normalize=False,
            return_tensors="pt",
        )
        pixels: Tensor = batch["pixel_values"][0]
        return pixels

    def add_lora(
        self, *, rank: int = 16, alpha: float = 16, dropout: float = 0.1, bias: str = "lora_only"
    ) -> None:
        """Adds LoRA to the linear layers of the vision tower and its projection (methods.md 4.5).

        The initial values come from torch's global random generator. Everything else is frozen.

        Args:
            rank: See :func:`dcr.encoders.lora.lora_config`, as for the other arguments.
            alpha: Numerator of the scale of the update.
            dropout: Dropout of the factors' input, in [0, 1).
            bias: ``"lora_only"`` or ``"none"``.

        Raises:
            DcrError: If LoRA is on already or a value is out of range.
        """
        if self.has_lora:
            raise DcrError("LoRA is on already: merge it before adding another.")
        config = lora_config(
            targets=self.lora_targets,
            rank=rank,
            alpha=alpha,
            dropout=dropout,
            bias=bias,
            base_model=self.source,
        )
        with quiet():
            self.model = get_peft_model(self.model, config)
        self.train(self.training)  # peft's new dropout layers start in training mode

    def merge_lora(self) -> None:
        """Adds the trained update to the weights: a plain, frozen transformers model again.

        Raises:
            DcrError: If LoRA is not on.
        """
        self._require_lora("merge")
        self.model = self.model.merge_and_unload()
        self.requires_grad_(False)

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """Returns what trains, by its name in :meth:`named_parameters`."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def save_adapter(self, folder: Path) -> None:
        """Writes a peft adapter folder (adapter_config.json, adapter_model.safetensors), atomically.

        Args:
            folder: Where to; an existing folder is replaced.

        Raises:
            DcrError: If LoRA is not on, or the folder cannot be written.
        """
        self._require_lora("save")
        with atomic_folder(folder) as temporary:
            self.model.save_pretrained(temporary)

    def save(self, folder: Path) -> None:
        """Writes a complete Hugging Face folder: weights, config, image processor, tokenizer; atomically.

        All weights are float32: the enhanced ones need it, and for the untouched ones it is exact whatever
        precision they came in. The processor and tokenizer files are those of the source, byte for byte.

        Args:
            folder: Where to; an existing folder is replaced.

        Raises:
            DcrError: If LoRA has not been merged, or the folder cannot be written.
        """
        if self.has_lora:
            raise DcrError("LoRA is still on: merge it before saving the encoder.")
        with atomic_folder(folder) as temporary, quiet():
            self.model.save_pretrained(temporary)
            for name, content in self.companions.items():
                (temporary / name).write_bytes(content)
            if "preprocessor_config.json" not in self.companions:
                self.image_processor.save_pretrained(temporary)

    def _normalize(self, pixels: Tensor) -> Tensor:
        size = self.image_size
        if pixels.ndim != 4 or pixels.shape[1:] != (3, size, size):
            raise DcrError(
                f"The encoder takes images of [B, 3, {size}, {size}] px, not {list(pixels.shape)}: "
                f"set the image size of the data to {size}."
            )
        return (pixels - self.mean) / self.std

    def _require_lora(self, action: str) -> None:
        if not self.has_lora:
            raise DcrError(f"There is no LoRA to {action}: call add_lora first.")
