import numpy as np
import pyarrow as pa
import pytest

from audits import nearest
from audits.checks import CheckContext, _leakage
from audits.checks.exact_duplicates import ExactDuplicates
from audits.checks.false_negatives import FalseNegatives
from audits.checks.label_noise import LabelNoise
from audits.checks.licenses import NonCommercialRows, RestrictedRows, UnknownLicenseRows
from audits.checks.near_duplicates import NearDuplicates
from audits.checks.pair_defects import DegenerateTexts, EqualSides, SharedAnchors, SharedPositives, TruncatedTexts
from audits.checks.personal_data import EmailAddresses
from audits.checks.scripts import ScriptMismatch, script_of
from audits.checks.split_leakage import ExactLeakage, NearLeakage
from audits.findings import Columns, Finding, Measurement, NotJudged, Table
from audits.source import AuditSource

PAIRS = Columns(anchor="anchor", positive="positive")
BASE = [f"word{i}" for i in range(40)]
TEXT = " ".join(BASE)
NEAR = " ".join([*BASE[:38], "changed", "here"])


def source(columns=PAIRS, declared_license=None, **splits):
    tables = {name: data if isinstance(data, pa.Table) else pa.table(data) for name, data in splits.items()}
    return AuditSource(tables=tables, columns=columns, declared_license=declared_license)


def pairs(*rows):
    return {"anchor": [row[0] for row in rows], "positive": [row[1] for row in rows]}


def findings(check, data, context=None):
    return [item for item in check.run(data, context or CheckContext()) if isinstance(item, Finding)]


def only(check, data, context=None):
    (finding,) = findings(check, data, context)
    return finding


def test_exact_duplicates_name_their_first_row_over_all_text_columns():
    data = source(train=pairs(("One", "two"), ("one", " TWO"), ("one", "three"), ("ONE", "two"), ("", ""), ("", None)))
    finding = only(ExactDuplicates(), data)
    assert list(finding.rows) == [("train", 1, "train", 0, 1.0), ("train", 3, "train", 0, 1.0)]
    assert finding.measurement.value == 2 / 6
    assert finding.evidence[0].excerpt == "one TWO"
    assert finding.evidence[0].related[0].excerpt == "One two"


def test_words_moved_over_the_column_border_are_no_duplicate():
    assert findings(ExactDuplicates(), source(train=pairs(("a b", "c"), ("a", "b c")))) == []


def test_a_check_without_findings_still_states_its_zero():
    (measured,) = ExactDuplicates().run(source(train=pairs(("a", "b"))), CheckContext())
    assert isinstance(measured, Measurement)
    assert (measured.value, measured.sample_size) == (0.0, 1)


def test_near_duplicates_leave_exact_ones_out():
    data = source(columns=Columns(text="t"), train={"t": [TEXT, TEXT.upper(), NEAR, "something else"]})
    finding = only(NearDuplicates(), data)
    assert [row[:4] for row in finding.rows] == [("train", 2, "train", 0)]
    assert finding.evidence[0].score == pytest.approx(34 / 38)


def test_leakage_is_found_through_either_side_and_across_sides():
    data = source(
        test=pairs(
            ("how does one do it", "by doing it very well"), ("an unrelated question here", "and its answer too")
        ),
        train=pairs(
            ("how does one do it", "something that is not there"),  # anchor in anchor
            ("something else was asked here", "By doing it  very well"),  # positive in positive
            ("and its answer too", "other words of no match"),  # anchor in positive
            ("a wholly new question here", "with a new answer too"),
        ),
    )
    anchors, positives = findings(ExactLeakage(), data)
    assert (anchors.split, anchors.column, positives.column) == ("train", "anchor", "positive")
    assert list(anchors.rows) == [("train", 0, "test", 0, 1.0), ("train", 2, "test", 1, 1.0)]
    assert list(positives.rows) == [("train", 1, "test", 0, 1.0)]
    assert anchors.measurement.value == 1.0
    assert positives.measurement.value == 0.5
    assert anchors.evidence[1].related[0].column == "positive"


def test_short_texts_leak_only_as_whole_rows():
    one_side = source(train=pairs(("Return it.", "a b c d")), test=pairs(("Return it.", "e f g h")))
    assert findings(ExactLeakage(), one_side) == []
    both = source(train=pairs(("Return it.", "yes")), test=pairs(("return it.", "Yes")))
    assert [finding.column for finding in findings(ExactLeakage(), both)] == ["anchor", "positive"]
    alone = source(columns=Columns(text="t"), train={"t": ["hi"]}, test={"t": ["hi"]})
    assert only(ExactLeakage(), alone).total_rows == 1


