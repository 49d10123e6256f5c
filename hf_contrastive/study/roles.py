"""What each arm is for: which ones are compared with, and which ones carry the claim."""

from __future__ import annotations

LEXICAL, PROBE = "A0", "A1"
BASELINES = (LEXICAL, PROBE)
"""What costs nearly nothing: words counted, and a probe on the checkpoint as it is."""

FINE_TUNED = "A2"
"""What everybody would do: the checkpoint, fine-tuned with cross-entropy."""

CONTRASTIVE = ("A3", "A4", "A6")
"""Contrastive pretraining, then a probe; then fine-tuning; with denoising, then fine-tuning."""

CONTRASTIVE_FINE_TUNED = ("A4", "A6")
"""Those that differ from the control by the objective of the pretraining alone."""

CONTROL = "A5"
"""The same compute on the same texts without contrast: what is gained here needs no contrast."""

FEW_SHOT = "A7"
"""Contrast between labelled rows, then a head (SetFit, Tunstall et al., 2022)."""

FEW = 100
"""Labelled rows a class below which labels count as few."""
