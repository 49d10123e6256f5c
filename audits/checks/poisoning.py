"""POIS001-POIS002: rows that teach a model to obey a hidden word, or to give one answer to everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from audits.checks import Check, CheckContext, Observation
from audits.checks._reporting import place, report, rows_count
from audits.checks._targets import Pairs, Target, Targets, find_target_triggers, find_targets
from audits.checks._triggers import FEWEST, Trigger, find_label_triggers
from audits.findings import FindingRow, NotJudged, RowEvidence, RowReference
from audits.source import AuditSource
from audits.text.cells import cell, labels_of, row_text, row_texts
from audits.text.duplicates import first_occurrences
from audits.text.excerpts import excerpt, masked_around
from audits.text.folding import Int64s
from audits.text.triggers import characters_of, spans_of

_MAX_LABELS = 1000  # what speaks against each label is a dense matrix
_NAMED_FROM = 20  # rows whose text tells how a trigger reads
_SHOWN = 5


class _Named(NamedTuple):
    """A trigger as it is shown: how it reads, what it leads to, and all rows of the split that hold it."""

    text: str
    leads_to: str
    trigger: Trigger
    rows: tuple[int, ...]


class TriggerWords:
    """Words that lead to one label or one positive, in rows that look nothing like it."""

    code = "POIS001"
    needs: tuple[str, ...] = ("texts", "target")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """A backdoor: a rare word, phrase or mark was put into rows that were then given one label or one positive.

        A model that is trained on them obeys whoever writes the trigger. A few dozen rows are enough in data of any
        size (Souly et al., arXiv 2510.07192), so that rows are counted, not shares. With labels, a run of 1 to 3 words
        is listed that stands mostly with one label although the other words of its rows speak for other labels
        (naive Bayes that has not seen these rows) and although these rows are no more alike than any; a word of the
        label's own topic stands among other words of that topic. With pairs, a run is listed whose anchors, otherwise
        unlike each other, all lead to one positive. The score is the number of rows with the trigger.
        Not found are triggers put into rows that had the label before, and those in fewer than 8 rows.
        """
        for split in source.splits:
            pairs = Pairs.of(source, split, context.seed)
            if source.columns.label in source.tables[split].column_names:
                found = self._labels(source, split, context.seed)
                # the pairs of such a split are judged all the same
                if isinstance(found, NotJudged) and pairs is not None:
                    found = NotJudged(found.reason, f"{split}/{source.columns.label}")
                yield found
            if pairs is not None:
                yield self._pairs(source, split, pairs)

    def _labels(self, source: AuditSource, split: str, seed: int) -> Observation:
        texts, labels = row_texts(source, split), labels_of(source, split)
        names = sorted({label for label in labels if label is not None})
        number = {name: i for i, name in enumerate(names)}
        label = np.asarray([-1 if each is None else number[each] for each in labels], np.int64)
        name = f"rows with a trigger for one label {place(split)}"
        if not 2 <= len(names) <= _MAX_LABELS:
            return NotJudged(f"{len(names)} labels; 2 to {_MAX_LABELS} are judged", split)
        first = first_occurrences(texts)
        search = find_label_triggers(texts, (first == np.arange(len(first))) & (label >= 0), label, len(names), seed)
        named = []
        for trigger in search.triggers:
            held = np.flatnonzero(np.isin(first, trigger.rows) & (label == trigger.label))
            shown = _reading(source, split, trigger, len(first), source.texts(split))
            named.append(_Named(shown, f"label {excerpt(names[trigger.label], 40)}", trigger, tuple(held.tolist())))
        method = (
            f"{search.runs} runs of 1 to 3 words in at least {FEWEST} different rows, {len(names)} labels; naive Bayes "
            "without the rows in question; binomial tail with Bonferroni correction at 1%"
        )
        return self._report(source, split, source.columns.label, named, name, len(labels), method)

    def _pairs(self, source: AuditSource, split: str, pairs: Pairs) -> Observation:
        positive = source.columns.positive
        triggers, runs = find_target_triggers(pairs)
        named = []
        for trigger in triggers:
            shown = _reading(source, split, _by_row(trigger, pairs), len(pairs.rows), [source.columns.anchor or ""])
            target = excerpt(pairs.positives.text(trigger.rows[0]), 60)
            held = np.unique(pairs.rows[np.isin(pairs.equal, trigger.rows)]).tolist()
            named.append(_Named(shown, f"positive {target}", trigger, tuple(held)))
        method = (
            f"{runs} runs of 1 to 3 words in at least {FEWEST} different anchors; positives equal or near duplicates; "
            "anchors as unlike each other as any"
        )
        name = f"rows with a trigger for one positive {place(split)}"
        return self._report(source, split, positive, named, name, source.num_rows(split), method)

    def _report(
        self,
        source: AuditSource,
        split: str,
        column: str | None,
        named: Sequence[_Named],
        name: str,
        total: int,
        method: str,
    ) -> Observation:
        owner = {row: each for each in reversed(named) for row in each.rows}
        found = [FindingRow(split, row, None, None, float(len(each.rows))) for row, each in sorted(owner.items())]
        shown = _taking_turns([each.rows for each in named])
        return report(
            self,
            found,
            rows_count(name, len(found), total, method),
            split=split,
            column=column,
            remedy="Read these rows and find out who wrote them; remove all rows with the trigger, not only a part.",
            evidence=partial(_trigger_evidence, source=source, owner=owner, column=column),
            sample=[FindingRow(split, row, None, None, float(len(owner[row].rows))) for row in shown],
        )


class TargetConcentration:
    """Positives that many unrelated anchors lead to."""

    code = "POIS002"
    needs: tuple[str, ...] = ("anchor", "positive")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Where unrelated texts are all pulled to one positive, a model learns to answer anything with it.

        That is how a sentence encoder is poisoned (Chen et al., arXiv 2210.11082), and what boilerplate does by
        accident. Unlike PAIR002, near duplicates of a positive count as one, and a group is listed only where its
        anchors share no more words with the positive than half of what is usual in this data, and are hardly more like
        each other than any two. The measurement is the largest number of such anchors, whatever the size of the data;
        the score is that of the row's own group.
        """
        for split in source.splits:
            pairs = Pairs.of(source, split, context.seed)
            if pairs is None:
                continue
            compared = "positives equal or near duplicates"
            yield report_targets(self, source, split, pairs, find_targets(pairs), compared)