def test_leakage_is_ordered_train_validation_test_whatever_the_order_of_the_splits():
    row = pairs((TEXT, f"{TEXT} more"))
    for names in (("test", "validation", "train"), ("train", "test", "validation"), ("eval", "train", "test")):
        found = findings(ExactLeakage(), source(**dict.fromkeys(names, row)))
        middle = next(name for name in names if name not in ("train", "test"))
        assert [(finding.split, finding.rows.splits) for finding in found[::2]] == [
            ("train", tuple(sorted((middle, "test")))),
            (middle, ("test",)),
        ]


def test_near_leakage_leaves_rows_out_that_leak_exactly():
    data = source(
        train=pairs((NEAR, "first unseen words are here"), (TEXT, "second unseen words are here")),
        test=pairs((TEXT, "an answer that is unseen"), ("nothing to see at all", "nothing to hear at all")),
    )
    finding = only(NearLeakage(), data)
    assert [row[:4] for row in finding.rows] == [("train", 0, "test", 0)]
    assert finding.rows.score[0] == pytest.approx(34 / 38)
    assert finding.measurement.value == 0.5


def test_negatives_may_repeat_what_is_evaluated():
    columns = Columns(anchor="anchor", positive="positive", negatives=("negative",))
    train = {**pairs(("a b c d", "e f g h")), "negative": ["the answer of the test"]}
    test = {**pairs(("i j k l", "the answer of the test")), "negative": ["m n o p"]}
    assert findings(ExactLeakage(), source(columns=columns, train=train, test=test)) == []


def test_equal_sides_are_found_after_normalisation():
    finding = only(EqualSides(), source(train=pairs(("Ａ b", "a  B"), ("a", "b"), ("", ""), (None, None))))
    assert [row.row for row in finding.rows] == [0]


def test_a_shared_positive_shows_its_anchors_and_the_largest_group():
    data = source(train=pairs(("a", "same"), ("b", "Same"), ("a", "same"), ("c", "other"), ("c", "other")))
    observations = list(SharedPositives().run(data, CheckContext()))
    largest = next(item for item in observations if isinstance(item, Measurement))
    (finding,) = [item for item in observations if isinstance(item, Finding)]
    assert (largest.value, largest.unit) == (3, "rows")
    assert [row.row for row in finding.rows] == [0, 1, 2]
    assert [row.other_row for row in finding.rows] == [1, 0, 1]
    assert [other.excerpt for other in finding.evidence[0].related] == ["a", "b"]


def test_a_shared_anchor_shows_its_positives():
    data = source(
        train=pairs(
            ("Who?", "he"), ("who? ", "she"), ("who?", "HE"), ("what", "it"), ("what", "It"), ("", "x"), ("", "y")
        )
    )
    seen = list(SharedAnchors().run(data, CheckContext()))
    (finding,) = [item for item in seen if isinstance(item, Finding)]
    assert [(row.row, row.other_row) for row in finding.rows] == [(0, 1), (1, 0), (2, 1)]
    assert [related.excerpt for related in finding.evidence[0].related] == ["he", "she"]
    (largest,) = [item for item in seen if isinstance(item, Measurement) and "largest" in item.name]
    assert (largest.value, largest.unit) == (3, "rows")


def test_a_list_of_positives_is_one_answer():
    rows = {"anchor": ["who", "who", "what"], "positive": [["a", "b"], ["b", "a"], ["c"]]}
    assert findings(SharedAnchors(), source(train=rows)) == []


class Directions:
    """A text's vector is written in it: two numbers."""

    name = "directions"

    def encode(self, texts):
        return np.array([[float(number) for number in text.split()[-2:]] for text in texts], np.float32)


def test_positives_that_answer_another_anchor_are_false_negatives():
    rows = [
        ("ask 1 0", "near 1 0.2"),
        ("ask b 1 0.1", "same 1 0.19"),  # nearer to both anchors, and says what the first says
        ("ask c 0 1", "far 0.3 1"),
        ("ask d 1 0.05", "equal 0 1"),  # its own positive is elsewhere: much is nearer, nothing says the same
        ("ask e 0 1", "near 1 0.2"),
    ]
    context = CheckContext(encoder=Directions(), semantic_threshold=0.995)
    seen = list(FalseNegatives().run(source(train=pairs(*rows, (None, "x 1 0"), ("a 1 0", None))), context))
    (finding,) = [item for item in seen if isinstance(item, Finding)]
    listed = {row.row: row.other_row for row in finding.rows}
    assert listed == {0: 1}
    nearer = next(item for item in seen if isinstance(item, Measurement) and "nearer" in item.name)
    assert nearer.value == 4 / 7
    assert finding.evidence[0].related[0].excerpt == "near 1 0.2"
    assert finding.evidence[0].related[1].excerpt == "same 1 0.19"


