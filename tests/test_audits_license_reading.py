"""From everything that states a license to one conclusion: cards, texts, sentences, columns, package metadata."""

import hashlib
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audits.licenses.addresses import license_at
from audits.licenses.agreement import leaves
from audits.licenses.cards import LONGEST_FRONT_MATTER, read_card
from audits.licenses.claims import RawSource
from audits.licenses.facts import NON_COMMERCIAL
from audits.licenses.packages import license_files, package_reading
from audits.licenses.prose import license_sentences, name_in
from audits.licenses.reading import Reading, read_license
from audits.licenses.resolution import CATEGORIES, resolve


def license_of(package: str) -> str:
    return next(iter(license_files(distribution(package)))).content.decode("utf-8")


MIT, BSD3 = license_of("rich"), license_of("jinja2")
APACHE = (Path(__file__).parents[1] / "LICENSE").read_text("utf-8")
OSI = "License :: OSI Approved"
NC_MIT = f"For non-commercial use only.\n\n{MIT}"


def card(front_matter: str, body: str = "# A set\n") -> RawSource:
    return RawSource(place="card", where="README.md", content=f"---\n{front_matter}\n---\n{body}")


def file(text: str | bytes, where: str = "LICENSE") -> RawSource:
    return RawSource(place="license_file", where=where, content=text)


def row(value: str) -> RawSource:
    return RawSource(place="row_column", where="column license", content=value)


def given_license(value: str) -> RawSource:
    return RawSource(place="given", where="", content=value)


def metadata(*lines: str) -> RawSource:
    return RawSource(
        place="package_metadata", where="METADATA", content="\n".join(["Metadata-Version: 2.4", *lines, "", "Text"])
    )


@pytest.mark.parametrize(
    ("sources", "license_id", "reason"),
    [
        ([card("license: mit")], "MIT", "text not verified"),
        ([card("license: mit"), file(MIT)], "MIT", "is that license"),
        ([card("license: mit"), file("MIT")], "MIT", "text not verified"),
        ([file(MIT)], "MIT", "read from the text of LICENSE"),
        ([card("license: bsd"), file(BSD3)], "BSD-3-Clause", "leaves it open"),
        ([card("license: other"), file(MIT)], "MIT", "leaves it open"),
        ([card("license: unknown"), file(MIT)], "MIT", "leaves it open"),
        ([card("license: other\nlicense_name: qwen\nlicense_link: LICENSE")], "LicenseRef-qwen", "license_name"),
        (
            [card("license: other\nlicense_link: https://creativecommons.org/licenses/by-nc/4.0/")],
            "CC-BY-NC-4.0",
            "license_link",
        ),
        ([given_license("mit"), card("license: mit")], "MIT", "declared"),
        ([card("license: mit\ntags: [text, 'license:mit']")], "MIT", "declared"),
        ([card("license: other\nlicense_link: https://opensource.org/licenses/MIT")], "MIT", "license_link"),
        ([card("license: mit\nlicense_name: mit-license\nlicense_link: LICENSE")], "MIT", "declared"),
        ([card("license: mit\nlicense_name: license")], "MIT", "declared"),
        ([card("license: gpl-3.0\nlicense_link: https://www.gnu.org/licenses/gpl-3.0.html")], "GPL-3.0", "declared"),
        (
            [card("license: cc\nlicense_link: https://creativecommons.org/licenses/by/4.0/")],
            "CC-BY-4.0",
            "license_link",
        ),
        ([card("license_link: https://www.apache.org/licenses/LICENSE-2.0")], "Apache-2.0", "license_link"),
        ([card("License: cc-by-nc-4.0")], "CC-BY-NC-4.0", "the key is `license`, got `License`"),
        (
            [card("license: llama3.1"), file("You must not use this for surveillance.", "USE_POLICY.md")],
            "LicenseRef-llama3.1",
            "declared",
        ),
        ([metadata("License: MIT/GPL-2.0")], "MIT OR GPL-2.0", "declared"),
        ([card("x: 1"), row("mit"), row("cc-by-sa-4.0")], "MIT AND CC-BY-SA-4.0", "column license"),
        ([card("license: gpl-3.0"), given_license("GPL-3.0-or-later")], "GPL-3.0", "declared"),
        (
            [metadata("License-Expression: MIT OR Apache-2.0"), file(MIT, "LICENSE-MIT")],
            "MIT OR Apache-2.0",
            "part of it",
        ),
        (
            [metadata("License: BSD", "Classifier: License :: OSI Approved :: BSD License"), file(BSD3)],
            "BSD-3-Clause",
            "",
        ),
        ([metadata("License: UNKNOWN"), file(MIT)], "MIT", "read from the text"),
        ([metadata(f"License: {MIT.replace(chr(10), chr(10) + '        ')}")], "MIT", "declared"),
        ([card("license: apache-2.0"), file(APACHE), file("Copyright 2020 Some Company", "NOTICE")], "Apache-2.0", ""),
    ],
)
def test_what_agrees_is_concluded(sources, license_id, reason):
    reading = read_license(sources)
    assert reading.license == license_id
    assert reason in reading.reason
    assert reading.disagreements == ()
    assert reading.statements


