"""Tokens of a page of odd texts by the library `tokenizers`, from the vocabulary of SmolLM2 in its GGUF file.

Run by hand, with `tokenizers` and mlx installed, to make smollm2_tokens.json: python3 tokens_reference.py MODEL.gguf
"""

import json
import sys

import mlx.core as mx
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

TEXTS = [
    "Hello, world!",
    "  two  spaces,\tone tab\n\n\nthree lines  ",
    "I'm sure they'll say it's OK; WE'RE NOT. don't",
    "0 12 345 6789 3.14159 -1e-9 0xFF 1,000,000 ½ ² Ⅷ",
    "naïve café Ångström İstanbul straße ﬁ ǅ",
    "日本語のテキスト、中文文本。한국어 텍스트",
    "مرحبا بالعالم שלום עולם नमस्ते दुनिया ไทย",
    "🎉👩‍👩‍👧‍👦🏳️‍🌈 e\u0301 \u200b\u00a0\u3000\ufeff|",
    "def f(x):\n    return x**2  # square\n\n\tif __name__ == '__main__': pass",
    "<|im_start|>user\nhi<|im_end|>\n<|endoftext|> <|im_start |> <file_sep>",
    "a" * 100 + " " * 50 + "\n" * 9,
    "\x00\x01\x7f\u0080 \ud7ff\ue000\uffff \U0010ffff",
    "https://example.com/path?query=1&x=%20#frag user@mail.org C:\\dir\\file.txt",
    "...!!!???---___***///\\\\\\\"\"\"'''```",
    "",
    " ",
]

_, metadata = mx.load(sys.argv[1], return_metadata=True)
tokens = metadata["tokenizer.ggml.tokens"]
kinds = metadata["tokenizer.ggml.token_type"].tolist()
merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
tokenizer = Tokenizer(models.BPE(vocab={token: n for n, token in enumerate(tokens)}, merges=merges))
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
tokenizer.decoder = decoders.ByteLevel()
special = [token for token, kind in zip(tokens, kinds) if kind == 3]
tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
print(json.dumps([{"text": text, "ids": tokenizer.encode(text).ids} for text in TEXTS]))