@pytest.mark.parametrize("tile", [1, 2, 1024])
def test_nearer_vectors_are_those_of_comparing_every_pair(monkeypatch, tile):
    monkeypatch.setattr(nearest, "_TILE", tile)
    rng = np.random.default_rng(0)
    left, right = (nearest.unit(rng.normal(size=(n, 3)).astype(np.float32)) for n in (7, 15))
    owner, text = rng.integers(0, 7, 15), rng.integers(0, 6, 15)
    least = rng.uniform(0.3, 0.9, 7).astype(np.float32)
    own = [set(text[owner == i].tolist()) for i in range(7)]
    expected = [any(left[i] @ right[j] > least[i] and text[j] not in own[i] for j in range(15)) for i in range(7)]
    assert 0 < sum(expected) < 7
    assert nearest.nearer_than(left, right, least, (owner, text)).tolist() == expected


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (None, None),
        ("", None),
        ("short one", None),
        ("a sentence in latin letters", "LATIN"),
        ("ein Satz mit Ümläuten und ß", "LATIN"),
        ("Ｆｕｌｌｗｉｄｔｈ ｌｅｔｔｅｒｓ", "LATIN"),
        ("предложение на русском языке", "CYRILLIC"),
        ("これは日本語の文章です、漢字とかなで", "CJK"),
        ("half русский half english слова", None),
        ("12345 67890 !!! ???", None),
    ],
)
def test_the_script_of_a_text_is_that_of_most_of_its_letters(text, script):
    assert script_of(text) == script


def test_sides_in_two_scripts_are_listed():
    rows = [("what is the answer", "это правильный ответ"), ("what is the answer", "this is the answer"), ("где", "x")]
    finding = only(ScriptMismatch(), source(train=pairs(*rows)))
    assert [row.row for row in finding.rows] == [0]
    assert finding.measurement.value == 1 / 3


def test_degenerate_texts_are_null_empty_or_one_word():
    data = source(columns=Columns(text="t"), train={"t": [None, "", "…!", "\u200b\u2060", "word", "two words", "漢字"]})
    finding = only(DegenerateTexts(), data)
    assert [row.row for row in finding.rows] == [0, 1, 2, 3, 4]
    assert [item.excerpt for item in finding.evidence] == ["(null)", "(empty)", "…!", "(empty)", "word"]


def test_truncated_texts_are_longer_than_the_model_reads():
    context = CheckContext(count_tokens=lambda texts: [len(text) for text in texts], max_length=4)
    data = source(train=pairs(("1234", "12345"), ("123456", None)))
    anchors, positives = findings(TruncatedTexts(), data, context)
    assert list(anchors.rows) == [("train", 1, None, None, 6.0)]
    assert list(positives.rows) == [("train", 0, None, None, 5.0)]


def test_addresses_are_shown_masked_and_alone():
    data = source(columns=Columns(text="t"), train={"t": ["by Jane jane@corp.org", "no address", None]})
    finding = only(EmailAddresses(), data)
    assert finding.measurement.value == 1 / 3
    assert finding.evidence[0].excerpt == "j•••@c•••.org"


def test_licenses_are_judged_per_row():
    columns = Columns(text="t", license="l", group="g")
    data = source(
        columns=columns,
        train={
            "t": list("abcde"),
            "l": ["MIT", "CC-BY-NC-4.0", "bsd", "MPL-2.0", None],
            "g": ["p", "p", "q", "q", "q"],
        },
    )
    for check, rows in ((NonCommercialRows(), [1]), (UnknownLicenseRows(), [2, 4]), (RestrictedRows(), [3])):
        finding = only(check, data)
        assert [row.row for row in finding.rows] == rows
        assert finding.measurement.value == len(rows)
        assert finding.column == "l"
    tables = {t.name: t for t in UnknownLicenseRows().run(data, CheckContext()) if isinstance(t, Table)}
    assert ("MIT", "MIT", "permissive", 1) in tables["licenses"].rows
    assert ("q", "(none stated)", "unknown", 1) in tables["licenses by group"].rows


@pytest.mark.parametrize(("declared", "rows"), [(None, 2), ("other", 2), ("mit", 0)])
def test_without_a_license_column_the_declared_one_counts(declared, rows):
    data = source(columns=Columns(text="t"), declared_license=declared, train={"t": ["a", "b"]})
    found = findings(UnknownLicenseRows(), data)
    assert sum(finding.total_rows for finding in found) == rows
    assert all(finding.column is None for finding in found)
    assert findings(NonCommercialRows(), data) == []