@pytest.mark.parametrize(
    ("sources", "license_id", "quoted"),
    [
        ([card("license: mit"), file(APACHE)], "MIT AND Apache-2.0", ["“mit”", "text of LICENSE is Apache-2.0"]),
        ([card("license: mit"), file(NC_MIT)], f"MIT AND {NON_COMMERCIAL}", ["“mit”", "For non-commercial use only"]),
        ([card("license: mit\ntags: ['license:cc-by-nc-4.0']")], "MIT AND CC-BY-NC-4.0", ["“mit”", "“cc-by-nc-4.0”"]),
        ([card("license: mit\nlicense: gpl-3.0")], "MIT AND GPL-3.0", ["“mit”", "“gpl-3.0”"]),
        ([card("license: mit\nlicence: gpl-3.0")], "MIT AND GPL-3.0", ["the key is `license`"]),
        ([card("license: [mit, cc-by-nc-4.0]")], "MIT AND CC-BY-NC-4.0", ["lists “mit”, “cc-by-nc-4.0”"]),
        ([card("license:\n- mit\n- frobnicate")], None, ["lists “mit”, “frobnicate”"]),
        ([card("license: bsd"), file(MIT)], None, ["“bsd”", "text of LICENSE is MIT"]),
        (
            [card("license: apache-2.0\nlicense_name: qwen-research")],
            "Apache-2.0 AND LicenseRef-qwen-research",
            ["qwen"],
        ),
        (
            [card("license: apache-2.0"), row("mit"), row("cc-by-sa-4.0")],
            "Apache-2.0 AND MIT AND CC-BY-SA-4.0",
            ["column"],
        ),
        (
            [card("license: mit\nlicense_link: https://creativecommons.org/licenses/by-nc/4.0/")],
            "MIT AND CC-BY-NC-4.0",
            ["license says “mit”", "license_link says"],
        ),
        (
            [card("license: mit\nlicense_link: https://creativecommons.org/licenses/by-nc-sa/")],
            f"MIT AND {NON_COMMERCIAL}",
            ["license_link says"],
        ),
        (
            [card("license: other\nlicense_name: mit\nlicense_link: https://www.gnu.org/licenses/gpl-3.0.en.html")],
            "MIT AND GPL-3.0",
            ["license_name says “mit”", "license_link says"],
        ),
        ([card("license: mit\nlicense_name: acme-nc")], None, ["license says “mit”", "license_name says “acme-nc”"]),
        (
            [card("license: [mit, apache-2.0, gpl-3.0, cc0-1.0, isc, unlicense, mpl-2.0]")],
            "MIT AND Apache-2.0 AND GPL-3.0 AND CC0-1.0 AND ISC AND Unlicense AND MPL-2.0",
            ["lists “mit”, “apache-2.0”, “gpl-3.0”", "all bind"],
        ),
        (
            [card("license: mit"), file("You must not use this for surveillance.", "USE_POLICY.md")],
            None,
            ["“mit”", "USE_POLICY.md: a use policy restricts"],
        ),
        ([row("MIT/CC-BY-NC-4.0"), card("license: mit")], "MIT AND CC-BY-NC-4.0", ["column license"]),
        ([card("license: mit"), file("Do as we say, and only that.")], None, ["text of LICENSE", "“mit”"]),
        ([card("license: mit"), file(MIT[: len(MIT) // 2])], None, ["text of LICENSE"]),
        (
            [given_license("mit"), card("license: cc-by-nc-4.0")],
            "MIT AND CC-BY-NC-4.0",
            ["what was given", "README.md"],
        ),
        (
            [given_license("MIT OR GPL-3.0-only"), card("license: gpl-3.0")],
            "(MIT OR GPL-3.0-only) AND GPL-3.0",
            ["what was given", "README.md"],
        ),
        (
            [metadata("License: MIT", "Classifier: License :: OSI Approved :: BSD License"), file(MIT)],
            None,
            ["METADATA: License says", "METADATA: Classifier says"],
        ),
        ([metadata("License-Expression: MIT"), file(NC_MIT)], f"MIT AND {NON_COMMERCIAL}", ["non-commercial"]),
        ([card("license: mit"), file(f"You owe us a beer.\n\n{MIT}")], "MIT", ["says more than MIT", "beer"]),
    ],
)
def test_what_disagrees_is_quoted_and_the_strictest_counts(sources, license_id, quoted):
    reading = read_license(sources)
    assert reading.license == license_id
    text = "\n".join(reading.disagreements)
    assert all(part in text for part in quoted), text


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        ([], "no license is stated"),
        ([RawSource(place="card", where="README.md", content="# No front matter\n")], "no license is stated"),
        ([card("license: null")], "no license is stated"),
        ([card("license: ''")], "no license is stated"),
        ([card("license: []")], "no license is stated"),
        ([card("license: 3.0"), file(MIT)], "float"),
        ([card("license: no"), file(MIT)], "bool"),
        ([card("license: 2020-01-01")], "timestamp"),
        ([card("license: {name: mit}"), file(MIT)], "a mapping"),
        ([card("license: [[mit]]")], "a list"),
        ([card("- license: mit"), file(MIT)], "no mapping"),
        ([card("license: mit\n  x: : y"), file(MIT)], "no valid YAML"),
        ([RawSource(place="card", where="README.md", content="---\nlicense: mit\n"), file(MIT)], "never closed"),
        ([card("license: " + "x" * 1_000_000), file(MIT)], f"more than {LONGEST_FRONT_MATTER:,}"),
        ([card("license: " + "mit " * 50_000)], "is no license"),
        ([card("license: frobnicate")], "not recognised"),
        ([card("license: apache-2.o")], "Apache-2.0"),  # the near one
        ([card("license: unknown")], "unknown"),
        ([card("license: cc")], "Creative Commons"),
        ([card("license: gpl")], "version is missing"),
        ([card("license: other\nlicense_name: frobnicate")], "not known here"),
        ([card("license: other"), file(f"You owe us a beer.\n\n{MIT}")], "beer"),
        ([file(b"\xff\xfe\xfa\x00")], "LICENSE"),
        ([file(b"\x89PNG\xff\xff")], "no valid UTF-8"),
        ([row("mit"), row("")], "no license stated"),
        ([row("mit"), row("frobnicate")], "not recognised"),
        ([given_license("y" * 1_000_000)], "at most"),
        ([metadata("Classifier: License :: OSI Approved :: Apache Software License")], "leaves the exact license open"),
        ([metadata("License: see LICENSE")], "no license is stated"),
        ([file("This work is made available under other terms.", "LICENSE")], "LICENSE"),
    ],
)
def test_bad_or_missing_input_is_undetermined_with_a_reason(sources, reason):
    reading = read_license(sources)
    assert reading.license is None
    assert reason in reading.reason


def test_what_is_sure_forbids_though_something_else_is_open():
    reading = read_license([card("license: cc-by-nc-4.0"), file("Our own words.")])
    assert reading.license == "CC-BY-NC-4.0"
    assert "what is sure forbids commercial use" in reading.reason


@pytest.mark.parametrize(
    "body",
    [
        "This dataset is released under the CC BY-NC 4.0 license.",
        "The dataset is licensed under [CC BY-NC 4.0](https://creativecommons.org/licenses/by-nc/4.0/).",
        "For research purposes only.",
        "Non-commercial use only!",
        "You may not use this dataset for commercial purposes.",
        "This model is intended for research purposes only.",
        "## License\n\nCreative Commons Attribution-NonCommercial 4.0 International",
        "## Licensing Information\n\nCommercial use is not permitted.",
        "**License:** cc-by-nc-4.0",
        "License: MIT for the code, CC BY-NC 4.0 for the data",
        "License: for research purposes only",
        "Lizenz: nur für nicht-kommerzielle Nutzung",
        "| License | CC BY-NC 4.0 |",
        "| | |\n|-|-|\n| **Size** | 3 |\n| **License** | [CC BY-NC 4.0](https://x.org) |",
        "## License\n| | |\n|-|-|\n| License | CC-BY-NC-4.0 |",
        "Name | A set\n--- | ---\nLicense | non-commercial use only",
        "We do not permit commercial usage of our data.",
        "You may not use this dataset commercially.",
        "## Terms of Use\nBy downloading you agree not to redistribute the data and not to use it commercially.",
        "The original data is for non-commercial use only.",
        "This dataset is released under the MIT license for non-commercial use only.",
    ],
)
def test_a_sentence_of_the_card_makes_it_stricter(body):
    reading = read_license([card("license: mit", f"# A set\n\n{body}\n")])
    assert reading.license is not None
    assert reading.license.startswith("MIT AND ")
    assert resolve(reading.license).category == "non-commercial"
    (told,) = reading.disagreements
    assert "README.md: line" in told
    assert "MIT" in told


@pytest.mark.parametrize(
    "body",
    [
        "The base model Llama 2 is licensed under the Llama 2 Community License.",
        "SQuAD is distributed under CC BY-NC-SA 4.0.",
        "| model | license |\n|---|---|\n| x | CC BY-NC 4.0 |",
        "```\nThis dataset is released under the CC BY-NC 4.0 license.\n```",
        "Unlike other datasets, which are for non-commercial use only, ours is free.",
        "We trained it on data for research purposes only.",
        "You may use it for commercial and non-commercial purposes.",
        "The code is released under the GPL-3.0 license.",
        "Research on encoders uses many datasets with non-commercial licenses.",
        "Licenses differ: A is licensed under CC BY-NC 4.0. B is licensed under CC BY-NC-SA 4.0.",
        "This dataset is released under the MIT license.",
        "The license allows commercial use.",
        "This license does not prohibit commercial use.",
        "We follow a benchmark that is for non-commercial use only.",
        "This dataset is not only for research, it can be used commercially.",
        "It does not contain commercially licensed text.",
        "The dataset has not been used commercially.",
        "| License | MIT | CC BY-NC 4.0 |\n|---|---|---|\n| rows | 1 | 2 |",
    ],
)
def test_a_sentence_about_something_else_changes_nothing(body):
    reading = read_license([card("license: mit", f"# A set\n\n{body}\n")])
    assert reading.license == "MIT"
    assert reading.disagreements == ()


@pytest.mark.parametrize(
    "body",
    [
        "The original data was released for research purposes only.",
        "Derived from MS MARCO, whose terms are non-commercial research purposes only.",
        "The dataset contains texts that are non-commercial only.",
        "Some of the data is under CC-BY-NC-4.0.",
        "## License\nSome subsets are non-commercial.",
        "## License\n| part | license |\n|---|---|\n| a | MIT |\n| b | CC BY-NC 4.0 |",
    ],
)
def test_what_forbids_commercial_use_of_a_source_or_a_part_is_told(body):
    reading = read_license([card("license: mit", f"# A set\n\n{body}\n")])
    assert reading.license == "MIT"
    (told,) = reading.disagreements
    assert "README.md: line" in told
    assert read_license([card("license: cc-by-nc-4.0", f"# A set\n\n{body}\n")]).disagreements == ()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("This dataset was generated using gpt-4o.", True),
        ("Queries are generated with GPT-4; OpenAI terms apply.", True),
        ("We used Claude 3 to write the questions.", True),
        ("All passages are GPT-4-generated.", True),
        ("The labels come from responses of Llama-3.1-70B.", True),
        ("| Source | translated by Mistral 7B |", True),
        ("No row was generated by ChatGPT.", False),
        ("The files were created with llama.cpp.", False),
        ("It is compared with GPT-4.", False),
        ("The rows were written by students.", False),
        ("```\ngenerated by gpt-4\n```", False),
    ],
)
def test_a_sentence_that_names_a_generator_is_noted_and_changes_nothing(body, found):
    reading = read_license([card("license: mit", f"# A set\n\n{body}\n")])
    assert reading.license == "MIT"
    assert reading.disagreements == ()
    noted = [item for item in reading.statements if item.note == "names a generator: its terms are an input"]
    assert bool(noted) is found
    assert all(item.place == "card_prose" and item.concluded is None and "line" in item.where for item in noted)


