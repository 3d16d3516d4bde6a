from __future__ import annotations

from transformers import CLIPTokenizer

from dcr.lab.pretraining.tokenizer import learn_tokenizer

TEXTS = ["a red fish", "a red house", "two fish", "a photo of a fish"]


def test_same_texts_same_tokenizer() -> None:
    first, second = (learn_tokenizer(TEXTS, 540) for _ in range(2))
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()


def test_frequent_words_become_tokens() -> None:
    tokenizer = learn_tokenizer(TEXTS, 600)
    assert tokenizer.tokenize("A photo of two FISH") == [
        "a</w>",
        "photo</w>",
        "of</w>",
        "two</w>",
        "fish</w>",
    ]


def test_first_merge_is_the_most_frequent_pair() -> None:
    assert "fi" in learn_tokenizer(["fig fit fit", "it"], 515).get_vocab()


def test_vocabulary_is_bounded() -> None:
    assert len(learn_tokenizer(TEXTS, 520)) == 520


def test_nothing_is_unknown() -> None:
    tokenizer = learn_tokenizer(TEXTS, 514)
    ids = tokenizer("zebra, ü 9!")["input_ids"]
    assert ids.index(tokenizer.eos_token_id) == len(ids) - 1


def test_reloads_as_clip_tokenizer(tmp_path: object) -> None:
    tokenizer = learn_tokenizer(TEXTS, 600)
    tokenizer.save_pretrained(str(tmp_path))
    assert CLIPTokenizer.from_pretrained(str(tmp_path))("two fish") == tokenizer("two fish")