def test_a_list_of_licenses_is_read_strictly():
    data = source(columns=Columns(text="t", license="l"), train={"t": ["a", "b"], "l": [["mit", "cc-by-nc-4.0"], []]})
    assert [row.row for row in only(NonCommercialRows(), data).rows] == [0]
    assert [row.row for row in only(UnknownLicenseRows(), data).rows] == [1]


class ClassEncoder:
    """Places each text near its first word's corner."""

    name = "corners"

    def encode(self, texts):
        rng = np.random.default_rng(0)
        corners = np.array([[int(text.split()[0][1:])] for text in texts])
        return (np.eye(4)[corners[:, 0]] * 3 + rng.normal(0, 0.4, (len(texts), 4))).astype(np.float32)


def labelled(count=200, kind=str):
    classes = np.arange(count) % 4
    labels = classes.copy()
    wrong = np.arange(3, count, 25)
    labels[wrong] = (labels[wrong] + 1 + np.arange(len(wrong)) % 3) % 4
    return {"t": [f"c{c} text {i}" for i, c in enumerate(classes)], "y": [kind(label) for label in labels]}, wrong


@pytest.mark.parametrize("kind", [int, str])
def test_planted_label_errors_are_found_and_corrected(kind):
    rows, wrong = labelled(800, kind=kind)
    data = source(columns=Columns(text="t", label="y"), train=rows)
    finding = only(LabelNoise(), data, CheckContext(encoder=ClassEncoder()))
    found = {row.row for row in finding.rows}
    assert len(found & set(wrong.tolist())) >= 0.9 * len(wrong)
    assert len(found - set(wrong.tolist())) <= 2
    worst = finding.evidence[0]
    assert worst.score == min(finding.rows.score)
    given = rows["y"][worst.row]
    assert worst.excerpt.startswith(f"labelled {given}; looks like {worst.row % 4}: c{worst.row % 4} text")


def test_rare_classes_and_missing_labels_are_left_out_and_counted():
    rows, _ = labelled()
    rows = {"t": rows["t"] + ["c1 rare one", "c1 rare two", "c1 none", " "], "y": rows["y"] + ["r", "r", None, "0"]}
    data = source(columns=Columns(text="t", label="y"), train=rows)
    observations = list(LabelNoise().run(data, CheckContext(encoder=ClassEncoder())))
    measured = {item.name: item.value for item in observations if isinstance(item, Measurement)}
    assert measured["rows in classes too rare to judge"] == 2 / 204
    assert measured["rows without a label or a text"] == 2 / 204
    (finding,) = [item for item in observations if isinstance(item, Finding)]
    assert max(finding.rows.row) < 200


def test_one_class_is_said_to_be_not_judged():
    data = source(columns=Columns(text="t", label="y"), train={"t": ["a b"] * 9, "y": [1] * 9})
    observations = list(LabelNoise().run(data, CheckContext(encoder=ClassEncoder())))
    assert [item for item in observations if isinstance(item, NotJudged)] == [NotJudged("one class of enough rows")]


def test_label_noise_works_with_the_default_encoder():
    rng = np.random.default_rng(0)
    words = [["sea", "ship", "wave", "sail"], ["tree", "leaf", "root", "bark"]]
    classes = np.arange(80) % 2
    rows = {"t": [" ".join(rng.choice(words[c], 6)) for c in classes], "y": classes.tolist()}
    rows["y"][10] = 1
    finding = only(LabelNoise(), source(columns=Columns(text="t", label="y"), train=rows))
    assert finding.evidence[0].row == 10


def test_leaks_of_templates_take_no_step_for_each_pair(monkeypatch):
    """Variants of one text in train, and one of them many times in test: every row is named, each place once."""
    steps = []
    original = _leakage._Matched.of
    monkeypatch.setattr(_leakage._Matched, "of", lambda places: steps.append(len(places)) or original(places))
    words = " ".join(f"word{i}" for i in range(60))
    train = [f"{words} {i}" for i in range(300)]
    test = pairs(*((f"{words} end", "y") for _ in range(400)))
    data = source(train=pairs(*((text, "x") for text in train)), test=test)
    leaks = _leakage.near_leaks(data, CheckContext(), "train", ("test",))
    assert len(leaks.rows) == 300
    assert len(leaks.reached["anchor"]) == 400
    assert sum(steps) < 1500
