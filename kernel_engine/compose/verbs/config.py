"""`docker compose config`: what the files mean, in docker compose's canonical form, or one aspect of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from graphlib import TopologicalSorter
from typing import Any
from urllib.parse import quote

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Parsed
from kernel_engine.cli.table import columns
from kernel_engine.compose.converge.body import image_name
from kernel_engine.compose.finding import read_file
from kernel_engine.compose.hashes import config_hash
from kernel_engine.compose.interpolation import Reference, references
from kernel_engine.compose.loading import Care, load, load_values
from kernel_engine.compose.model import Project, Wanted
from kernel_engine.compose.printing import printed
from kernel_engine.compose.printing_parts import by_key
from kernel_engine.compose.selecting import selected, without_unused
from kernel_engine.compose.session import Session
from kernel_engine.compose.words import text_of

KUBERNETES = "kubernetes"
#: a name of an image → its digest; asks the registry
Digest = Callable[[str], str]


def config(session: Session) -> int:
    def digest(image: str) -> str:
        answer = session.client.get(f"/distribution/{quote(image)}/json").json()
        return str(answer["Descriptor"]["digest"])

    return show(session.wanted(), session.words, digest, prune=not session.options["all-resources"])


def show(wanted: Wanted, words: Parsed, digest: Digest, *, prune: bool = True) -> int:
    """Prints what the options of `config` ask for. `wanted` names no services; those of the words count."""
    care = _care(words, prune=prune)
    text = _aspect(wanted, words, care)
    if text is None:
        text = _whole(wanted, words, care, digest)
    if words["quiet"]:
        return 0
    if words["output"]:
        try:
            with open(words["output"], "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise Failed(f"open {words['output']}: {(error.strerror or str(error)).lower()}") from None
    else:
        print(text, end="")
    return 0


def _aspect(wanted: Wanted, words: Parsed, care: Care) -> str | None:
    """What an option asks for instead of the whole; None when none does."""
    if words["services"]:
        if words["no-interpolate"]:
            return _lines(load_values(wanted, care=care).get("services") or ())
        return _lines(_in_order(load(wanted, care=replace(care, env_files=False))))
    for option, section in (("volumes", "volumes"), ("networks", "networks")):
        if words[option]:
            return _lines(getattr(load(wanted, care=replace(care, env_files=False)), section))
    if words["models"]:
        return _lines(model["model"] for model in (load_values(wanted, care=care).get("models") or {}).values())
    if words["hash"]:
        return _hashes(load(wanted, care=care), words["hash"])
    if words["profiles"]:
        project = load(wanted, care=replace(care, env_files=False))
        services = (*project.services.values(), *project.disabled.values())
        return _lines(sorted({profile for service in services for profile in service.profiles}))
    if words["images"]:
        project = _selected(load(wanted, care=replace(care, env_files=False)), words)
        return _lines(image_name(project, project.services[name]) for name in _in_order(project))
    if words["variables"]:
        return _variables(load_values(wanted, care=replace(care, interpolate=False)), words["format"])
    if words["environment"]:
        environment = load(wanted, care=replace(care, env_files=False)).environment
        return _lines(f"{name}={value}" for name, value in sorted(environment.items()))
    return None


def _whole(wanted: Wanted, words: Parsed, care: Care, digest: Digest) -> str:
    form = words["format"] or "yaml"
    if form not in {"yaml", "json", KUBERNETES}:
        raise Failed(f'unsupported format "{form}"')
    if words["no-interpolate"]:
        return _in_form(by_key(load_values(wanted, care=care)), form)
    project = _selected(load(wanted, care=care), words)
    if form == KUBERNETES:
        return _as_manifests(without_unused(project))
    values = printed(project)
    if words["resolve-image-digests"] or words["lock-image-digests"]:
        for service in values["services"].values():
            if service.get("image") and "@" not in service["image"]:
                service["image"] += f"@{digest(service['image'])}"
    if words["lock-image-digests"]:
        images = {name: {"image": item["image"]} for name, item in values["services"].items() if "image" in item}
        values = {"services": images}
    return _in_form(_in_json(values) if form == "json" else values, form).replace("$", "$$")


def _care(words: Parsed, *, prune: bool) -> Care:
    return Care(
        prune=prune,
        interpolate=not words["no-interpolate"],
        settle=not words["no-normalize"],
        whole_paths=not words["no-path-resolution"],
        check=not words["no-consistency"],
        env_files=not words["no-env-resolution"],
    )


def _selected(project: Project, words: Parsed) -> Project:
    return selected(project, words.arguments)


def _in_order(project: Project) -> Iterable[str]:
    """What others need comes first."""
    names = project.services
    needs = {name: [needed for needed in names[name].depends_on if needed in names] for name in names}
    return TopologicalSorter(needs).static_order()


def _hashes(project: Project, names: str) -> str:
    if names != "*":
        project = selected(project, names.split(","), dependencies=False)
    return _lines(f"{name} {config_hash(service, project)}" for name, service in sorted(project.services.items()))


def _variables(values: dict[str, Any], form: str) -> str:
    found: dict[str, Reference] = {}
    for reference in references(values):
        if not found.get(reference.name, Reference("")).operator:
            found[reference.name] = reference
    rows = [_variable(reference) for reference in found.values()]
    if form == "yaml":
        return _in_form({row["name"]: row for row in rows}, form)
    if form == "json":
        return json.dumps({row["name"]: row for row in rows}, ensure_ascii=False) + "\n"
    head = ["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"]
    return columns([head, *([text_of(cell) for cell in row.values()] for row in rows)])


def _variable(reference: Reference) -> dict[str, Any]:
    kind = reference.operator[-1:]
    return {
        "name": reference.name,
        "required": kind == "?",
        "defaultvalue": reference.word if kind == "-" else "",
        "presencevalue": reference.word if kind == "+" else "",
    }


def _as_manifests(project: Project) -> str:
    """What they cannot say is printed on standard error."""
    from kernel_engine.compose.kubernetes.manifests import manifests
    from kernel_engine.compose.writing import written

    made = manifests(project, _contents(project))
    for note in made.notes:
        print(f"WARN[0000] {note} ", file=sys.stderr, flush=True)
    if made.notes:
        from kernel_engine.cli.korean import hint

        hint(made.notes[0], ())
    return "---\n".join(written(item) for item in made.objects)


def _contents(project: Project) -> dict[str, bytes]:
    """What the project's own secrets and configs hold."""
    result = {}
    for kind, items in (("secret", project.secrets), ("config", project.configs)):
        for key, item in items.items():
            if item.external:
                continue
            if item.environment and item.content is None:
                raise Failed(f'environment variable "{item.environment}" required by {kind} "{key}" is not set')
            result[f"{kind}s.{key}"] = read_file(item.file) if item.content is None else item.content.encode()
    return result


def _lines(items: Iterable[str]) -> str:
    return "".join(f"{item}\n" for item in items)


def _in_form(values: Any, form: str) -> str:
    if form == "json":
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    from kernel_engine.compose.writing import written

    return written(values)


def _in_json(values: dict[str, Any]) -> dict[str, Any]:
    """docker compose's JSON says what its YAML leaves out: no command, no entrypoint, no ipam; sections by name."""
    services = {name: {"command": None, "entrypoint": None, **service} for name, service in values["services"].items()}
    networks = {name: {"ipam": {}, **network} for name, network in values.get("networks", {}).items()}
    sections = {**values, "services": services, **({"networks": networks} if networks else {})}
    return dict(sorted(sections.items()))
