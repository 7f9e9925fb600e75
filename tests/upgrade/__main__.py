"""``python -m tests.upgrade [--from REV]``: runs an earlier build beside today's. Exit code 1 where they do not get along."""

from __future__ import annotations

import shutil
import sys
import tempfile
import traceback
from pathlib import Path

import click

from tests.upgrade.builds import BuildFailed, NoSuchBuild, default_revision, earlier, today
from tests.upgrade.live import STORIES


@click.command()
@click.option("--from", "revision", default="", help="The earlier commit; the newest release by default.")
@click.option("--only", default="", help="Only stories whose name has this in it.")
@click.option("--keep", is_flag=True, help="Keep logs and stores also where all went well.")
def main(revision: str, only: str, keep: bool) -> None:
    """Tell each story, and hold it to the truth."""
    chosen = revision or default_revision()
    if chosen is None:
        click.echo(
            "SKIPPED: there is no release and no history here, so there is no earlier build to run beside this one"
        )
        return
    try:
        old = earlier(chosen)
    except (NoSuchBuild, BuildFailed) as error:
        raise click.ClickException(f"{chosen} cannot be run: {error}") from error
    directory = Path(tempfile.mkdtemp(prefix="meterbook-upgrade-"))
    click.echo(f"{chosen} ({old.name}) beside today's build, in {directory}")
    failed = []
    for name, story in STORIES.items():
        if only in name:
            click.echo(name)
            try:
                story(directory / name.replace(" ", "-").replace(",", ""), old, today())
            except Exception:  # noqa: BLE001 - the other stories are told all the same
                traceback.print_exc()
                failed.append(name)
    if failed:
        click.echo(f"failed: {'; '.join(failed)}; logs and stores are in {directory}", err=True)
        sys.exit(1)
    if not keep:
        shutil.rmtree(directory, ignore_errors=True)
    click.echo(f"today's build and {chosen} get along")


if __name__ == "__main__":
    main()
