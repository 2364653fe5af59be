"""Instruments as FHIR Questionnaires: there and back unchanged, and what others' forms become."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest
from fhir.resources.R4B.questionnaire import Questionnaire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcomes.instruments.definition import Definition
from outcomes.instruments.fhir import FhirError, from_questionnaire, to_questionnaire
from outcomes.instruments.fhir_elements import as_node, decode, encode
from outcomes.instruments.scoring import score
from tests.library import LIBRARY

PHQ9 = LIBRARY["PHQ-9"]
BASE = "https://clinic.example/fhir"
HL7 = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
LOINC = "http://loinc.org"
FREQUENCY = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"]
EASE = ["LA6572-7", "LA6573-5", "LA6575-0", "LA6574-3"]


def canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, ensure_ascii=False)


def exported(code: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(to_questionnaire(LIBRARY[code])))
    return copy


def calculated(expression: str) -> dict[str, Any]:
    value = {"language": "text/fhirpath", "expression": expression}
    return {"url": f"{SDC}sdc-questionnaire-calculatedExpression", "valueExpression": value}


def option(code: str, weight: float | None = None, kind: str = "ordinalValue") -> dict[str, Any]:
    coding = {"system": LOINC, "code": code, "display": f"Words of {code}"}
    rows = [] if weight is None else [{"url": HL7 + kind, "valueDecimal": weight}]
    return {"valueCoding": coding, **({"extension": rows} if rows else {})}


def choice(link_id: str, codes: list[str], kind: str | None = "ordinalValue", **more: Any) -> Any:
    options = [option(c, i if kind else None, kind or "") for i, c in enumerate(codes)]
    return {"linkId": link_id, "text": f"Question {link_id}", "type": "choice",
            "answerOption": options} | more  # fmt: skip


def total(expression: str, link_id: str = "/44261-6") -> dict[str, Any]:
    return {
        "linkId": link_id,
        "text": "Total score",
        "type": "decimal",
        "code": [{"system": LOINC, "code": "44261-6"}],
        "extension": [calculated(expression)],
    }


def form(*items: Any, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Questionnaire", "status": "active", "language": "en",
            "url": "https://forms.example/q", "name": "Form", "title": "A form",
            "item": list(items)} | more  # fmt: skip


def lforms_phq9(expression: str) -> dict[str, Any]:
    """Build a PHQ-9 in the manner of the National Library of Medicine's form builder."""
    loinc = [item.loinc for item in PHQ9.items]
    nine = [
        choice(f"/{code}", FREQUENCY, required=True, code=[{"system": LOINC, "code": code}])
        for code in loinc[:9]
    ]
    return form(
        *nine,
        total(expression),
        choice(f"/{loinc[9]}", EASE, None),
        name="PHQ-9 quick depression assessment panel",
        title="PHQ-9 quick depression assessment panel",
        code=[{"system": LOINC, "code": "44249-1"}],
        status="draft",
    )


@pytest.mark.parametrize("code", LIBRARY)
def test_every_instrument_comes_back_as_it_went(code: str) -> None:
    imported = from_questionnaire(exported(code))
    assert canonical(imported.content) == canonical(LIBRARY[code].content)
    assert imported.remarks == ()
    assert Definition.from_json(imported.content).content_hash == LIBRARY[code].content_hash


@pytest.mark.parametrize("code", LIBRARY)
def test_every_export_is_a_valid_questionnaire(code: str) -> None:
    resource = to_questionnaire(LIBRARY[code], publisher_url=BASE)
    read = Questionnaire.model_validate(resource)
    assert json.loads(read.model_dump_json()) == resource


