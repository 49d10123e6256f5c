from dataclasses import replace

import pytest
from datasets import Dataset, DatasetDict

from audits import audit
from audits.licenses.facts import NON_COMMERCIAL
from audits.licenses.inputs import LicensedInput, LicenseStatement, Lineage
from audits.licenses.inventory import all_inputs, base_input, read_datasets, row_inputs
from audits.splits import is_measured_with


def _data(**splits):
    return DatasetDict(
        {
            name: Dataset.from_dict(
                {
                    "anchor": [f"{name} question number {i} of them" for i in range(len(licenses))],
                    "positive": [f"{name} answer number {i} to it" for i in range(len(licenses))],
                    "license": licenses,
                    "package": [f"package-{i % 2}" for i in range(len(licenses))],
                }
            )
            for name, licenses in splits.items()
        }
    )


def _report(data, **options):
    given = {"license_column": "license", "group_column": "package", **options}
    return audit(data, checks=("LIC002",), self_test=False, **given)


def test_rows_of_one_license_are_one_input_with_their_groups():
    report = _report(_data(train=["MIT", "MIT", "CC-BY-SA-4.0", "no such license"]))
    inputs = row_inputs(report)
    assert [(item.name, item.license, item.rows) for item in inputs] == [
        ("rows: MIT", "MIT", 2),
        ("rows: CC-BY-SA-4.0", "CC-BY-SA-4.0", 1),
        ("rows: no such license", None, 1),
    ]
    assert inputs[0].groups == ("package-0", "package-1")
    assert inputs[2].reason  # an unknown license says why


def test_the_record_of_the_training_tells_the_roles_and_the_names_of_splits_where_there_is_none():
    report = _report(_data(train=["MIT"], test=["CC-BY-NC-4.0"]))
    assert {item.license: item.role for item in row_inputs(report)} == {"MIT": "training", "CC-BY-NC-4.0": "evaluation"}
    # data other than that of the record is no mere measure: it may have been trained on
    assert {item.role for item in row_inputs(report, {"sha256:other"})} == {"training", "evaluation"}
    trained = {ref.fingerprint for ref in report.datasets}
    assert {item.role for item in row_inputs(report, trained)} == {"training"}
    odd = _report(_data(part=["MIT"], testimony=["MIT"]))
    assert {item.role for item in row_inputs(odd)} == {"training"}


def test_a_family_is_undetermined_though_all_its_members_are_permissive():
    report = _report(_data(train=["License :: OSI Approved :: BSD License"]))
    (item,) = row_inputs(report)
    assert item.license is None
    assert "leaves the exact license open" in item.reason


def test_two_long_texts_that_begin_alike_stay_two_inputs():
    start = "These terms hold for all that follows and were written by our own lawyers in the year 2020. " * 6
    report = _report(_data(train=[start + "Do as you like.", start + "For non-commercial use only."]))
    assert len(row_inputs(report)) == 2


def test_an_audit_without_the_license_check_is_one_unknown_input():
    report = audit(_data(train=["MIT"]), checks=("DUP001",), self_test=False, license_column="license")
    (item,) = row_inputs(report)
    assert item.license is None
    assert "did not run" in item.reason


def read(name, license_id, *, kind="dataset", role="training", **changes):
    statement = LicenseStatement(place="card", where="license", text=str(license_id), concluded=license_id)
    changes = {"statements": (statement,) if license_id else (), **changes}
    return LicensedInput(name=name, role=role, kind=kind, license=license_id, **changes)


ROWS = (LicensedInput(name="rows: MIT", role="training", kind="rows", license="MIT"),)


def test_what_the_walk_read_replaces_the_record():
    base = base_input("org/base", declared="mit")
    found = read("org/base", "Apache-2.0", kind="model", role="base")
    joined = all_inputs(ROWS, base, Lineage(inputs=(found,)), rows_declare=True)
    assert [(item.name, item.license) for item in joined] == [("rows: MIT", "MIT"), ("org/base", "Apache-2.0")]


