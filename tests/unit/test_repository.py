"""The checkout as a whole: lock files, licence, documents, and nothing that belongs elsewhere."""

from __future__ import annotations

import importlib
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

# Written apart, so that this file does not hold what it forbids.
REGISTRY_HOSTS = tuple(
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("maven", "org"),
        ("maven", "apache", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
    )
)
# A person's home, a scratch folder or the drive of a Windows machine.
MACHINE_PATH = re.compile(r"(?<![\w.\-}])/(?:home|root|tmp|work|Users)/\w|\b[A-Z]:\\\\?Users\\")
PINNED = re.compile(r"^(?P<name>[a-z0-9.-]+)==(?P<version>[A-Za-z0-9.+!-]+)(?: ; (?P<marker>.+))?$")
HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")
LOCK_FILES = ("runtime.txt", "bulk.txt", "dev.txt", "lock.txt")


def repository_texts(repository: Path) -> dict[str, str]:
    """Path → text of every text file that is, or is about to be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    texts = {}
    for name in filter(None, listed.split("\0")):
        path = repository / name
        if path.is_file():
            content = path.read_bytes()
            if b"\0" not in content:
                texts[name] = content.decode("utf-8")
    return texts


def read_lock(path: Path) -> dict[str, str]:
    """Name → version of a lock file; every line is a pin with hashes, a comment, or a failure."""
    pins: dict[str, str] = {}
    for entry in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if entry.startswith("#"):
            continue
        requirement, *hashes = (part.strip() for part in re.split(r"\s(?=--hash=)", entry))
        pin = PINNED.fullmatch(requirement)
        assert pin, f"{path.name}: not a pin: {requirement!r}"
        assert hashes, f"{path.name}: {requirement} has no hash"
        assert all(HASH.fullmatch(hash_) for hash_ in hashes), f"{path.name}: {requirement}"
        assert pin["name"] not in pins, f"{path.name}: {pin['name']} is pinned twice"
        pins[pin["name"]] = pin["version"]
    return pins


def name_of(requirement: str) -> str:
    """The canonical name in a requirement such as ``py_ecc>=8`` (PEP 503)."""
    name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def texts(repository: Path) -> dict[str, str]:
    return repository_texts(repository)


@pytest.fixture(scope="module")
def pyproject(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def readme(texts: dict[str, str]) -> str:
    assert "README.md" in texts, "the repository has no README.md"
    return texts["README.md"]


def test_the_listing_sees_the_repository(texts: dict[str, str]) -> None:
    for name in ("pyproject.toml", "Makefile", "zk/__init__.py", "tests/unit/test_repository.py"):
        assert name in texts


@pytest.mark.parametrize("host", REGISTRY_HOSTS)
def test_no_file_names_a_package_registry(texts: dict[str, str], host: str) -> None:
    assert [name for name, text in texts.items() if host in text.lower()] == []


def test_no_file_names_a_path_of_somebodys_machine(texts: dict[str, str]) -> None:
    found = {name: match[0] for name, text in texts.items() if (match := MACHINE_PATH.search(text))}
    assert found == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see " + "/home" + "/anna/claims", True),
        ("open('" + "/tmp" + "/venv')", True),
        ("C:" + "\\Users\\anna", True),
        ("C:" + "\\\\Users\\\\anna", True),
        ("docs/home/page.md and ../tmp/rules", False),
        ("an optician works at home / at work", False),
    ],
)
def test_paths_of_a_machine_are_recognised(text: str, expected: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is expected


@pytest.mark.parametrize("lock", LOCK_FILES)
def test_lock_files_pin_with_hashes_and_name_no_place(repository: Path, lock: str) -> None:
    path = repository / "requirements" / lock
    text = path.read_text(encoding="utf-8")
    assert read_lock(path)
    assert "://" not in text
    assert not re.search(r"^\s*(?:-[a-z]\b|--(?!hash=))", text, re.MULTILINE), "an option of pip"


@pytest.mark.parametrize(
    "line",
    [
        "numpy>=2",
        "numpy==2.4.6",
        "numpy @ file:numpy.whl",
        "numpy==2.4.6 --hash=md5:0123",
        "--index-url somewhere",
        "",
    ],
)
def test_the_reader_of_lock_files_refuses_anything_but_hashed_pins(
    tmp_path: Path, line: str
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"# a comment\n{line}\n")
    with pytest.raises(AssertionError, match=r"lock\.txt"):
        read_lock(lock)


def test_every_dependency_is_locked_and_no_two_locks_disagree(
    repository: Path, pyproject: dict[str, Any]
) -> None:
    runtime, bulk, dev, lock = (
        read_lock(repository / "requirements" / name) for name in LOCK_FILES
    )
    groups = pyproject["dependency-groups"]
    runtime_requirements = pyproject["project"]["dependencies"] + groups["build"]
    assert {name_of(entry) for entry in runtime_requirements} <= runtime.keys()
    extra = pyproject["project"]["optional-dependencies"]["bulk"]
    assert {name_of(entry) for entry in extra} <= bulk.keys()
    assert {name_of(entry) for entry in groups["dev"]} <= dev.keys()
    assert {name_of(entry) for entry in groups["lock"]} <= lock.keys()
    for one, other in ((runtime, bulk), (runtime, dev), (bulk, dev)):
        assert {name: version for name, version in one.items() if name in other} == {
            name: version for name, version in other.items() if name in one
        }


def test_every_dependency_is_accounted_for(
    texts: dict[str, str], pyproject: dict[str, Any]
) -> None:
    project = pyproject["project"]
    groups = [*pyproject["dependency-groups"].values(), *project["optional-dependencies"].values()]
    requirements = {name_of(entry) for group in groups for entry in group}
    requirements |= {name_of(entry) for entry in project["dependencies"]}
    lines = re.findall(r"^\| `([^`]+)` \|", texts["docs/dependencies.md"], re.MULTILINE)
    assert sorted(map(name_of, lines)) == sorted(requirements)


def test_the_licence_is_there_whole(texts: dict[str, str], pyproject: dict[str, Any]) -> None:
    assert pyproject["project"]["license"] == "Apache-2.0"
    licence = texts["LICENSE"]
    assert "Apache License\n                           Version 2.0, January 2004" in licence
    for section in range(1, 10):
        assert f"\n   {section}. " in licence
    assert "END OF TERMS AND CONDITIONS" in licence


def test_every_make_target_that_a_document_names_exists(texts: dict[str, str], readme: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", texts["Makefile"], re.MULTILINE))
    named = {
        (name, target)
        for name, text in texts.items()
        if name.endswith(".md")
        for target in re.findall(r"(?:`|^ *\$? ?)make ([a-z][a-z-]*)", text, re.MULTILINE)
    }
    assert {"demo", "test"} <= {target for name, target in named if name == "README.md"}
    assert {entry for entry in named if entry[1] not in targets} == set()


def test_every_phony_target_tells_what_it_is_for(texts: dict[str, str]) -> None:
    phony = re.search(r"^\.PHONY: (.+)$", texts["Makefile"], re.MULTILINE)
    assert phony
    for target in phony[1].split():
        assert re.search(rf"^{target}:.*## \w", texts["Makefile"], re.MULTILINE), target


def test_every_file_that_a_document_links_to_exists(repository: Path, readme: str) -> None:
    assert "docs/protocol.md" in readme
    assert "docs/limitations.md" in readme
    documents = [*repository.glob("*.md"), *repository.glob("docs/**/*.md")]
    broken = []
    for document in documents:
        text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.DOTALL | re.M)
        for target in re.findall(r"\]\(<?([^)#\s>]+)[^)]*\)", text):
            if not re.match(r"[a-z]+:", target):
                place = (document.parent / target).resolve()
                if not (place.exists() and place.is_relative_to(repository)):
                    broken.append(f"{document.relative_to(repository)}: {target}")
    assert broken == []


def test_every_path_in_backticks_in_the_readme_exists(repository: Path, readme: str) -> None:
    paths = re.findall(r"`((?:docs|examples|bench|demo|requirements)/[\w./-]+)`", readme)
    assert [path for path in paths if not (repository / path).exists()] == []


@pytest.mark.parametrize("script", ["optician", "verifier"])
def test_each_console_script_has_its_function(pyproject: dict[str, Any], script: str) -> None:
    module, _, function = pyproject["project"]["scripts"][script].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