def test_an_export_says_in_plain_fhir_what_fhir_can_say() -> None:
    resource = to_questionnaire(PHQ9, publisher_url=BASE)
    assert resource["url"] == f"{BASE}/Questionnaire/PHQ-9"
    assert (resource["name"], resource["language"]) == ("PHQ_9", "en")
    assert resource["code"] == [{"system": LOINC, "code": "44249-1"}]
    stem, first, *_ = resource["item"]
    assert stem == {"linkId": "stem", "text": PHQ9.wording("en").stem, "type": "display"}
    assert first["answerOption"][3] == {
        "extension": [
            {"url": f"{HL7}ordinalValue", "valueDecimal": 3},
            {"url": f"{BASE}/StructureDefinition/stored-value", "valueInteger": 3},
        ],
        "valueCoding": {"system": LOINC, "code": "LA6571-9", "display": "Nearly every day"},
    }
    score_item = resource["item"][-1]
    listed = "|".join(f"'{number}'" for number in range(1, 10))
    assert (score_item["linkId"], score_item["readOnly"]) == ("score-total", True)
    assert score_item["extension"] == [
        calculated(f"%resource.item.where(linkId in ({listed})).answer.value.ordinal().sum()")
    ]


def test_withheld_words_are_marked_and_other_languages_are_translations() -> None:
    first = exported("AAQ-II")["item"][0]
    absent = {"url": f"{HL7}data-absent-reason", "valueCode": "masked"}
    assert "text" not in first
    assert first["_text"] == {"extension": [absent]}
    stem = exported("PHQ-2")["item"][0]
    spanish = LIBRARY["PHQ-2"].wording("es").stem
    assert stem["_text"]["extension"][0]["extension"][1]["valueString"] == spanish


@pytest.mark.parametrize("code", LIBRARY)
def test_the_ordinals_add_up_to_the_score(code: str) -> None:
    definition, resource = LIBRARY[code], exported(code)
    answers, ordinals = {}, {}
    for number, item in enumerate(row for row in resource["item"] if row["type"] == "choice"):
        link_id = item["linkId"]
        place = number % len(item["answerOption"])
        values = [each.value for each in _item(definition, link_id).options]
        answers[link_id] = values[place]
        rows = item["answerOption"][place].get("extension", [])
        ordinals[link_id] = sum(
            r["valueDecimal"] for r in rows if r["url"].endswith("ordinalValue")
        )
    results = score(definition, answers).scores
    for item in resource["item"]:
        if item["type"] == "decimal":
            scale = definition.scale(item["linkId"].removeprefix("score-"))
            assert scale is not None
            expected = sum(ordinals[link_id] for link_id, _ in scale.points) * scale.multiplier
            assert results[scale.code].value == expected


def _item(definition: Definition, link_id: str) -> Any:
    return next(item for item in definition.items if item.link_id == link_id)


def test_what_was_edited_in_plain_fhir_wins() -> None:
    resource = exported("PHQ-9")
    resource |= {"title": "Our PHQ", "version": "2.0.0", "copyright": "Ours"}
    resource["item"][1] |= {"text": "New words", "required": False}
    resource["item"][2]["answerOption"][0]["valueCoding"]["display"] = "Never"
    resource["item"][-1]["text"] = "Sum"
    content = from_questionnaire(resource).content
    assert (content["title"], content["version"]) == ("Our PHQ", "2.0.0")
    assert content["licence"]["text"] == "Ours"
    assert content["items"][0]["required"] is False
    assert content["scales"][0]["title"] == "Sum"
    assert content["wording"]["en"]["items"]["1"] == "New words"
    assert content["items"][1]["options"] == "frequency-2"
    assert content["wording"]["en"]["options"]["frequency-2"]["0"] == "Never"
    assert content["scales"][0]["bands"] == PHQ9.content["scales"][0]["bands"]


def test_a_clinic_may_bring_the_words_that_were_withheld() -> None:
    resource = exported("AAQ-II")
    for item in resource["item"][:-1]:
        item["text"] = f"Words of {item['linkId']}"
        for row in item["answerOption"]:
            row["valueCoding"]["display"] = row["valueCoding"]["code"]
    imported = from_questionnaire(resource)
    definition = Definition.from_json(imported.content)
    assert definition.wording("en").items["1"] == "Words of 1"
    assert definition.wording("en").verified is False
    assert definition.scales == LIBRARY["AAQ-II"].scales
    assert imported.remarks == ("Its language is not stated, and taken to be English.",)


