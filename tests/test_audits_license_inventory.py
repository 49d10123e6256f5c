import pytest
from datasets import Dataset, DatasetDict

from audits import audit
from audits.licenses.inputs import LicensedInput, LicenseStatement, Lineage
from audits.licenses.inventory import all_inputs, base_input, row_inputs


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
    assert {item.role for item in row_inputs(odd)} == {"training", "evaluation"}


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


def test_what_the_walk_read_replaces_the_record_and_what_it_could_not_read_does_not():
    rows = (LicensedInput(name="rows: MIT", role="training", kind="rows", license="MIT"),)
    base = base_input("org/base", declared="apache-2.0")
    read = LicensedInput(
        name="org/base@abc",
        role="base",
        kind="model",
        license="Apache-2.0",
        statements=(LicenseStatement(place="license_file", where="LICENSE", concluded="Apache-2.0"),),
    )
    unread = LicensedInput(name="org/base", role="base", kind="model", license=None, reason="HTTP 404")
    assert [item.name for item in all_inputs(rows, base, Lineage(inputs=(read,)), rows_declare=True)] == [
        "rows: MIT",
        "org/base@abc",
    ]
    joined = all_inputs(rows, base, Lineage(inputs=(unread,)), rows_declare=True)
    assert [(item.name, item.license) for item in joined] == [("rows: MIT", "MIT"), ("org/base", "Apache-2.0")]


@pytest.mark.parametrize("rows_declare", [True, False])
def test_rows_that_repeat_their_datasets_license_stand_for_it_only_where_it_was_not_read(rows_declare):
    rows = (LicensedInput(name="rows: mit", role="training", kind="rows", license="MIT"),)
    dataset = LicensedInput(name="org/data@abc", role="training", kind="dataset", license="CC-BY-4.0")
    names = [item.name for item in all_inputs(rows, None, Lineage(inputs=(dataset,)), rows_declare=rows_declare)]
    assert ("rows: mit" in names) is rows_declare
    assert "org/data@abc" in names


def test_a_base_model_without_a_license_is_undetermined():
    assert base_input(None, declared=None).license is None
    assert base_input("org/base", declared="other").license is None


@pytest.mark.parametrize(("license_id", "stays"), [(None, False), ("CC-BY-NC-4.0", True)])
def test_a_dataset_whose_card_states_nothing_is_open_only_where_its_rows_state_nothing(license_id, stays):
    rows = (LicensedInput(name="rows: mit", role="training", kind="rows", license="MIT"),)
    dataset = LicensedInput(name="org/data", role="training", kind="dataset", license=license_id, reason="none stated")
    for rows_declare, expected in ((True, stays), (False, True)):
        names = [item.name for item in all_inputs(rows, None, Lineage(inputs=(dataset,)), rows_declare=rows_declare)]
        assert ("org/data" in names) is expected