@pytest.mark.parametrize(
    ("address", "spdx"),
    [
        ("https://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-NC-4.0"),
        ("http://www.creativecommons.org/licenses/by/3.0/us/legalcode", "CC-BY-3.0-US"),
        ("creativecommons.org/licenses/by-sa/4.0/deed.en", "CC-BY-SA-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://opensource.org/license/apache-2-0", "Apache-2.0"),
        ("https://opensource.org/licenses/BSD-3-Clause", "BSD-3-Clause"),
        ("https://spdx.org/licenses/MIT-0.html", "MIT-0"),
        ("https://www.gnu.org/licenses/old-licenses/gpl-2.0.en.html", "GPL-2.0"),
        ("https://www.gnu.org/licenses/fdl-1.3.txt", "GFDL-1.3"),
        ("https://www.apache.org/licenses/LICENSE-2.0.txt", "Apache-2.0"),
        ("https://www.gnu.org/licenses/gpl.html", None),
        ("https://opensource.org/osd", None),
        ("https://creativecommons.org.example.com/licenses/by/4.0/", None),
        ("https://example.com/licenses/MIT", None),
        ("LICENSE", None),
        ("", None),
    ],
)
def test_addresses_of_licenses(address, spdx):
    found = license_at(address)
    assert (found.spdx if found else None) == spdx