def test_an_edited_condition_wins() -> None:
    resource = exported("PC-PTSD-5")
    question = next(row for row in resource["item"] if row["linkId"] == "2")
    question["enableWhen"][0]["question"] = "1"
    row = from_questionnaire(resource).content["items"][2]
    assert row["enabled_when"] == {"items": {"1": 1}, "at_least": 1}


def test_an_edited_sum_that_contradicts_the_rest_is_refused() -> None:
    resource = exported("GAD-2")
    resource["item"][-1]["extension"] = [
        calculated("%resource.item.where(linkId = '1').answer.value.ordinal().sum()")
    ]
    with pytest.raises(FhirError, match="what was read is no instrument"):
        from_questionnaire(resource)


@pytest.mark.parametrize(
    "gate",
    [
        {"items": {"1": 1}, "at_least": 1},
        {"items": {"1": 2, "2": 3}, "at_least": 1},
        {"items": {"1": 1, "2": 2}, "at_least": 2},
        {"items": {"1": -4}, "at_least": 1},
    ],
)
def test_every_condition_on_answers_survives(gate: dict[str, Any]) -> None:
    content = deepcopy(dict(LIBRARY["PHQ-4"].content))
    content["items"][2]["enabled_when"] = gate
    resource = to_questionnaire(Definition.from_json(content))
    Questionnaire.model_validate(resource)
    assert from_questionnaire(resource).content == content


NINE = [item.loinc for item in PHQ9.items[:9]]
ANY_OF_NINE = "|".join(f"'/{code}'" for code in NINE)
ONE_OF_NINE = " or ".join(f"linkId='/{code}'" for code in NINE)
LOOKED_UP = (
    "%questionnaire.item.where(linkId = '/{0}').answerOption.where(valueCoding.code="
    "%resource.item.where(linkId = '/{0}').answer.valueCoding.code)"
    ".extension.where(url=%scoreExt).valueDecimal"
)


@pytest.mark.parametrize(
    "expression",
    [
        "%resource.item.where(linkId != '/69722-7').answer.weight().sum()",
        "%resource.item.answer.value.ordinal().sum()",
        "%resource.repeat(item).answer.value.ordinal().sum()",
        f"%resource.item.where(linkId in ({ANY_OF_NINE})).answer.value.ordinal().sum()",
        f"%resource.item.where({ONE_OF_NINE}).answer.valueCoding.ordinal().sum()",
        " + ".join(
            f"%resource.item.where(linkId='/{c}').answer.value.ordinal()" for c in NINE
        ),
    ],
)  # fmt: skip
def test_a_phq9_of_others_scores_like_ours(expression: str) -> None:
    imported = from_questionnaire(lforms_phq9(expression))
    _assert_scores_like_ours(imported.content)
    assert imported.content["code"] == "PHQ-9-quick-depression-assessment-panel"
    assert imported.content["loinc"]["panel"] == "44249-1"
    assert "Its status is draft." in imported.remarks


def test_a_sum_over_variables_is_understood() -> None:
    resource = lforms_phq9("")
    rows = [("scoreExt", f"'{HL7}ordinalValue'")]
    rows += [(f"q{i}", LOOKED_UP.format(code)) for i, code in enumerate(NINE)]
    rows.append(("any", " or ".join(f"%q{i}.exists()" for i in range(9))))
    inner = " + ".join(f"iif(%q{i}.exists(), %q{i}, 0)" for i in range(9))
    resource["item"][9]["extension"] = [
        {"url": f"{HL7}variable", "valueExpression": {"name": name, "expression": body}}
        for name, body in rows
    ] + [calculated(f"iif(%any, {inner}, {{}})")]
    _assert_scores_like_ours(from_questionnaire(resource).content)


def _assert_scores_like_ours(content: Mapping[str, Any]) -> None:
    theirs = Definition.from_json(content)
    assert [row.code for row in theirs.scales] == ["total"]
    for start in range(4):
        ours = {item.link_id: (start + i) % 4 for i, item in enumerate(PHQ9.items)}
        same = {i.link_id: v for i, v in zip(theirs.items, ours.values(), strict=True)}
        assert score(theirs, same).scores["total"].value == score(PHQ9, ours).scores["total"].value


