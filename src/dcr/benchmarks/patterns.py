"""The nine visual patterns of MMVP-VLM (Tong et al. 2024)."""

from __future__ import annotations

PATTERNS: tuple[str, ...] = (
    "Orientation and Direction",
    "Presence of Specific Features",
    "State and Condition",
    "Quantity and Count",
    "Positional and Relational Context",
    "Color and Appearance",
    "Structural Characteristics",
    "Texts",
    "Viewpoint and Perspective",
)
"""In the published order, which the position of a pair in the benchmark follows."""
