"""Ways to a classifier. A new one is one class with a code, and an entry in :data:`ARMS`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from hf_contrastive.errors import ConfigurationError
from hf_contrastive.study.arms.base import Arm, Fitted, Labelled, Task
from hf_contrastive.study.arms.few_shot import FewShotContrast
from hf_contrastive.study.arms.fine_tuning import FineTuning
from hf_contrastive.study.arms.lexical import TfIdf
from hf_contrastive.study.arms.probes import Probe
from hf_contrastive.study.pretraining import CONTRAST, DENOISED, MASKED
from hf_contrastive.study.settings import ARM_CODE

_CROSS_ENTROPY = "cross_entropy"

ARMS: Mapping[str, Arm] = {
    arm.code: arm
    for arm in (
        TfIdf("A0", "TF-IDF + logistic regression", "words and pairs of words, without a network"),
        Probe("A1", "probe", "logistic regression on embeddings of the checkpoint as it is"),
        FineTuning("A2", "fine-tuning", "all weights, cross-entropy", loss=_CROSS_ENTROPY),
        FineTuning("A2L", "LoRA fine-tuning", "an adapter, cross-entropy", loss=_CROSS_ENTROPY, lora=True),
        Probe("A3", "contrastive → probe", "contrastive pretraining, then a probe", pretraining=CONTRAST),
        FineTuning(
            "A4",
            "contrastive → fine-tuning",
            "contrastive pretraining, then fine-tuning",
            loss=_CROSS_ENTROPY,
            pretraining=CONTRAST,
        ),
        FineTuning(
            "A5",
            "MLM → fine-tuning",
            "masked language modelling with as many operations, then fine-tuning: the control",
            loss=_CROSS_ENTROPY,
            pretraining=MASKED,
        ),
        Probe("A5P", "MLM → probe", "masked language modelling with as many operations, then a probe", MASKED),
        FineTuning(
            "A6",
            "contrastive + denoising → fine-tuning",
            "contrast and token-deletion denoising with as many operations, then fine-tuning",
            loss=_CROSS_ENTROPY,
            pretraining=DENOISED,
        ),
        Probe("A6P", "contrastive + denoising → probe", "contrast and denoising, then a probe", DENOISED),
        FewShotContrast("A7", "contrast of labels → probe", "SetFit-like: contrast of the labelled rows, then a probe"),
        FineTuning(
            "A8",
            "fine-tuning with SupCon",
            "all weights, cross-entropy and supervised contrast together",
            loss=f"{_CROSS_ENTROPY} + 0.5 * supcon",
        ),
    )
}
"""The arms by code."""


def chosen_arms(codes: Iterable[str | Arm]) -> tuple[Arm, ...]:
    """Return the arms, in the order of :data:`ARMS`, own ones last.

    Args:
        codes: of arms, or arms of one's own.

    Raises:
        ConfigurationError: a code is unknown, can not be part of a file's name, or stands twice; or there is none.
    """
    found: dict[str, Arm] = {}
    for item in codes:
        arm = item if isinstance(item, Arm) else ARMS.get(item.upper())
        if arm is None:
            near = difflib.get_close_matches(str(item).upper(), list(ARMS), n=1, cutoff=0.1)
            hint = f" Did you mean {near[0]}?" if near else ""
            msg = f"`arms` holds {str(item)!r:.40}; known are {', '.join(ARMS)}.{hint}"
            raise ConfigurationError(msg)
        if not ARM_CODE.fullmatch(arm.code):
            msg = f"The code of an arm is letters, digits and _, such as X1, got {arm.code!r:.40}. Rename that arm."
            raise ConfigurationError(msg)
        # cells are files, whose names may not differ by case alone
        if arm.code.upper() in map(str.upper, found):
            msg = f"`arms` holds {arm.code} twice; each code stands for one arm."
            raise ConfigurationError(msg)
        found[arm.code] = arm
    if not found:
        msg = f"`arms` holds no code, and a study needs one at least; known are {', '.join(ARMS)}."
        raise ConfigurationError(msg)
    order = list(ARMS)
    return tuple(sorted(found.values(), key=lambda arm: order.index(arm.code) if arm.code in ARMS else len(order)))


__all__ = ["ARMS", "Arm", "Fitted", "Labelled", "Task", "chosen_arms"]