@pytest.mark.parametrize(
    "expression",
    [
        "%resource.item.answer.value.ordinal().sum() / 9",
        "%resource.item.item.answer.value.ordinal().sum()",
        "%resource.item.where(linkId = '/44250-9' or linkId = 'x').answer.weight().sum()",
        "%resource.item.where(linkId.matches('.*')).answer.weight().sum()",
        "%resource.item.where(linkId = '/69722-7').answer.weight().sum()",
        "iif(%age > 18, %q1, {})",
        "",
    ],
)
def test_what_is_no_plain_sum_leaves_the_form_unscored(expression: str) -> None:
    imported = from_questionnaire(lforms_phq9(expression))
    assert imported.content["scales"] == []
    assert any(remark.startswith("Scored by nothing") for remark in imported.remarks)


SUM = "%resource.item.answer.value.ordinal().sum()"


def test_weights_of_the_newer_kind_and_a_multiplier_count() -> None:
    sum_ = "(%resource.item.answer.weight().sum()) * 2"
    items = choice("a", FREQUENCY, "itemWeight"), choice("b", FREQUENCY, "itemWeight")
    definition = Definition.from_json(from_questionnaire(form(*items, total(sum_))).content)
    assert score(definition, {"a": 3, "b": 1}).scores["total"].value == 8


def test_equal_weights_keep_their_answers_apart_and_an_absent_one_counts_nothing() -> None:
    item = choice("a", FREQUENCY)
    item["answerOption"][1]["extension"][0]["valueDecimal"] = 0.0
    del item["answerOption"][3]["extension"]
    imported = from_questionnaire(form(item, total(SUM)))
    assert [(row["value"], row.get("score", "same")) for row in _rows(imported.content)] == [
        (0, "same"), (1, 0), (2, "same"), (3, None),
    ]  # fmt: skip
    assert "An answer without a weight is taken not to count at all." in imported.remarks


def _rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = content["response_options"][content["items"][0]["options"]]
    return rows


def test_weights_that_are_no_whole_numbers_are_not_summed() -> None:
    item = choice("a", FREQUENCY)
    item["answerOption"][1]["extension"][0]["valueDecimal"] = 0.5
    imported = from_questionnaire(form(item, total(SUM)))
    assert imported.content["scales"] == []
    assert any("some weights are no whole numbers" in remark for remark in imported.remarks)


def test_boolean_integer_and_text_answers_become_choices() -> None:
    yes = {"linkId": "a", "text": "Well?", "type": "boolean", "required": True}
    gate = [{"question": "a", "operator": "=", "answerBoolean": True}]
    words = {"linkId": "b", "text": "Which?", "type": "choice", "enableWhen": gate,
             "answerOption": [{"valueString": "One"}, {"valueString": "Two"}]}  # fmt: skip
    ends = [
        {"url": f"{HL7}minValue", "valueInteger": 0},
        {"url": f"{HL7}maxValue", "valueInteger": 9},
    ]
    number = {"linkId": "c", "text": "How many?", "type": "integer", "extension": ends}
    content = from_questionnaire(form(yes, words, number)).content
    assert [row["options"] for row in content["items"]] == ["answers", "answers-2", "answers-3"]
    assert content["wording"]["en"]["options"]["answers"] == {"0": "No", "1": "Yes"}
    assert content["items"][1]["enabled_when"] == {"items": {"a": 1}, "at_least": 1}
    assert len(content["response_options"]["answers-3"]) == 10


def test_one_group_gives_the_stem_and_whoever_stands_outside_is_without() -> None:
    group = {"linkId": "g", "text": "Lately:", "type": "group", "item": [choice("a", FREQUENCY)]}
    content = from_questionnaire(form(group, choice("b", FREQUENCY))).content
    assert content["wording"]["en"]["stem"] == "Lately:"
    assert content["items"][1]["uses_stem"] is False
    two = from_questionnaire(form(group, group | {"linkId": "h", "item": [choice("b", EASE)]}))
    assert two.content["wording"]["en"]["stem"] == ""
    assert "The text at item[1] is left out." in two.remarks