def test_an_address_of_a_version_that_is_not_classified_still_forbids():
    assert license_at("https://creativecommons.org/licenses/by-nd-nc/1.0/").category == "non-commercial"


@given(st.text(max_size=60))
@example("creativecommons.org/licenses/by-/4.0")
@example("//gnu.org/licenses/")
def test_any_address_is_read(address):
    found = license_at(address)
    assert found is None or found.category in CATEGORIES


def test_a_misspelt_key_is_named_in_the_note():
    (statement,) = read_license([card("License: mit")]).statements
    assert "the key is `license`, got `License`" in statement.note


def test_a_laxer_sentence_is_a_disagreement_and_changes_nothing():
    reading = read_license([card("license: cc-by-nc-4.0", "This dataset is released under the MIT license.")])
    assert reading.license == "CC-BY-NC-4.0"
    assert len(reading.disagreements) == 1
    assert "MIT license" in reading.disagreements[0]


def test_a_sentence_alone_settles_nothing():
    reading = read_license([card("x: 1", "This dataset is released under the MIT license.")])
    assert reading.license is None
    assert "in a sentence" in reading.reason
    forbidden = read_license([card("x: 1", "For research purposes only.")])
    assert forbidden.license == NON_COMMERCIAL


def test_a_stricter_sentence_that_names_no_version_leaves_it_open():
    reading = read_license([card("license: mit", "This dataset is licensed under CC BY-SA.")])
    assert reading.license is None
    assert reading.disagreements


