"""``hf-contrastive report``: the documents of a release again, or what changed since another one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hf_contrastive.console import print_json, say

if TYPE_CHECKING:
    from hf_contrastive.release.versioning.published import PublishedEvidence
    from model_cards.changes import ChangeReport


class Form(StrEnum):
    """What can be asked for."""

    MD = "md"
    HTML = "html"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"


_DOCUMENTS = {
    Form.MD: ("report_md", "card"),
    Form.HTML: ("report_html",),
    Form.JSON: ("report_json", "evidence_json"),
    Form.SARIF: ("sarif",),
    Form.JUNIT: ("junit",),
}
"""The documents that answer to each form; the first that this evidence allows is taken."""

_SUFFIXES = {
    ".md": Form.MD,
    ".html": Form.HTML,
    ".json": Form.JSON,
    ".sarif": Form.SARIF,
    ".sarif.json": Form.SARIF,
    ".xml": Form.JUNIT,
}
"""The form that a file is written in where none is named."""


def command(
    what: Annotated[
        str,
        typer.Argument(metavar="FOLDER|FILE|REPO[@TAG]", help="Folder of reports, evidence.json, or model on the Hub."),
    ],
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TAG|FOLDER|FILE|REPO[@TAG]", help="Tell only what changed since this version of the same model."
        ),
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="Default: as --out ends, else md; all where --out is a folder.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File or folder to write to instead of stdout.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Render the documents of a release again from its evidence, or tell what changed since another release.

    The evidence's digests are recomputed first. Nothing is judged anew: the exit code is 0 whatever was decided.
    """
    from hf_contrastive.errors import ConfigurationError
    from hf_contrastive.release.versioning.published import read_named

    if as_json and form not in (None, Form.JSON):
        msg = f"`--json` and `--format {form}` ask for two forms; leave one out."
        raise ConfigurationError(msg)
    form = Form.JSON if as_json else form
    if form is None and out is not None and not _is_folder(out):
        form = _form_of(out)
    release = read_named(what)
    if since is None:
        texts = _documents(release, form, everything=form is None and _is_folder(out))
    else:
        before = _earlier(since, release)
        texts = _changes(before, release, form, everything=form is None and _is_folder(out))
    if out is not None:
        _write(texts, out)
    elif form is Form.JSON:
        print_json(next(iter(texts.values())))
    else:
        typer.echo(next(iter(texts.values())).rstrip("\n"))


def _earlier(since: str, release: PublishedEvidence) -> PublishedEvidence:
    """Read what to compare with: a tag stands for that version of the same repository."""
    from hf_contrastive.errors import ConfigurationError
    from hf_contrastive.release.versioning.published import read_named, read_published

    if Path(since).expanduser().exists() or "/" in since or "@" in since:
        return read_named(since)
    repo_id = release.repo_id or release.evidence.repo_id
    if not repo_id:
        msg = (
            f"`--since {since}` is no file or folder, and the evidence of `{release.name}` names no repository "
            f"of which it could be a tag. Name a folder, an evidence.json, or a version: `--since user/model@{since}`."
        )
        raise ConfigurationError(msg)
    return read_published(repo_id, since)


def _changes(
    before: PublishedEvidence, release: PublishedEvidence, form: Form | None, *, everything: bool
) -> dict[str, str]:
    """Return the changes in one form or, for a folder, in all, by file name."""
    from hf_contrastive.release.versioning.changelog import changes_since
    from model_cards.changes.rendering import filename_of, forms_of, render_changes

    report = changes_since(before, release.evidence, release.name, commit=release.commit, tag=release.tag)
    _tell(report)
    sides = before.evidence, release.evidence
    forms = forms_of(*sides) if everything else (str(form or Form.MD),)
    return {filename_of(name): render_changes(report, *sides, name) for name in forms}


def _tell(report: ChangeReport) -> None:
    counts = ", ".join(f"{count} {kind}" for kind, count in report.counts.items()) or "nothing changed"
    say(escape(f"{report.before.name} → {report.after.name}: {counts}."))


def _documents(release: PublishedEvidence, form: Form | None, *, everything: bool) -> dict[str, str]:
    """Return one document or, for a folder, all, by file name."""
    from hf_contrastive.release.rendering import render_all
    from model_cards.errors import DocumentError
    from model_cards.render import documents, render

    if everything:
        return {name: content.decode("utf-8") for name, content in render_all(release.evidence).items()}
    known = documents()
    wanted = [name for name in _DOCUMENTS[form or Form.MD] if name in known]
    name = next((name for name in wanted if known[name].applies(release.evidence)), None)
    if name is None:
        msg = (
            f"The evidence of `{release.name}` holds nothing for a document as {form or Form.MD}; "
            f"it allows {', '.join(key for key, item in known.items() if item.applies(release.evidence))}."
        )
        raise DocumentError(msg)
    return {known[name].filename: render(release.evidence, name)}


def _form_of(out: Path) -> Form:
    """Return the form that the name of a file asks for."""
    from hf_contrastive.errors import ConfigurationError

    # the longer endings first: .sarif.json is no plain .json
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if out.name.lower().endswith(suffix):
            return _SUFFIXES[suffix]
    msg = (
        f"`--out {out}` ends in `{out.suffix}`, which names no form; allowed are {', '.join(_SUFFIXES)}, a folder, or "
        f"any name with `--format` {', '.join(Form)}."
    )
    raise ConfigurationError(msg)


def _is_folder(out: Path | None) -> bool:
    # a name without a suffix that does not exist yet reads as a folder
    return out is not None and (out.is_dir() or (not out.exists() and not out.suffix))


def _write(texts: dict[str, str], out: Path) -> None:
    from hf_contrastive.errors import ConfigurationError
    from hf_contrastive.release.report_folder import write_files

    folder, files = out, {name: text.encode("utf-8") for name, text in texts.items()}
    if not _is_folder(out):
        folder, files = out.absolute().parent, {out.name: next(iter(files.values()))}
    try:
        write_files(files, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"`--out {out}` can not be written ({reason}); nothing was changed there. Name another file or folder."
        raise ConfigurationError(msg) from error
    for name in sorted(files):
        say(f"Written: {escape(str(folder / name))}")
