"""What each arm is for: which ones are compared with, and which ones carry the claim."""

from __future__ import annotations

LEXICAL, PROBE = "A0", "A1"
BASELINES = (LEXICAL, PROBE)
"""What costs nearly nothing: words counted, and a probe on the checkpoint as it is."""

FINE_TUNED = "A2"
"""What everybody would do: the checkpoint, fine-tuned with cross-entropy."""

CONTROL, PROBED_CONTROL = "A5", "A5P"
"""As much compute on the same texts without contrast, then fine-tuning or a probe: what they gain needs no contrast."""

CONTROLS = {"A4": CONTROL, "A6": CONTROL, "A3": PROBED_CONTROL, "A6P": PROBED_CONTROL}
"""The control of each arm that differs from it by the objective of the pretraining alone."""

UNTOUCHED = {"A4": FINE_TUNED, "A6": FINE_TUNED, "A3": PROBE, "A6P": PROBE}
"""The same way to a classifier from the checkpoint as it is: without a gain over that, contrast has caused none."""

COMPARED_WITH = (FINE_TUNED, CONTROL, PROBED_CONTROL, PROBE)
"""Arms that others are compared with, each with a family of differences."""

FAMILIES = {PROBED_CONTROL: ("A3", "A6P"), PROBE: ("A3", "A6P", PROBED_CONTROL)}
"""The only arms that are compared with a probe, since fewer comparisons need smaller corrections."""

BY_PENALTY = (LEXICAL, PROBE, "A3", PROBED_CONTROL, "A6P")
"""Arms that choose a penalty by cross-validation, and train no weights of the encoder."""

CONTRASTIVE = ("A3", "A4", "A6", "A6P")
"""Contrastive pretraining, with denoising or without, then fine-tuning or a probe."""

FEW_SHOT = "A7"
"""Contrast between labelled rows, then a head (SetFit, Tunstall et al., 2022)."""

FEW = 100
"""Labelled rows a class below which labels count as few."""