def test_a_group_passes_its_condition_on() -> None:
    gate = [{"question": "a", "operator": "exists", "answerBoolean": True}]
    group = {"linkId": "g", "type": "group", "enableWhen": gate, "item": [choice("b", EASE)]}
    content = from_questionnaire(form(choice("a", FREQUENCY), group)).content
    assert content["items"][1]["enabled_when"] == {"items": {"a": 0}, "at_least": 1}


def test_a_free_answer_is_left_out_where_nobody_needs_it() -> None:
    note = {"linkId": "n", "text": "Anything else?", "type": "string"}
    imported = from_questionnaire(form(choice("a", FREQUENCY), note, total(SUM)))
    assert [row["link_id"] for row in imported.content["items"]] == ["a"]
    assert any(
        remark.startswith("The question at item[1] is left out") for remark in imported.remarks
    )
    assert imported.content["scales"][0]["high"] == 3


def test_a_sum_does_not_count_without_what_was_left_out() -> None:
    several = choice("b", FREQUENCY, repeats=True)
    imported = from_questionnaire(form(choice("a", FREQUENCY), several, total(SUM)))
    assert imported.content["scales"] == []
    assert any("counts a question that is left out" in remark for remark in imported.remarks)


def test_what_lies_beneath_the_form_is_remarked_on() -> None:
    item = choice("a/1", FREQUENCY, prefix="1.", initial=[{"valueInteger": 1}])
    item["extension"] = [{"url": f"{HL7}questionnaire-unit", "valueString": "x"}]
    item["item"] = [{"linkId": "h", "text": "Help", "type": "display"}, choice("b", EASE)]
    read_only = {"linkId": "t", "text": "Total", "type": "integer", "readOnly": True}
    resource = form(item, read_only, contained=[{"resourceType": "ValueSet"}])
    remarks = from_questionnaire(resource).remarks
    for expected in (
        "Initial answers are left out.",
        "Printed numbers (prefix) are left out.",
        "Some linkIds are stored in a simpler form, without / and spaces.",
        "Questions beneath an answer are asked like all others.",
        "The text at item[0].item[0] is left out.",
        "Extensions left out: questionnaire-unit.",
        "Contained resources are left out.",
        "The score 'Total' is not computed: its rule is no plain sum of weights.",
        "Scored by nothing: the Questionnaire has no rule that is a plain sum.",
    ):
        assert expected in remarks


def test_without_weights_yes_is_the_higher_answer_wherever_it_stands() -> None:
    yes = choice("a", ["LA33-6", "LA32-8"], None)
    coding = {"system": LOINC, "code": "LA33-6"}
    gate = [{"question": "a", "operator": "=", "answerCoding": coding}]
    content = from_questionnaire(form(yes, choice("b", EASE, enableWhen=gate))).content
    assert [row["value"] for row in _rows(content)] == [1, 0]
    assert content["items"][1]["enabled_when"] == {"items": {"a": 1}, "at_least": 1}


def test_words_missing_in_a_language_leave_that_language_out() -> None:
    item = choice("a", FREQUENCY)
    parts = [{"url": "lang", "valueCode": "de"}, {"url": "content", "valueString": "Frage"}]
    item["_text"] = {"extension": [{"url": f"{HL7}translation", "extension": parts}]}
    imported = from_questionnaire(form(item))
    assert list(imported.content["wording"]) == ["en"]
    assert "The words in de are not complete, and left out." in imported.remarks


def _spoil(**more: Any) -> dict[str, Any]:
    return form(choice("a", FREQUENCY, **({"required": True} | more)))


def _nested(depth: int) -> dict[str, Any]:
    item = choice("a", FREQUENCY)
    for level in range(depth):
        item = {"linkId": f"g{level}", "type": "group", "item": [item]}
    return form(item)


GATE = {"question": "a", "operator": "=", "answerCoding": {"system": LOINC, "code": FREQUENCY[0]}}