@pytest.mark.parametrize("case", ["unread", "not traced", "another"])
def test_a_base_that_could_not_be_read_keeps_its_record_and_leaves_its_ancestors_open(case):
    base = base_input("org/base", declared="apache-2.0")
    unread = LicensedInput(name="org/base", role="base", kind="model", license=None, reason="HTTP 404", unread=True)
    lineage = {"unread": Lineage(inputs=(unread,)), "not traced": None, "another": Lineage()}[case]
    joined = all_inputs(ROWS, base, lineage, rows_declare=True)
    assert [(item.name, item.license) for item in joined] == [
        ("rows: MIT", "MIT"),
        ("org/base", "Apache-2.0"),
        ("what org/base comes from", None),
    ]
    assert joined[2].reason == ("HTTP 404" if case == "unread" else "it was not traced")


@pytest.mark.parametrize(
    ("dataset", "stays"),
    [
        (read("org/data", None), False),  # read, and states nothing
        (read("org/data", None, unread=True, reason="the Hub does not answer"), True),
        (read("org/data", None, gated="yes"), True),
        (read("org/data", "MIT"), False),
        (read("org/data", "Apache-2.0"), True),
        (read("org/data", "CC-BY-NC-4.0"), True),
        (
            read(
                "org/data",
                None,
                statements=(LicenseStatement(place="card", where="license", text="other", concluded=None),),
            ),
            True,
        ),
        (
            read(
                "org/data",
                "MIT",
                statements=(LicenseStatement(place="license_file", where="LICENSE", text="x", concluded="MIT"),),
            ),
            True,
        ),
    ],
)
def test_a_dataset_adds_nothing_only_where_its_card_says_no_more_than_its_rows(dataset, stays):
    names = [item.name for item in all_inputs(ROWS, None, Lineage(inputs=(dataset,)), rows_declare=True)]
    assert ("org/data" in names) is stays
    assert "org/data" in [item.name for item in all_inputs(ROWS, None, Lineage(inputs=(dataset,)), rows_declare=False)]


def test_a_card_that_lists_what_its_rows_stand_under():
    statements = tuple(
        LicenseStatement(place="card", where="license", text=key, concluded=key) for key in ("MIT", "GPL-3.0")
    )
    listed = read("org/code", "MIT AND GPL-3.0", statements=statements)
    assert [item.name for item in all_inputs(ROWS, None, Lineage(inputs=(listed,)), rows_declare=True)] == ["rows: MIT"]
    unknown = (*ROWS, LicensedInput(name="rows: ?", role="training", kind="rows", license=None))
    assert "org/code" in [item.name for item in all_inputs(unknown, None, Lineage(inputs=(listed,)), rows_declare=True)]


def test_what_the_base_was_trained_on_is_no_input():
    other = read("org/old", "CC-BY-NC-4.0", relation="base-trained-on", parents=("org/base",))
    assert all_inputs(ROWS, None, Lineage(inputs=(other,)), rows_declare=True) == ROWS


def test_rows_without_a_license_of_their_own_stay_beside_another_dataset_that_was_read():
    report = _report(_data(a=["x"], b=["x"]).remove_columns("license"), license_column=None)
    first, second = report.datasets
    report = replace(report, datasets=(replace(first, repo_id="org/data"), second))
    lineage = Lineage(inputs=(read("org/data", "MIT"),))
    (rest,) = row_inputs(report, None, read_datasets(lineage))
    assert (rest.license, rest.rows) == (None, 1)
    assert row_inputs(report, None, read_datasets(Lineage(inputs=(read("org/data", None, unread=True),))))[0].rows == 2


@pytest.mark.parametrize("stated", ["research only", "For non-commercial use only"])
def test_terms_that_forbid_commercial_use_do_so_without_a_name(stated):
    (item,) = row_inputs(_report(_data(train=[stated])))
    assert item.license == NON_COMMERCIAL
    assert base_input("org/base", declared=stated).license == NON_COMMERCIAL


@pytest.mark.parametrize(
    ("split", "measured"),
    [
        ("test", True), ("validation", True), ("validation/books", True), ("dev_2", True), ("Test-Clean", True),
        ("train", False), ("testimony", False), ("development", True), ("dev_train", False), ("devices", False),
        ("evaluations_sft", False), ("", False),
    ],
)  # fmt: skip
def test_a_split_that_is_only_measured_with_is_told_by_its_name(split, measured):
    assert is_measured_with(split) is measured


def test_a_base_model_without_a_license_is_undetermined():
    assert base_input(None, declared=None).license is None
    assert base_input("org/base", declared="other").license is None
