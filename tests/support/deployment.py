"""The files of a deployment, read as those read them whom they are for."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "temporal" / "app" / "deploy"
COMPOSE: Final = ROOT / "docker-compose.yml"

_GIVEN: Final = re.compile(r"(?<!\$)\$\{(\w+):-([^}]*)\}")


def compose() -> dict[str, Any]:
    """docker-compose.yml where no variable is set, with its anchors resolved and without its fragments."""
    text = _GIVEN.sub(lambda found: found[2], COMPOSE.read_text(encoding="utf-8")).replace("$$", "$")
    read: dict[str, Any] = yaml.safe_load(text)
    return {name: value for name, value in read.items() if not name.startswith("x-")}


def manifests() -> Iterator[dict[str, Any]]:
    """Every object that Kubernetes gets."""
    for file in sorted((DEPLOY / "kubernetes").rglob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text(encoding="utf-8"))


def manifest(kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in manifests() if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def seconds(duration: str) -> int:
    """Of a duration such as `45s`."""
    return int(duration.removesuffix("s"))