@pytest.mark.parametrize(
    ("resource", "path", "reason"),
    [
        ([], "", "is not an object"),
        (None, "", "is not an object"),
        ({"resourceType": "Patient"}, "resourceType", "is not Questionnaire"),
        (form(), "item", "there is no question"),
        (form() | {"item": {}}, "item", "is not a list"),
        (form("x"), "item[0]", "is not an object"),
        (form({"type": "choice"}), "item[0]", "has no linkId"),
        (form({"linkId": "a"}), "item[0]", "has no type"),
        (form(choice("a", EASE), choice("a", EASE)), "item", "'a' stands twice"),
        (_spoil(answerOption=[]), "item[0]", "has 0 answers"),
        (_spoil(answerOption=[{}, {}]), "item[0].answerOption[0]", "has no value"),
        (_spoil(answerOption=[option("A"), option("A")]), "item[0]", "that are the same"),
        (_spoil(answerOption=[{"valueDate": "2020-01-01"}] * 2), "item[0].answerOption[0]",
         "valueDate is not supported"),
        (_spoil(answerValueSet="#x"), "item[0]", "ValueSet"),
        (_spoil(repeats=True), "item[0]", "repeats"),
        (_spoil(readOnly=True), "item[0]", "is read-only"),
        (_spoil(required="yes"), "item[0].required", "neither true nor false"),
        (_spoil(type="open-choice"), "item[0]", "open-choice"),
        (_spoil(type="string"), "item[0]", "string"),
        (_spoil(type="integer", answerOption=[]), "item[0]", "without a least"),
        (_spoil(type="coding"), "item[0]", "R5"),
        (_spoil(answerConstraint="optionsOnly"), "item[0].answerConstraint", "R5"),
        (_spoil(modifierExtension=[{"url": "x"}]), "item[0].modifierExtension", "overlooked"),
        (_spoil(text="\ud800"), "item[0].text", "cannot be stored"),
        (_spoil(extension=[{"url": f"{HL7}questionnaire-hidden", "valueBoolean": True}]),
         "item[0]", "questionnaire-hidden"),
        (form(choice("a", FREQUENCY), choice("b", EASE, required=True, enableWhen=[GATE])),
         "item[1].enableWhen", "or a higher one"),
        (_spoil(enableWhen=[GATE]), "item[0].enableWhen[0].question", "is no question before"),
        (form(*(choice(str(i), EASE) for i in range(3000))), "", "more than 500 items"),
        (_nested(30), None, "groups lie more than 10 deep"),
        (form(choice("a", EASE), subjectType=["Location"]), "subjectType", "does not name Patient"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_with_place_and_reason(
    resource: Any, path: str | None, reason: str
) -> None:
    with pytest.raises(FhirError) as refused:
        from_questionnaire(resource)
    assert reason in refused.value.reason
    assert path is None or refused.value.path == path


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | TEXT,
    lambda each: st.lists(each, max_size=4) | st.dictionaries(TEXT, each, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_json_survives_in_an_extension(value: Any) -> None:
    found = decode(as_node("", json.loads(json.dumps(encode("x", value)))))
    assert (found, type(found)) == (value, type(value))


def _places(value: Any) -> list[Callable[[Any], None]]:
    """Return a way to spoil every place of a document."""
    rows = value.items() if isinstance(value, dict) else enumerate(value)
    places = []
    for key, child in list(rows):
        places.append(lambda new, key=key: value.__setitem__(key, new))
        if isinstance(child, dict | list):
            places += _places(child)
    return places


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data(), st.sampled_from(["PHQ-2", "PC-PTSD-5", "DAST-10", "lforms"]), JSON)
def test_a_spoilt_resource_is_read_or_refused_and_nothing_else(
    data: st.DataObject, code: str, junk: Any
) -> None:
    resource = lforms_phq9(SUM) if code == "lforms" else exported(code)
    data.draw(st.sampled_from(_places(resource)))(junk)
    try:
        content = from_questionnaire(resource).content
    except FhirError:
        return
    Definition.from_json(content)