def test_a_gate_is_read():
    gate = "extra_gated_prompt: You agree to not use the model for commercial purposes."
    reading = read_license([card(f"license: mit\n{gate}")])
    assert reading.license == f"MIT AND {NON_COMMERCIAL}"
    assert any(item.place == "gating_text" for item in reading.statements)


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        ("the CC BY-NC 4.0 license", "CC-BY-NC-4.0"),
        ("a Creative Commons Attribution-ShareAlike 3.0 Unported License", "CC-BY-SA-3.0"),
        ("the MIT license. See LICENSE", "MIT"),
        ("Apache 2.0, see below", "Apache-2.0"),
        ("the GNU General Public License v3.0", "GPL-3.0"),
        ("the Llama 3.1 Community License", "LicenseRef-llama3.1"),
        ("the terms of the Gemma license", "LicenseRef-gemma"),
        ("our website", None),
        ("request", None),
        ("open source", None),
    ],
)
def test_names_in_sentences(text, spdx):
    found = name_in(text)
    assert (found.spdx if found else None) == spdx


def test_statements_quote_their_place_and_the_digest_of_all_bytes():
    content = b"---\nlicense: mit\n---\n"
    source = RawSource(place="card", where="README.md", content=content)
    (statement,) = read_license([source]).statements
    assert (statement.place, statement.where, statement.text) == ("card", "README.md: license", "mit")
    assert statement.concluded == "MIT"
    assert statement.sha256 == hashlib.sha256(content).hexdigest()


def test_front_matter_is_read_as_it_stands_there():
    found = read_card("---\nlicense: 1.10\n---\nbody\n")
    assert found.values[0].text == "1.10"
    assert found.body == "body\n"
    assert found.body_line == 4
    bomb = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(200))
    assert read_card(f"---\n{bomb}license: mit\n---\n").values[0].text == "mit"


@pytest.mark.parametrize(
    ("package", "license_id"),
    [
        ("rich", "MIT"),
        ("pyyaml", "MIT"),
        ("jinja2", "BSD-3-Clause"),
        ("numba", "BSD-2-Clause"),
        ("scikit-learn", "BSD-3-Clause"),
        ("datasets", "Apache-2.0"),
    ],
)
def test_the_license_of_installed_packages(package, license_id):
    reading = package_reading(distribution(package))
    assert reading.license == license_id
    assert {item.place for item in reading.statements} == {"package_metadata", "license_file"}


