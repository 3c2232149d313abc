"""How much two texts mean the same: the cosine of their embeddings, on this machine.

The model is all-MiniLM-L6-v2, whose weights a package of the `similar` extra carries. Its six
layers are worked out here with NumPy: what runs it elsewhere is PyTorch, far too heavy for one
check, and ONNX Runtime needs a file that the package does not have. No network is used.

Source:
    Reimers and Gurevych (2019), Sentence-BERT; Wang et al. (2020), MiniLM; Devlin et al.
    (2019), BERT.
"""

from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from scipy.special import erf

from assay.errors import InputError
from assay.judged_checks import EMBEDDING, similarity_missing
from assay.stats.samples import Floats

MAX_TOKENS = 256
"""As the model was trained; what comes later in a text is not looked at."""
LAYERS, HEADS = 6, 12
MAX_CHARS = 10_000
"""More than 256 tokens of any ordinary text: what follows need not be split into tokens."""
_EPSILON = 1e-12
_ALONE = Lock()
"""One text at a time: NumPy takes all cores for it, and the model is loaded once."""


def similarity(one: str, other: str) -> float:
    """From -1 to 1; 1 for the same text, and about 0 for texts on different things.

    Raises:
        InputError: The extra is not installed.
    """
    with _ALONE:
        return float(_embedded(_readable(one)) @ _embedded(_readable(other)))


def _readable(text: str) -> str:
    """What the tokenizer takes: bounded, and without half characters."""
    return text[:MAX_CHARS].encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=1024)
def _embedded(text: str) -> Floats:
    """The mean of the last layer's tokens, of length 1; shape (384,)."""
    weights, tokenizer = _model()
    hidden = _layers(weights, tokenizer.encode(text).ids).mean(axis=0)
    embedded: Floats = hidden / np.linalg.norm(hidden)
    return embedded


def _layers(weights: Any, ids: list[int]) -> Any:
    """The last hidden state of each token, shape (n_tokens, 384)."""
    name = "embeddings."
    hidden = (
        weights[f"{name}word_embeddings.weight"][ids]
        + weights[f"{name}position_embeddings.weight"][: len(ids)]
        + weights[f"{name}token_type_embeddings.weight"][0]
    )
    hidden = _normed(weights, f"{name}LayerNorm", hidden)
    for number in range(LAYERS):
        name = f"encoder.layer.{number}."
        mixed = _attention(weights, f"{name}attention.self.", hidden)
        hidden = _added(weights, f"{name}attention.output.", hidden, mixed)
        inner = _linear(weights, f"{name}intermediate.dense", hidden)
        gelu = 0.5 * inner * (1.0 + erf(inner / 2.0**0.5))
        hidden = _added(weights, f"{name}output.", hidden, gelu)
    return hidden


def _attention(weights: Any, name: str, hidden: Any) -> Any:
    """Each token's mixture of all tokens, in every head; shape as `hidden`."""
    n_tokens, width = hidden.shape
    query, key, value = (
        _linear(weights, name + part, hidden).reshape(n_tokens, HEADS, -1).transpose(1, 0, 2)
        for part in ("query", "key", "value")
    )
    scores = query @ key.transpose(0, 2, 1) / (width / HEADS) ** 0.5
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return (shares @ value).transpose(1, 0, 2).reshape(n_tokens, width)


def _added(weights: Any, name: str, hidden: Any, change: Any) -> Any:
    dense = _linear(weights, f"{name}dense", change)
    return _normed(weights, f"{name}LayerNorm", hidden + dense)


def _linear(weights: Any, name: str, values: Any) -> Any:
    return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _normed(weights: Any, name: str, values: Any) -> Any:
    centred = values - values.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + _EPSILON)
    return centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


@cache
def _model() -> tuple[Any, Any]:
    """The weights by name, and what splits a text into tokens."""
    if (missing := similarity_missing()) is not None:
        raise InputError(missing.problem, mend=missing.mend)
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    spec = find_spec(EMBEDDING)  # found, not imported: importing it asks for PyTorch
    folder = Path(next(iter((spec and spec.submodule_search_locations) or [])), "model")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return load_file(folder / "model.safetensors"), tokenizer
