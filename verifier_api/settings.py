"""Settings of the service: from the environment (``CLAIROBSCUR_…``), else from a TOML file, else
their defaults. `verifier settings` shows them, secrets masked.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from verifier_api.store.database import parse_url, shown_url, sqlite_url
from zk.errors import StatementError

PREFIX = "CLAIROBSCUR_"
FILE_VARIABLE = f"{PREFIX}SETTINGS"
DEFAULT_FILE = "clairobscur.toml"


class Settings(BaseSettings):
    """Every setting, with its unit in its name or description."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data_dir: Annotated[Path, Field(description="Folder of the SQLite database.")] = Path(
        "clairobscur-data"
    )
    database: Annotated[
        SecretStr | None,
        Field(
            description="Database URL, sqlite:/// or postgresql+psycopg://; default: SQLite in "
            "data_dir. Shown without its password."
        ),
    ] = None
    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port; 0: any free one.")] = 8765
    trust: Annotated[
        Path | None,
        Field(
            description="File of the trust list: keys of publishers, attesters and auditors that "
            "are relied upon; read again when it changes."
        ),
    ] = None
    signing_key: Annotated[
        Path | None,
        Field(
            description="Secret key file of role insurer, which signs the records of evidence; "
            "without it none are made."
        ),
    ] = None
    pages: Annotated[
        bool, Field(description="Whether the insurer's pages are served, under /pages/.")
    ] = True
    workers: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="Worker processes that verify proofs; default: a core less than there are.",
        ),
    ] = max(1, min(8, (os.cpu_count() or 1) - 1))
    queue_limit: Annotated[
        int, Field(ge=1, le=100_000, description="Claims that wait or are in work; more get 503.")
    ] = 512
    batch_limit: Annotated[
        int, Field(ge=1, le=256, description="Claims that are verified together at most.")
    ] = 64
    linger_ms: Annotated[
        float, Field(ge=0, le=50, description="How long a lone claim waits for others, ms.")
    ] = 3.0
    batch_seconds: Annotated[
        float, Field(gt=0, le=600, description="After which a worker is taken to hang, s.")
    ] = 30.0
    body_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=600,
            description="In which a body must have arrived, s; in a stream, each piece of it.",
        ),
    ] = 10.0
    header_seconds: Annotated[
        float, Field(gt=0, le=600, description="In which a request's head must have arrived, s.")
    ] = 10.0
    stop_seconds: Annotated[
        int, Field(ge=1, le=600, description="Requests in work get so long at a stop, s.")
    ] = 20
    rate_per_second: Annotated[
        float, Field(gt=0, le=100_000, description="Requests a second of one token, on average.")
    ] = 50.0
    rate_burst: Annotated[
        int, Field(ge=1, le=100_000, description="Requests of one token at once beyond that.")
    ] = 100
    concurrency_per_token: Annotated[
        int, Field(ge=1, le=10_000, description="Requests of one token in work.")
    ] = 64

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What a command says, then the environment, then the file."""
        toml = TomlConfigSettingsSource(settings_cls, _file_name())
        return init_settings, env_settings, toml

    def database_url(self) -> str:
        """The URL, password included."""
        if self.database is not None:
            return self.database.get_secret_value()
        return sqlite_url(self.data_dir.absolute() / "verifier.db")

    def shown(self) -> dict[str, Any]:
        """Every setting as JSON, the database's password masked."""
        url = shown_url(parse_url(self.database_url()))
        return self.model_dump(mode="json", exclude={"database"}) | {"database": url}


def load_settings(**given: Any) -> Settings:
    """The settings; ``given`` (None: not given) comes before everything else.

    Raises `StatementError` naming each setting at fault, never its value, also for a file that is
    named and not there.
    """
    if FILE_VARIABLE in os.environ and not _file_name().is_file():
        raise StatementError(f"settings: {FILE_VARIABLE} names no file")
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()
        ]
        raise StatementError(f"settings: {'; '.join(problems)}") from None
    except ValueError:
        raise StatementError(f"settings: {_file_name().name} is no TOML") from None
    parse_url(settings.database_url())
    return settings


def _file_name() -> Path:
    return Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE))
