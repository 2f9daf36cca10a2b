"""The command ``verifier``: judge files, run the service, look after its data.

Exit code 0 accepted or done, 1 refused, 2 something could not be read or done, 3 a fault of this
program. Imports wait until a command needs them: nobody waits for a help page.
"""

from __future__ import annotations

from console.running import Version, new_app, run
from verifier_api.commands import (
    access,
    attester,
    auditor,
    bulk,
    contracts,
    evidence,
    judging,
    nomenclature,
    parties,
    publications,
    rights,
    serving,
)

app = new_app(
    about="Judge an optician's claims, whose codes and prices stay hidden.",
    exit_codes="Exit codes: 0 accepted or done, 1 refused, 2 unreadable or not possible, "
    "3 internal error, 130 interrupted.",
)
judging.add_to(app)
bulk.add_to(app)
evidence.add_to(app)
serving.add_to(app)
parties.add_to(app)
app.add_typer(nomenclature.app, name="nomenclature")
app.add_typer(contracts.app, name="contracts")
app.add_typer(publications.app, name="publications")
app.add_typer(access.tokens_app, name="tokens")
app.add_typer(access.keys_app, name="keys")
app.add_typer(rights.app, name="rights")
app.add_typer(attester.app, name="attester")
app.add_typer(auditor.app, name="auditor")


def main() -> None:
    """Entry point of the console script."""
    run(app, "verifier")


@app.callback()
def options(version: Version = False) -> None:
    """Options of no command in particular."""
