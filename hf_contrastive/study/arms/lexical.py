"""Words alone: the baseline that costs nothing."""

from __future__ import annotations

import re
import warnings

import numpy as np

from hf_contrastive.evaluation.classification import STRENGTHS
from hf_contrastive.evaluation.threads import one_thread
from hf_contrastive.study.arms.base import Arm, Fitted, Task
from hf_contrastive.study.records import Cost

_FOLDS = 5


class TfIdf(Arm):
    """TF-IDF of words and word pairs, and a logistic regression whose penalty is chosen within the labelled rows."""

    def fit(self, task: Task) -> Fitted:
        """Fit vocabulary and regression on the labelled rows alone."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold
        from sklearn.pipeline import make_pipeline

        codes = task.rows.codes
        words = r"(?u)\b\w+\b"
        if not any(re.search(words, text) for text in task.rows.texts):
            shares = np.bincount(codes, minlength=task.classes) / len(codes)
            return Fitted(
                predict=lambda texts: np.tile(shares, (len(texts), 1)),
                cost=Cost(seconds=0.0),
                setting="no labelled row has a word: the share of each class",
            )
        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=words),
            LogisticRegression(max_iter=1000),
        )
        folds = min(_FOLDS, int(np.bincount(codes).min()))
        how = "C = 1, since a class has one row"
        with warnings.catch_warnings(), one_thread():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if folds >= 2:
                search = GridSearchCV(
                    model,
                    {"logisticregression__C": list(STRENGTHS)},
                    scoring="neg_log_loss",
                    cv=StratifiedKFold(folds, shuffle=True, random_state=task.seed),
                )
                search.fit(list(task.rows.texts), codes)
                model = search.best_estimator_
                how = f"C = {search.best_params_['logisticregression__C']:g} by {folds}-fold cross-validation"
            else:
                model.fit(list(task.rows.texts), codes)
        return Fitted(
            predict=lambda texts: np.asarray(model.predict_proba(list(texts)), dtype=np.float64),
            cost=Cost(seconds=0.0),
            setting=how,
            trials=len(STRENGTHS) if folds >= 2 else 1,
        )
