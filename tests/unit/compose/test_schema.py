"""Our own look at the schema against jsonschema's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_engine.cli.failures import Failed
from kernel_engine.compose.documents import Document, plain
from kernel_engine.compose.refusals import Refused
from kernel_engine.compose.schema import faults, specification, validate
from tests.unit.compose.cases import cases
from tests.unit.compose.test_loading import FILES

JUDGE = jsonschema.Draft202012Validator(specification())
#: keywords that change nothing about what fits
NOTES = {"$defs", "$id", "$schema", "default", "deprecated", "description", "title"}
KNOWN = NOTES | set(
    "$ref additionalProperties enum items maximum minimum oneOf pattern patternProperties properties required type "
    "uniqueItems".split()
)


def _keywords(schema: Any) -> set[str]:
    if not isinstance(schema, dict):
        return set()
    found = set(schema)
    for key in ("$defs", "properties", "patternProperties"):
        for inner in schema.get(key, {}).values():
            found |= _keywords(inner)
    for inner in (schema.get("items"), schema.get("additionalProperties"), *schema.get("oneOf", ())):
        found |= _keywords(inner)
    return found


def test_the_schema_uses_no_keyword_that_is_not_looked_at() -> None:
    assert _keywords(specification()) <= KNOWN


def _values(text: str) -> list[Any]:
    try:
        return [plain(root) for root in Document("f", text.encode()).roots]
    except Failed:
        return []


CORPUS = [
    (f"{case.name} {name}", values)
    for case in [*cases("read.cases"), *cases("refused.cases")]
    for name, text in case.files.items()
    if name.endswith(".yaml")
    for values in _values(text)
]


@pytest.mark.parametrize("values", [values for _, values in CORPUS], ids=[name for name, _ in CORPUS])
def test_jsonschema_judges_the_corpus_alike(values: Any) -> None:
    assert (not list(faults(specification(), values))) == JUDGE.is_valid(values)


@given(FILES)
@settings(max_examples=300, deadline=None)
def test_jsonschema_judges_any_values_alike(values: Any) -> None:
    assert (not list(faults(specification(), values))) == JUDGE.is_valid(values)


NAMES = st.sampled_from(["a", "x-a", "tcp", "1", ""])
SIMPLE = st.one_of(st.integers(-2000, 2000), st.floats(allow_nan=False), st.text(max_size=3), st.booleans(), st.none())
SMALL = st.one_of(SIMPLE, st.lists(SIMPLE, max_size=2), st.dictionaries(NAMES, SIMPLE, max_size=2))
OF_A_SERVICE = sorted(specification()["$defs"]["service"]["properties"])


@given(st.sampled_from(OF_A_SERVICE), st.one_of(SMALL, st.lists(SMALL, max_size=2), st.dictionaries(NAMES, SMALL)))
@settings(max_examples=400, deadline=None)
def test_jsonschema_judges_each_attribute_alike(name: str, value: Any) -> None:
    values = {"services": {"a": {name: value}}}
    assert (not list(faults(specification(), values))) == JUDGE.is_valid(values)


def _refusal(values: dict[str, Any], **options: bool) -> str:
    with pytest.raises(Refused) as refused:
        validate(values, "f", **options)
    return refused.value.message


def test_the_deepest_fault_is_told() -> None:
    values = {"services": {"a": {"wrong": 1, "build": {"wrong": 1}}}, "wrong": 1}
    assert _refusal(values) == "validating f: services.a.build additional properties 'wrong' not allowed"


def test_of_several_forms_the_one_that_is_meant_is_told_of() -> None:
    assert _refusal({"services": {"a": {"oom_score_adj": 2000}}}).endswith("must be less than or equal to 1000")
    assert _refusal({"services": {"a": {"ports": [{"publish": 1}]}}}).endswith("'publish' not allowed")


def test_one_of_several_files_may_leave_something_out() -> None:
    values = {"services": {"a": {"depends_on": {"b": {"restart": True}}, "cap_add": ["A", "A"]}}}
    validate(values, "f", whole=False)
    assert "missing property 'condition'" in _refusal(values)


def test_the_licence_lies_beside_the_schema() -> None:
    import kernel_engine.compose

    place = Path(kernel_engine.compose.__file__).parent / "specification"
    assert "Apache License" in (place / "LICENSE").read_text()
    assert "Compose Specification" in (place / "NOTICE").read_text()
