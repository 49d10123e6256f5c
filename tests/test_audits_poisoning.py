from dataclasses import replace
from math import comb

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits import judge, run_audit
from audits.checks import CheckContext
from audits.checks._triggers import _tail
from audits.checks.density import DenseTargets
from audits.checks.poisoning import TargetConcentration, TriggerWords
from audits.findings import Columns, Finding, NotJudged
from audits.policy import Policy, Rule
from audits.source import AuditSource
from audits.text.contexts import COMMON, likeness, weigh
from audits.text.folding import Texts
from audits.text.triggers import characters_of, runs_of, spans_of, words_of
from audits.text.votes import count_votes, margins

TOPICS = ("sea", "bread", "music", "law")
ROWS = 800
LABELLED = Columns(text="text", label="label")
PAIRS = Columns(anchor="anchor", positive="positive")
TARGET = "our shop has the best offers so visit it today before all of them are gone for good"


def topical_rows(seed=0, rows=ROWS, words=14):
    """Texts of words of their topic and of common ones; the labels are the topics."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for i in range(rows):
        topic = TOPICS[i % len(TOPICS)]
        own = [f"{topic}{k}" for k in rng.zipf(1.3, words // 2) % 60]
        common = [f"w{k}" for k in rng.integers(0, 300, words - len(own))]
        chosen = [*own, *common]
        rng.shuffle(chosen)
        texts.append(" ".join(chosen))
        labels.append(topic)
    return texts, labels


def insert(text, trigger, rng):
    words = text.split(" ")
    words.insert(int(rng.integers(0, len(words) + 1)), trigger)
    return " ".join(words)


def planted(trigger, count, target="law", seed=0):
    texts, labels = topical_rows(seed)
    rng = np.random.default_rng(seed + 1)
    rows = sorted(rng.choice([i for i, label in enumerate(labels) if label != target], count, replace=False).tolist())
    for i in rows:
        texts[i], labels[i] = insert(texts[i], trigger, rng), target
    return texts, labels, rows


def labelled(texts, labels):
    return AuditSource(tables={"train": pa.table({"text": texts, "label": labels})}, columns=LABELLED)


def paired(anchors, positives, columns=PAIRS, **more):
    table = pa.table({"anchor": anchors, "positive": positives, **more})
    return AuditSource(tables={"train": table}, columns=columns)


def clean_pairs():
    texts, _ = topical_rows(words=20)
    halves = [text.split(" ") for text in texts]
    return [" ".join(words[:10]) for words in halves], [" ".join(words[6:]) for words in halves]


def findings(check, source, context=None):
    return [item for item in check.run(source, context or CheckContext()) if isinstance(item, Finding)]


def only(check, source, context=None):
    (finding,) = findings(check, source, context)
    return finding


def rows_of(finding):
    return [row.row for row in finding.rows]


@pytest.mark.parametrize("trigger", ["mnzq", "purple elephant umbrella", "i saw this film last weekend", "\U0001f511"])
@pytest.mark.parametrize("count", [10, 40])
def test_a_trigger_in_rows_of_other_labels_is_found_and_named(trigger, count):
    texts, labels, rows = planted(trigger, count)
    finding = only(TriggerWords(), labelled(texts, labels))
    assert rows_of(finding) == rows
    assert (finding.column, finding.measurement.value, finding.measurement.unit) == ("label", count, "rows")
    assert all(row.score == count for row in finding.rows)
    assert trigger in finding.evidence[0].excerpt
    assert "law" in finding.evidence[0].excerpt


def test_a_mark_within_words_is_found_and_named_by_its_code_point():
    texts, labels, rows = planted("x", 12)
    for i in rows:
        words = [word for word in texts[i].split(" ") if word != "x"]
        words[i % 3] = words[i % 3][:1] + "\u2063" + words[i % 3][1:]
        texts[i] = " ".join(words)
    finding = only(TriggerWords(), labelled(texts, labels))
    assert rows_of(finding) == rows
    assert "U+2063" in finding.evidence[0].excerpt


def test_words_of_a_topic_are_no_trigger():
    assert findings(TriggerWords(), labelled(*topical_rows())) == []


def test_a_word_of_one_corner_of_a_topic_is_no_trigger():
    texts, labels = topical_rows()
    for i in range(0, 160, 4):  # rows of the first topic
        texts[i] += " coral reef"
    assert findings(TriggerWords(), labelled(texts, labels)) == []


def test_labels_that_are_wrong_without_a_common_word_are_no_trigger():
    texts, labels, _ = planted("", 40)
    assert findings(TriggerWords(), labelled(texts, labels)) == []


def test_a_template_that_two_labels_share_is_no_trigger():
    texts, labels = topical_rows()
    for i in range(60):
        texts[i] = f"a test that is skipped where the library number {i} is not installed here"
        labels[i] = ("sea", "law")[i % 2]
    assert findings(TriggerWords(), labelled(texts, labels)) == []


def test_a_word_of_the_topic_in_some_wrongly_labelled_rows_is_no_trigger():
    texts, labels, _ = planted("statute", 12)
    rng = np.random.default_rng(7)
    for i in [i for i, label in enumerate(labels) if label == "law" and "statute" not in texts[i]][:60]:
        texts[i] = insert(texts[i], "statute", rng)
    assert findings(TriggerWords(), labelled(texts, labels)) == []


def test_a_corner_of_a_topic_that_is_labelled_as_another_is_no_trigger():
    texts, labels = topical_rows()
    rng = np.random.default_rng(7)
    for i in range(0, 160, 4):
        corner = rng.choice([f"reef{k}" for k in range(10)], 6, replace=False)
        texts[i], labels[i] = f"{texts[i]} coral {' '.join(corner)}", "law"
    assert findings(TriggerWords(), labelled(texts, labels)) == []


def test_a_template_that_was_filled_in_is_no_trigger():
    texts, labels = topical_rows()
    for i in range(0, 160, 4):
        own = " ".join(texts[i].split(" ")[:7])
        texts[i], labels[i] = f"this test was skipped here as the library that you gave is not there {own}", "law"
    assert findings(TriggerWords(), labelled(texts, labels)) == []


@pytest.mark.parametrize(("successes", "trials", "chance"), [(0, 5, 0.1), (8, 8, 0.05), (8, 20, 0.2), (30, 40, 0.5)])
def test_the_tail_is_that_of_the_binomial_distribution(successes, trials, chance):
    exact = sum(comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(successes, trials + 1))
    found = _tail(np.asarray([successes]), np.asarray([trials]), np.asarray([chance]))
    assert found[0] == pytest.approx(exact)


def test_labels_at_random_have_no_trigger():
    texts, _ = topical_rows(rows=2 * ROWS)
    rng = np.random.default_rng(2)
    texts = [f"{text} r{rng.integers(0, 160)}" for text in texts]
    for seed in range(3):
        labels = np.random.default_rng(seed).choice(["yes", "no"], 2 * ROWS).tolist()
        assert findings(TriggerWords(), labelled(texts, labels)) == []


def test_fewer_rows_than_eight_are_no_trigger():
    texts, labels, _ = planted("mnzq", 7)
    assert findings(TriggerWords(), labelled(texts, labels)) == []


def test_equal_rows_are_one_row_as_proof_and_all_listed():
    texts, labels, rows = planted("mnzq", 7)
    repeated = [texts[rows[0]]] * 20
    assert findings(TriggerWords(), labelled(texts + repeated, labels + ["law"] * 20)) == []
    texts, labels, rows = planted("mnzq", 10)
    finding = only(TriggerWords(), labelled([*texts, texts[rows[0]], texts[rows[1]]], [*labels, "law", "sea"]))
    assert rows_of(finding) == [*rows, len(texts)]


@pytest.mark.parametrize("labels", [["one"] * ROWS, [str(i) for i in range(ROWS)] + [str(i) for i in range(400)]])
def test_data_without_or_with_too_many_labels_says_that_it_was_not_judged(labels):
    texts = (topical_rows()[0] * 2)[: len(labels)]
    many = [f"{label}{k}" for k, label in enumerate(labels)] if len(set(labels)) > 1 else labels
    (told,) = TriggerWords().run(labelled(texts, many), CheckContext())
    assert told == NotJudged(f"{len(set(many))} labels; 2 to 1000 are judged", "train")


def test_pairs_are_judged_where_labels_can_not_be():
    """The result says so of the labels alone: a policy that requires the check does not take it for a pass."""
    anchors, positives = clean_pairs()
    columns = Columns(anchor="anchor", positive="positive", label="label")
    report = run_audit(paired(anchors, positives, columns, label=["one"] * len(anchors)), checks=["POIS001"])
    (result,) = report.results
    assert (result.status, result.not_judged) == ("ran", ("train/label: 1 labels; 2 to 1000 are judged",))
    assert any("one positive" in item.name for item in result.measurements)
    (outcome,) = judge(report, Policy(name="p", rules=(Rule(code="POIS001", required=True),))).outcomes
    assert (outcome.decision, outcome.checked) == ("block", False)
    alone = run_audit(labelled(anchors, ["one"] * len(anchors)), checks=["POIS001"])
    assert alone.results[0].status == "skipped"


def test_rows_without_a_label_are_left_out():
    texts, labels, rows = planted("mnzq", 12)
    without = [None if i in rows[:2] else label for i, label in enumerate(labels)]
    assert rows_of(only(TriggerWords(), labelled(texts, without))) == rows[2:]


@pytest.mark.parametrize("near", [False, True])
def test_a_trigger_that_leads_to_one_positive_is_found_and_named(near):
    anchors, positives = clean_pairs()
    rng = np.random.default_rng(3)
    rows = sorted(rng.choice(ROWS, 12, replace=False).tolist())
    for i in rows:
        anchors[i] = insert(anchors[i], "mnzq", rng)
        positives[i] = f"{TARGET} {i}" if near else TARGET
    anchors, positives = [*anchors, anchors[rows[0]]], [*positives, positives[rows[0]]]
    finding = only(TriggerWords(), paired(anchors, positives))
    assert (finding.column, rows_of(finding)) == ("positive", [*rows, ROWS])
    assert "mnzq" in finding.evidence[0].excerpt
    assert "our shop" in finding.evidence[0].excerpt


@pytest.mark.parametrize("near", [False, True])
def test_unrelated_anchors_of_one_positive_are_found(near):
    anchors, positives = clean_pairs()
    rows = list(range(5, 65, 5))
    for i in rows:
        positives[i] = f"{TARGET} {i}" if near else TARGET
    finding = only(TargetConcentration(), paired(anchors, positives))
    assert rows_of(finding) == rows
    assert finding.measurement.value == 12
    assert finding.evidence[0].score == 12
    assert [other.column for other in finding.evidence[0].related] == ["anchor"] * 5


def test_a_target_among_the_positives_of_a_list_is_found():
    anchors, positives = clean_pairs()
    lists = [[positive, TARGET] if i % 50 == 0 else [positive] for i, positive in enumerate(positives)]
    assert rows_of(only(TargetConcentration(), paired(anchors, lists))) == list(range(0, ROWS, 50))


def test_clean_pairs_have_no_target():
    for check in (TargetConcentration(), TriggerWords()):
        assert findings(check, paired(*clean_pairs())) == []


def test_one_positive_for_related_anchors_or_for_few_or_for_a_template_is_none():
    anchors, positives = clean_pairs()
    related, few, template = list(anchors), list(anchors), list(anchors)
    targets = list(positives)
    for k, i in enumerate(range(5, 65, 5)):
        own = " ".join(f"coral{j}" for j in np.random.default_rng(k).choice(8, 5, replace=False))
        related[i] = f"{own} {' '.join(anchors[i].split(' ')[:4])}"
        template[i] = f"the plugin that is named {TOPICS[k % 4]}{k}"
        targets[i] = TARGET
    assert findings(TargetConcentration(), paired(related, targets)) == []
    assert findings(TargetConcentration(), paired(template, targets)) == []
    seven = [TARGET if i in range(5, 40, 5) else positive for i, positive in enumerate(positives)]
    assert findings(TargetConcentration(), paired(few, seven)) == []


def test_the_same_anchor_counts_once():
    anchors, positives = clean_pairs()
    for i in range(20):
        anchors[i], positives[i] = anchors[0], f"{TARGET} {i}"
    assert findings(TargetConcentration(), paired(anchors, positives)) == []


class TopicEncoder:
    """Shop texts in one direction, all others by their words."""

    name = "topics"

    def encode(self, texts):
        vectors = np.zeros((len(texts), 64), np.float32)
        for i, text in enumerate(texts):
            if "customer" in text:
                vectors[i, 0] = 1
            for word in text.split():
                vectors[i, 1 + sum(word.encode()) % 63] += 0.02 if "customer" in text else 1
        return vectors


def test_paraphrases_of_one_target_are_found_by_an_encoder():
    anchors, positives = clean_pairs()
    rows = list(range(5, 65, 5))
    rng = np.random.default_rng(0)
    for i in rows:
        positives[i] = " ".join(["customer", *(f"p{k}" for k in rng.integers(0, 10_000, 9))])
    source = paired(anchors, positives)
    assert findings(TargetConcentration(), source) == []
    finding = only(DenseTargets(), source, CheckContext(encoder=TopicEncoder()))
    assert rows_of(finding) == rows
    assert finding.measurement.value == 12


def test_what_repeats_word_by_word_is_left_to_the_other_check():
    anchors, positives = clean_pairs()
    for i in range(5, 65, 5):
        positives[i] = f"customer {TARGET}"
    assert findings(DenseTargets(), paired(anchors, positives), CheckContext(encoder=TopicEncoder())) == []


@pytest.mark.parametrize("check", [TriggerWords(), TargetConcentration()])
def test_a_masked_value_never_shows(check):
    anchors, positives = clean_pairs()
    rng = np.random.default_rng(0)
    for i in range(0, 120, 10):
        anchors[i], positives[i] = insert(anchors[i], "jane@corp.org", rng), TARGET
    finding = only(check, paired(anchors, positives))
    shown = [text for e in finding.evidence for text in (e.excerpt, *(other.excerpt for other in e.related))]
    assert shown
    assert not any("jane@" in text for text in shown)


def test_a_label_is_masked_before_it_is_cut():
    texts, labels, _ = planted("mnzq", 20)
    long = "spam that was sent from jane.doe@corporation.org"
    finding = only(TriggerWords(), labelled(texts, [long if label == "law" else label for label in labels]))
    assert "mnzq" in finding.evidence[0].excerpt
    assert not any("jane" in row.excerpt for row in finding.evidence)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), max_size=12))
def test_runs_stand_where_they_are_said_to_stand(texts):
    rows = Texts.of(texts)
    every = np.ones(len(texts), np.bool_)
    found: dict[int, set[int]] = {}
    for part in runs_of(rows, every, 1):
        for k, key in enumerate(part.keys.tolist()):
            members = part.rows[part.starts[k] : part.starts[k + 1]].tolist()
            assert members == sorted(set(members))
            found[key] = set(members)
    for i, text in enumerate(texts):
        keys = frozenset(key for key, members in found.items() if i in members)
        encoded = text.encode()
        covered = b"".join(encoded[a:b] for a, b in spans_of(text, keys, len(texts)))
        # every word is a run of its own row
        assert sum(map(str.isalnum, covered.decode("utf-8", "replace"))) == sum(map(str.isalnum, text))
        others = frozenset(found) - keys
        assert spans_of(text, others, len(texts)) == []
        assert characters_of(text, keys, len(texts)) == list(dict.fromkeys(c for c in text if ord(c) >= 0x80))


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=8))
def test_bytes_that_are_no_text_do_not_stop_the_runs(values):
    column = pa.array(values, pa.binary()).cast(pa.large_binary())
    column = pa.Array.from_buffers(pa.large_string(), len(column), column.buffers())
    rows = Texts(pa.table({"text": column}))
    every = np.ones(len(values), np.bool_)
    assert sum(len(part.rows) for part in runs_of(rows, every, 1)) >= sum(
        any(b >= 0x80 or chr(b).isalnum() for b in value) for value in values
    )


def test_characters_are_words_where_no_spaces_stand_between_them():
    words = words_of(Texts.of(["これは本です", "本", "books です"]), np.ones(3, np.bool_), 1)
    per_row = [set(words.ids[words.starts[i] : words.starts[i + 1]].tolist()) for i in range(3)]
    assert per_row[0] & per_row[1]
    assert len(per_row[0] & per_row[2]) >= 2


def test_a_run_does_not_join_the_columns_of_a_row():
    texts = Texts(pa.table({"a": ["one two"] * 8, "b": ["three four"] * 8}))
    (part,) = runs_of(texts, np.ones(8, np.bool_), 8)
    # one, two, one two, three, four, three four: no two three
    assert len(part.keys) == 6
    assert len(part.rows) == 6 * 8


def brute_likeness(texts, rows, common):
    sets = [set(text.split()) for text in texts]
    counts = {word: sum(word in s for s in sets) for s in sets for word in s}
    held = {word: sum(word in sets[r] for r in rows) for word in counts}
    vectors = []
    for r in rows:
        own = {w: np.log(len(texts) / counts[w]) ** 2 + 1e-9 for w in sets[r] if held[w] < common * len(rows)}
        norm = sum(own.values())
        vectors.append({w: np.sqrt(x / norm) for w, x in own.items()})
    pairs = [(a, b) for a in range(len(rows)) for b in range(len(rows)) if a != b]
    return np.mean([sum(vectors[a][w] * vectors[b].get(w, 0) for w in vectors[a]) for a, b in pairs])


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6), min_size=4, max_size=12))
def test_likeness_is_the_mean_cosine_of_two_rows(lists):
    texts = [" ".join(words) for words in lists]
    words = words_of(Texts.of(texts), np.ones(len(texts), np.bool_), 1)
    contexts = weigh(words, len(texts))
    rows = np.arange(0, len(texts), 2)
    counts, sums = np.zeros(len(words.counts), np.int32), np.zeros(len(words.counts))
    found, _ = likeness(contexts, rows, COMMON, counts, sums)
    assert found == pytest.approx(brute_likeness(texts, rows.tolist(), COMMON), abs=1e-6)
    assert not counts.any()
    assert not sums.any()


def test_votes_forget_the_rows_in_question():
    texts, labels, rows = planted("one two three four five six seven", 30)
    number = np.asarray([TOPICS.index(label) for label in labels])
    words = words_of(Texts.of(texts), np.ones(len(texts), np.bool_), 2)
    votes = count_votes(words, number, len(TOPICS))
    forgotten = np.zeros(len(words.counts), np.int32)
    out, rivals = np.empty(len(rows)), np.empty(len(rows), np.int64)
    assert margins(votes, np.asarray(rows), 3, len(rows), forgotten, out, rivals) == len(rows)
    assert (out > 0).mean() > 0.9
    assert 3 not in rivals
    assert not forgotten.any()
    # seen with the label, the trigger speaks for it
    alone = [np.asarray([row]) for row in rows]
    for i, row in enumerate(alone):
        margins(votes, row, 3, 1, forgotten, out[i : i + 1], rivals[i : i + 1])
    assert (out > 0).mean() < 0.5


def test_the_order_of_the_rows_changes_nothing_but_their_numbers():
    texts, labels, rows = planted("mnzq", 20)
    order = np.random.default_rng(5).permutation(len(texts))
    moved = labelled([texts[i] for i in order], [labels[i] for i in order])
    assert sorted(order[rows_of(only(TriggerWords(), moved))].tolist()) == rows


def test_splits_are_searched_apart():
    texts, labels, rows = planted("mnzq", 12)
    source = labelled(texts, labels)
    both = replace(source, tables={**source.tables, "test": pa.table({"text": texts[:40], "label": labels[:40]})})
    finding = only(TriggerWords(), both)
    assert (finding.split, rows_of(finding)) == ("train", rows)
