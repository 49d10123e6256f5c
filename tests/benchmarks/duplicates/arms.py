"""What finds duplicates: ours and its peers, each from a column of Arrow to the rows that repeat an earlier one."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Rows = npt.NDArray[np.int64]

THRESHOLD = 0.8
PERMUTATIONS = 128
_WORD = re.compile(r"\w+")


def word_runs(text: str) -> list[str]:
    """Return the runs of 5 words, or of as many as there are: what peers that take tokens are given."""
    words = _WORD.findall(text.lower())
    return [" ".join(words[i : i + 5]) for i in range(max(len(words) - 4, 1))] if words else []


def ours(texts: pa.ChunkedArray) -> Rows:
    """hf-contrastive: exact duplicates and an exact join."""
    from audits.text.duplicates import find_duplicates
    from audits.text.folding import Texts

    found = find_duplicates(Texts(pa.table({"text": texts})), THRESHOLD)
    return np.union1d(np.flatnonzero(found.first != np.arange(len(texts))), found.near.left)


def datasketch(texts: pa.ChunkedArray) -> Rows:
    """datasketch: MinHash and MinHashLSH, its defaults."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    found = []
    for row, text in enumerate(texts.to_pylist()):
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([run.encode() for run in word_runs(text)])
        if index.query(sketch):
            found.append(row)
        else:
            index.insert(row, sketch)
    return np.asarray(found, np.int64)


def rensa(texts: pa.ChunkedArray) -> Rows:
    """rensa: RMinHashDeduplicator with LSH, which compares sketches."""
    from rensa import RMinHash, RMinHashDeduplicator

    index = RMinHashDeduplicator(
        threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True, num_bands=16, seed=42
    )  # fmt: skip
    found = []
    for row, text in enumerate(texts.to_pylist()):
        sketch = RMinHash(num_perm=PERMUTATIONS, seed=42)
        sketch.update(word_runs(text))
        if not index.add(str(row), sketch):
            found.append(row)
    return np.asarray(found, np.int64)


def gaoya(texts: pa.ChunkedArray) -> Rows:
    """gaoya: MinHashStringIndex, which splits words itself and compares sketches."""
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(
        hash_size=32, jaccard_threshold=THRESHOLD, num_bands=21, band_size=6, num_hashes=126,
        analyzer="word", lowercase=True, ngram_range=(5, 5),
    )  # fmt: skip
    found = []
    for row, text in enumerate(texts.to_pylist()):
        if index.query(text):
            found.append(row)
        else:
            index.insert_document(row, text)
    return np.asarray(found, np.int64)


def text_dedup(texts: pa.ChunkedArray) -> Rows:
    """text-dedup: its MinHash command, which joins what falls into one bucket."""
    import datasets
    from text_dedup.minhash import main

    with tempfile.TemporaryDirectory() as folder:
        data = datasets.Dataset(pa.table({"row": np.arange(len(texts)), "text": texts}))
        data.save_to_disk(f"{folder}/in")
        main(
            [
                *("--path", f"{folder}/in", "--local", "--output", f"{folder}/out", "--cache_dir", f"{folder}/cache"),
                *("--column", "text", "--ngram", "5", "--threshold", str(THRESHOLD), "--num_proc", "1"),
                *("--num_perm", str(PERMUTATIONS)),
            ],
            standalone_mode=False,
        )  # fmt: skip
        kept = datasets.load_from_disk(f"{folder}/out")["row"][:]
    return np.setdiff1d(np.arange(len(texts)), np.asarray(kept, np.int64))


def semhash(texts: pa.ChunkedArray) -> Rows:
    """semhash: nearest neighbours of vectors, here of TF-IDF; what it calls similar is another notion."""
    from semhash import SemHash

    from audits.encoders import TfidfEncoder

    class Model(TfidfEncoder):
        def encode(self, texts: Any, **_: Any) -> npt.NDArray[np.float32]:
            return super().encode([str(text) for text in texts])

    records = [{"row": str(row), "text": text} for row, text in enumerate(texts.to_pylist())]
    index = SemHash.from_records(records, columns=["text"], model=Model())
    kept = {int(record["row"]) for record in index.self_deduplicate(threshold=0.95).selected}
    return np.asarray(sorted(set(range(len(texts))) - kept), np.int64)


ARMS: dict[str, Callable[[pa.ChunkedArray], Rows]] = {
    "ours": ours,
    "datasketch": datasketch,
    "rensa": rensa,
    "gaoya": gaoya,
    "text-dedup": text_dedup,
    "semhash": semhash,
}
PACKAGES = ("numba", "numpy", "pyarrow", "datasketch", "rensa", "gaoya", "text-dedup", "semhash")


def folder_of_texts(path: Path) -> pa.ChunkedArray:
    """Return the texts that the parent wrote."""
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).read_all().column("text")
