"""CLIP's byte-pair encoding, learned from captions.

The trainer of the tokenizers library breaks ties by hash order, so that two runs differ; this one does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

END = "</w>"
SPECIAL_TOKENS = ("<|startoftext|>", "<|endoftext|>")

Word = tuple[str, ...]


def learn_tokenizer(texts: Iterable[str], vocabulary: int) -> CLIPTokenizer:
    """Learns a tokenizer that never meets an unknown character: all bytes are tokens.

    Args:
        texts: The captions.
        vocabulary: Tokens at most: 512 for bytes, two special ones, and merges.

    Returns:
        A ``CLIPTokenizer``; its normalisation and word splitting are CLIP's own.
    """
    backend = CLIPTokenizer().backend_tokenizer
    counts: Counter[str] = Counter()
    for text, times in Counter(texts).items():
        words = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
        counts.update({word: times * many for word, many in Counter(word for word, _ in words).items()})
    letters = sorted(ByteLevel.alphabet())
    base = [*letters, *(letter + END for letter in letters)]
    merges = _merges(counts, vocabulary - len(base) - len(SPECIAL_TOKENS))
    tokens = [*base, *("".join(pair) for pair in merges), *SPECIAL_TOKENS]
    return CLIPTokenizer(vocab={token: index for index, token in enumerate(tokens)}, merges=merges)


def _merges(counts: Counter[str], most: int) -> list[tuple[str, str]]:
    words: dict[Word, int] = {(*word[:-1], word[-1] + END): times for word, times in counts.items()}
    merges: list[tuple[str, str]] = []
    while len(merges) < most:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {_merge(word, best): times for word, times in words.items()}
    return merges


def _merge(word: Word, pair: tuple[str, str]) -> Word:
    if pair[0] not in word:
        return word
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)
