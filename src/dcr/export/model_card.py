"""The README.md of an exported encoder: what it is, how it was made, how good it is, how to load it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from dcr import __version__
from dcr.pretrained import is_hub_id

_CARD = """\
---
{front_matter}---

# {name}

An enhanced {model_type} encoder: the feedback of a diffusion model has trained its vision tower to tell
classes apart and to keep details at the same time. Text tower and logit scale have the values of the
source, so it takes the place of {source} everywhere.

Made with dcr {version}, method `{method}`.

## Use

```python
import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("{name}")
processor = AutoProcessor.from_pretrained("{name}")

inputs = processor(
    text=["a photo of a cat", "a photo of a dog"],
    images=Image.open("image.jpg"),
    padding="max_length",
    return_tensors="pt",
)
with torch.no_grad():
    similarity = model(**inputs).logits_per_image
```

## Results

{results}

## Settings

```yaml
{settings}```

## Citation

```bibtex
@inproceedings{{dcr2026,
  title     = {{Diffusion Contrastive Reconstruction}},
  booktitle = {{Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)}},
  year      = {{2026}}
}}
```
"""


def model_card(
    *,
    name: str,
    model_type: str,
    source: str,
    method: str,
    settings: Mapping[str, Any],
    results: Sequence[Mapping[str, object]],
) -> str:
    """Builds the model card as markdown with a YAML front matter that the Hub reads.

    Args:
        name: What to load it by: the Hub id or folder name that it will have.
        model_type: ``"clip"`` or ``"siglip"``, as in config.json.
        source: The Hub id or folder that the training started from; only a Hub id is named in the card.
        method: The method's name, e.g. ``"dcr"``.
        settings: The resolved settings, plain data (dict, list, str, int, float, bool, None).
        results: Rows of one table, ready to print, all with the same columns, e.g.
            ``[{"benchmark": "MMVP-VLM", "before": "19.3", "after": "33.3"}]``; may be empty.

    Returns:
        The text of README.md.
    """
    front_matter: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "zero-shot-image-classification",
    }
    if is_hub_id(source):
        front_matter["base_model"] = source
    front_matter["tags"] = [model_type, "vision", "dcr", "diffusion-contrastive-reconstruction"]
    return _CARD.format(
        front_matter=yaml.safe_dump(front_matter, sort_keys=False),
        name=name,
        model_type={"clip": "CLIP", "siglip": "SigLIP"}[model_type],
        source=f"[{source}](https://huggingface.co/{source})" if is_hub_id(source) else "its source",
        version=__version__,
        method=method,
        results=_table(results),
        settings=yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True),
    )


def _table(rows: Sequence[Mapping[str, object]]) -> str:
    if not rows:
        return "No benchmark has been run on this encoder."
    columns = list(rows[0])
    cells = [columns, ["---"] * len(columns), *([str(row[column]) for column in columns] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells)