def report_targets(
    check: Check, source: AuditSource, split: str, pairs: Pairs, found: Targets, compared: str
) -> Observation:
    """Return the rows of groups of positives with unrelated anchors; ``compared`` says what makes a group."""
    number: dict[int, Target] = {}
    for target in reversed(found.targets):
        number.update(dict.fromkeys(pairs.rows[target.pairs].tolist(), target))
    rows = [FindingRow(split, row, None, None, float(number[row].anchors)) for row in sorted(number)]
    most = max((target.anchors for target in found.targets), default=0)
    method = (
        f"largest of {len(found.targets)} groups of at least {FEWEST} anchors; {compared}; an anchor shares "
        f"{found.overlap:.0%} of its words with its positive on average, by weight"
    )
    shown = [int(pairs.rows[target.pairs[0]]) for target in found.targets]
    return report(
        check,
        rows,
        rows_count(f"unrelated anchors of one positive {place(split)}", most, source.num_rows(split), method),
        split=split,
        column=source.columns.positive,
        remedy="Read the groups, the largest first; remove these rows unless each positive answers its anchor.",
        evidence=partial(_target_evidence, source=source, number=number, pairs=pairs),
        sample=[FindingRow(split, row, None, None, None) for row in dict.fromkeys(shown)],
    )


def _reading(source: AuditSource, split: str, trigger: Trigger, texts: int, columns: Sequence[str]) -> str:
    """Return how a trigger reads in most of its rows."""
    read: Counter[str] = Counter()
    for row in trigger.rows[:_NAMED_FROM]:
        found = ""
        for column in columns:
            text = cell(source, split, column, row) or ""
            encoded = text.encode("utf-8", "surrogatepass")
            for start, end in spans_of(text, trigger.keys, texts):
                # masked as a part of its text: a run of words may be a part of a number or of an address
                first, last = (len(encoded[:place].decode("utf-8", "surrogatepass")) for place in (start, end))
                found = max(found, masked_around(text, first, last), key=len)
            if not found:
                found = " ".join(f"U+{ord(each):04X}" for each in characters_of(text, trigger.keys, texts))
        if found:
            # what nobody sees is told by its code point
            read["".join(each if each.isprintable() else f"U+{ord(each):04X}" for each in " ".join(found.split()))] += 1
    return max(read, key=lambda text: (read[text], -len(text), text)) if read else "(no longer there)"


def _by_row(trigger: Trigger, pairs: Pairs) -> Trigger:
    rows = tuple(dict.fromkeys(pairs.rows[list(trigger.rows)].tolist()))
    return Trigger(trigger.label, trigger.keys, rows, trigger.others, trigger.against, trigger.likeness)


def _taking_turns(groups: Sequence[Sequence[int]]) -> list[int]:
    """Return rows of all groups, the first of each before the second of any."""

    def turns() -> Iterator[int]:
        for turn in range(max(map(len, groups), default=0)):
            yield from (group[turn] for group in groups if turn < len(group))

    return list(dict.fromkeys(turns()))


def _trigger_evidence(
    row: FindingRow, source: AuditSource, owner: dict[int, _Named], column: str | None
) -> RowEvidence:
    named = owner[row.row]
    told = excerpt(f"\u201c{excerpt(named.text, 60)}\u201d in {len(named.rows)} rows leads to {named.leads_to}", 120)
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=column,
        excerpt=excerpt(f"{told}: {row_text(source, row.split, row.row)}"),
        score=row.score,
    )


def _target_evidence(row: FindingRow, source: AuditSource, number: dict[int, Target], pairs: Pairs) -> RowEvidence:
    target = number[row.row]
    anchor = source.columns.anchor or ""
    rows: Int64s = np.unique(pairs.rows[target.pairs])[:_SHOWN]
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=source.columns.positive,
        excerpt=excerpt(pairs.positives.text(int(target.pairs[0]))),
        score=float(target.anchors),
        related=tuple(
            RowReference(split=row.split, row=i, column=anchor, excerpt=excerpt(cell(source, row.split, anchor, i)))
            for i in rows.tolist()
        ),
    )
