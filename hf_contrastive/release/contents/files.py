"""What may not be in a published folder, found by content and not by name.

What is planned is safetensors, a UTF-8 text or a sentencepiece model; everything else is refused with the reason, and
with what loading it would run, as far as that can be read.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from hf_contrastive.release.contents.binaries import MAX_BYTES, head_of, kind_of, known_as
from hf_contrastive.release.contents.names import collisions, name_problems, shown_name
from hf_contrastive.release.contents.safetensors_files import safetensors_problems, safetensors_texts
from hf_contrastive.release.contents.sentencepiece_files import sentencepiece_problem, sentencepiece_texts
from hf_contrastive.release.contents.suffixes import CODE, PICKLES
from hf_contrastive.release.contents.texts import own_path_problems, secret_problems, text_problems
from hf_contrastive.release.contents.unpacking import inside, zip_begins

_SENTENCEPIECE_NAMES = (".model", ".spm")
_LEGAL_NAMES = ("license", "notice", "use_policy", "use_restrictions")
# none, one of a text, or the number of a version
_LEGAL_SUFFIX = re.compile(r"^[^.]*$|\.(?:txt|md|rst)$|[a-z]-\d+(?:\.\d+)+$")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


def problems(name: str, source: Path | bytes) -> Iterator[str]:
    """Yield what speaks against publishing one file.

    Args:
        name: its path in the repository.
        source: the file or its content.
    """
    name, low = shown_name(name), name.lower()
    if low.endswith(CODE):
        yield f"{name} is code; a published encoder must load without remote code. Remove it."
    if "/" not in low and low.startswith(_LEGAL_NAMES) and not _LEGAL_SUFFIX.search(low):
        yield f"{name} is a legal text by its name and something else by its suffix. Name it as a .txt file."
    kind = kind_of(source)
    if kind == "pickle" or low.endswith(PICKLES):
        yield (
            f"{name} is a pickle or may hold one; loading it can run code{_seen(source)}. "
            "Save the weights as safetensors."
        )
    elif low.endswith(".safetensors"):
        found = list(safetensors_problems(source))
        told = _seen(source) if any("no safetensors" in problem for problem in found) else ""
        yield from (f"{name}: {problem}{told}. Save the weights again." for problem in found)
        if kind == "safetensors":
            yield from secret_problems(name, safetensors_texts(source), paths=True)
    elif kind == "archive":
        yield f"{name} is an archive, and archives are not published{_seen(source)}. Publish the files themselves."
    elif kind == "too large":
        yield (
            f"{name} has more than {MAX_BYTES:,} bytes and is no safetensors file; it is not searched{_seen(source)}. "
            "Remove it."
        )
    elif kind == "text":
        yield from text_problems(name, head_of(source, MAX_BYTES).decode("utf-8"))
        if zip_begins(source) is not None:
            yield f"{name} is a text and a ZIP archive at once{_seen(source)}. Remove what was appended."
    elif kind == "sentencepiece" and low.endswith(_SENTENCEPIECE_NAMES):
        yield from _sentencepiece(name, head_of(source, MAX_BYTES))
    elif kind == "image":
        yield f"{name} is an image, which is no part of an encoder. Remove it."
    else:
        yield (
            f"{name} is of a kind that is not known here ({known_as(source) or kind}); what can not be searched is "
            f"not published{_seen(source)}. Remove it; weights are published as safetensors, texts as UTF-8."
        )


def must_be_refused(name: str, source: Path) -> bool:
    """Whether a file that is no known part of a model is one that the gate has to see, and refuse.

    Code, pickles, archives and unknown binaries: a model beside them may not load without them. Texts, images
    and safetensors are harmless where they lie and need no more than to stay there.
    """
    if name.lower().endswith((*CODE, *PICKLES)):
        return True
    kind = kind_of(source)
    if kind == "too large":
        return not _begins_as_text(head_of(source, 1 << 20))
    return kind not in ("text", "image", "safetensors")


def folder_problems(names: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with the files together, and with their names.

    An adapter may not lie beside the weights that it is merged into, and every name must be one on every system.
    """
    listed = list(names)
    known = set(listed)
    if "adapter_config.json" in known and known.intersection(_WEIGHTS):
        yield (
            "adapter_config.json and model.safetensors lie in one root: transformers would apply the adapter to "
            "weights that may hold it already. Save the model into an empty folder."
        )
    for name in listed:
        yield from name_problems(name)
    yield from collisions(listed)


def _begins_as_text(head: bytes) -> bool:
    try:
        # the cut may fall inside of a character
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _sentencepiece(name: str, raw: bytes) -> Iterator[str]:
    problem = sentencepiece_problem(raw)
    if problem is not None:
        yield f"{name} is no sentencepiece model, whatever its name: {problem}{_seen(raw)}. Save the tokenizer again."
        return
    told = sentencepiece_texts(raw)
    yield from secret_problems(name, told, paths=False)
    # upstream's own paths stand in most of these files; those of this machine need not
    yield from own_path_problems(name, told)
    if zip_begins(raw) is not None:
        yield f"{name} is a sentencepiece model and a ZIP archive at once{_seen(raw)}. Save the tokenizer again."


def _seen(source: Path | bytes) -> str:
    """Return what loading it would run, in brackets; "" where nothing is seen."""
    told = inside(source)
    return f" ({told})" if told else ""