class Package(Distribution):
    """A distribution in a folder, told by a metadata file and files beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_text(self, filename: str) -> str | None:
        path = self.folder / "x-1.dist-info" / filename
        return path.read_text("utf-8") if path.is_file() else None

    def locate_file(self, path: str) -> Path:
        return self.folder / path


@pytest.fixture
def package(tmp_path):
    def build(lines: str, files: dict[str, str]) -> Package:
        info = tmp_path / "x-1.dist-info"
        files = {"x-1.dist-info/METADATA": f"Metadata-Version: 2.4\nName: x\n{lines}\n\n", **files}
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, "utf-8")
        (info / "RECORD").write_text("".join(f"{name},,\n" for name in files), "utf-8")
        return Package(tmp_path)

    return build


def test_files_of_software_that_a_package_carries_are_not_counted(package):
    found = package_reading(
        package(
            "License-Expression: MIT",
            {
                "x-1.dist-info/licenses/LICENSE": MIT,
                "x-1.dist-info/licenses/vendor/y/LICENSE": APACHE,
                "x-1.dist-info/licenses/LICENSE.thirdparty": APACHE,
                "x/_vendor/z-1.dist-info/LICENSE": APACHE,
                "x/license.py": "x = 1",
            },
        )
    )
    assert found.license == "MIT"
    assert [item.where for item in found.statements if item.place == "license_file"] == ["LICENSE"]


def test_where_metadata_and_text_of_a_package_differ_both_are_quoted(package):
    found = package_reading(package("License: MIT", {"x-1.dist-info/licenses/LICENSE": APACHE}))
    assert found.license == "MIT AND Apache-2.0"
    (told,) = found.disagreements
    assert "METADATA: License" in told
    assert "LICENSE is Apache-2.0" in told


def test_a_license_file_that_is_gone_is_no_error(package):
    built = package("License: MIT", {"x-1.dist-info/licenses/LICENSE": MIT})
    (built.folder / "x-1.dist-info/licenses/LICENSE").unlink()
    assert package_reading(built).license == "MIT"


@given(st.text(max_size=300))
@example("\ud800")
@example("- a\n- b")
@example("license: &a [*a]")
def test_any_front_matter_is_read_and_never_makes_a_license_of_an_unknown_word(text):
    reading = read_license([card(text)])
    assert isinstance(reading, Reading)
    if reading.license is not None:
        assert resolve(reading.license).category in CATEGORIES
    assert Reading.from_dict(reading.to_dict()) == reading


VALUES = st.sampled_from(
    ["mit", "apache-2.0", "cc-by-nc-4.0", "gpl-3.0", "bsd", "other", "frobnicate", "", "unknown", "cc-by-sa-4.0"]
)
SOURCES = st.one_of(
    VALUES.map(lambda value: card(f"license: {value}")),
    VALUES.map(row),
    VALUES.map(given_license),
    st.sampled_from([MIT, BSD3, APACHE, NC_MIT, "Our own words."]).map(file),
    st.sampled_from(["For research purposes only.", "This dataset is released under the MIT license."]).map(
        lambda body: card("x: 1", body)
    ),
    st.builds(
        RawSource,
        place=st.sampled_from(["card", "license_file", "card_prose", "gating_text", "package_metadata", "given"]),
        where=st.text(max_size=8),
        content=st.one_of(st.text(max_size=80), st.binary(max_size=80)),
    ),
)


@given(st.lists(SOURCES, max_size=4), SOURCES)
def test_another_source_never_makes_it_more_permissive(sources, more):
    before, after = read_license(sources), read_license([*sources, more])
    if before.license is None or after.license is None:
        return
    first, second = (CATEGORIES.index(resolve(item.license).category) for item in (before, after))
    assert second >= first
    assert leaves(before.license) <= leaves(after.license) | leaves(NON_COMMERCIAL)


@given(st.lists(SOURCES, max_size=4))
def test_the_order_of_sources_does_not_matter(sources):
    forth, back = read_license(sources), read_license(sources[::-1])
    assert (forth.license is None) == (back.license is None)
    assert leaves(forth.license or "") == leaves(back.license or "")


@given(st.text(max_size=400))
@example("# License\n" * 50)
@example("licensed under " * 20)
def test_any_prose_is_read(text):
    assert all(item.line >= 1 for item in license_sentences(text))
