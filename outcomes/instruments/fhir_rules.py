"""The rules that FHIR and a definition share: what an answer counts, sums, and when to ask.

Pure: no Django. A foreign rule is understood when it is exactly one of ours, and otherwise not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from outcomes.instruments.fhir_answers import Answer, Asked
from outcomes.instruments.fhir_elements import WEIGHTS, FhirError, Node, as_number

_LONGEST, _LONGEST_TERM = 20_000, 2_000
_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|%?\w+|!=|\S")
_QUOTED = r"'[^'\\]*'"
_SUM = re.compile(
    r"%resource \. (?P<path>item(?: \. item)*|repeat \( item \)|descendants \( \))"
    r"(?: \. where \( (?P<where>.+) \))? \. answer(?: \. value(?:Coding|Integer)?)?"
    r"(?: \. (?P<weight>ordinal|weight) \( \))? \. sum \( \)"
)
_TIMES = re.compile(r"(.+) \* ([1-9][0-9]{0,3})")
_PLACE = r"(?P<path>item(?: \. item)*|repeat \( item \))"
_CODE = r"(?:value|valueCoding) \. code"
_ONE = re.compile(
    rf"%resource \. {_PLACE} \. where \( linkId = ({_QUOTED}) \)"
    r" \. answer(?: \. value(?:Coding)?)? \. (?:ordinal|weight) \( \)"
)
_LOOKED_UP = re.compile(
    rf"%questionnaire \. {_PLACE} \. where \( linkId = ({_QUOTED}) \)"
    rf" \. answerOption \. where \( {_CODE} ="
    rf" %resource \. (?P=path) \. where \( linkId = \2 \) \. answer \. {_CODE} \)"
    rf" \. extension \. where \( url = (?P<url>{_QUOTED}|%\w+) \) \. (?:value|valueDecimal)"
)
_GIVEN = re.compile(r"iif \( (%\w+) \. exists \( \) , (%\w+) , 0 \)")
_ONLY_IF = re.compile(r"iif \( (?P<when>[^()]*(?:\( \)[^()]*)*) , (?P<sum>.+) , { } \)")
_EXIST = re.compile(r"%\w+ \. exists \( \)(?: (?:or|and) %\w+ \. exists \( \))*")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">": int.__gt__,
    "<": int.__lt__,
    ">=": int.__ge__,
    "<=": int.__le__,
}


def turned_items(scales: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the items that every scale with them turns round."""
    turned, straight = set(), set()
    for scale in scales:
        backward = set(scale["scoring"].get("reversed", ()))
        turned |= backward
        straight |= set(scale["scoring"]["items"]) - backward
    return turned - straight


def turn(points: Mapping[int, Any]) -> dict[int, Any]:
    """Turn what answers count round between its ends; twice changes nothing."""
    counted = [score for score in points.values() if score is not None]
    ends = min(counted) + max(counted) if counted else 0
    return {value: None if score is None else ends - score for value, score in points.items()}


def has_own_codes(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether no two answers of a list have the same LOINC code."""
    codes = [row["loinc"] for row in rows if "loinc" in row]
    return len(set(codes)) == len(codes)


def is_plain_sum(scoring: Mapping[str, Any], turned: Collection[str]) -> bool:
    """Tell whether adding up the ordinals gives the score, but for the multiplier."""
    backward = set(scoring.get("reversed", ()))
    return (
        scoring["method"] == "sum"
        and "maxima" not in scoring
        and all((link_id in turned) == (link_id in backward) for link_id in scoring["items"])
    )


def plain_sum(scoring: Mapping[str, Any]) -> str:
    """Write a sum in FHIRPath."""
    listed = "|".join(f"'{link_id}'" for link_id in scoring["items"])
    total = f"%resource.item.where(linkId in ({listed})).answer.value.ordinal().sum()"
    times = scoring.get("multiplier", 1)
    return total if times == 1 else f"{total} * {times}"


def read_sum(
    expression: str, variables: Mapping[str, str], asked: Sequence[Asked]
) -> tuple[list[str], int] | None:
    """Return the items and the multiplier of a plain sum of weights, None for anything else."""
    if len(expression) > _LONGEST:
        return None
    plain, times = _tidy(expression), 1
    if found := _TIMES.fullmatch(plain):
        plain, times = found[1], int(found[2])
        if plain.startswith("( ") and plain.endswith(" )"):
            plain = plain[2:-2]
    listed = _summed(plain, asked)
    if listed is None:
        listed = _added(plain, variables, {row.link_id: row for row in asked})
    return (listed, times) if listed else None


def _tidy(expression: str) -> str:
    return " ".join(_TOKEN.findall(expression[:_LONGEST]))


def _summed(plain: str, asked: Sequence[Asked]) -> list[str] | None:
    found = _SUM.fullmatch(plain)
    chosen = _chosen(found["where"], asked) if found else None
    if found is None or chosen is None:
        return None
    named, everything = chosen
    reached = [row for row in named if _reaches(found["path"], row)]
    if not everything and len(reached) < len(named):
        return None
    if found["weight"] is None:
        return [row.link_id for row in reached] if all(row.is_number for row in reached) else None
    weighing = [row.link_id for row in reached if row.weighs]
    return weighing if everything or len(weighing) == len(reached) else None


def _reaches(path: str, row: Asked) -> bool:
    if path.startswith("descendants"):
        return True
    if row.depth is None:
        return False
    return path.startswith("repeat") or row.depth == path.count("item")


def _chosen(where: str | None, asked: Sequence[Asked]) -> tuple[list[Asked], bool] | None:
    """Return the questions a condition lets pass, and whether it names none of them."""
    if where is None:
        return list(asked), True
    if found := re.fullmatch(rf"linkId \. startsWith \( ({_QUOTED}) \)", where):
        start = found[1][1:-1]
        return [row for row in asked if row.link_id.startswith(start)], True
    if re.fullmatch(rf"linkId != {_QUOTED}(?: and linkId != {_QUOTED})*", where):
        left_out = _quoted(where)
        return [row for row in asked if row.link_id not in left_out], True
    union = rf"{_QUOTED}(?: \| {_QUOTED})*"
    equal = rf"linkId = {_QUOTED}(?: or linkId = {_QUOTED})*"
    if not re.fullmatch(rf"linkId in (?:\( {union} \)|{union})|{equal}", where):
        return None
    by_id, wanted = {row.link_id: row for row in asked}, list(dict.fromkeys(_quoted(where)))
    if not set(wanted) <= by_id.keys():
        return None
    return [by_id[link_id] for link_id in wanted], False


def _quoted(text: str) -> list[str]:
    return [each[1:-1] for each in re.findall(_QUOTED, text)]


def _added(plain: str, names: Mapping[str, str], asked: Mapping[str, Asked]) -> list[str] | None:
    """Read `%a + %b`, also where each is 0 if absent, or all of it empty if none is there."""
    if (found := _ONLY_IF.fullmatch(plain)) and _is_about_presence(found["when"], names):
        plain = found["sum"]
    listed: list[str] = []
    for term in plain.split(" + "):
        if (given := _GIVEN.fullmatch(term)) and given[1] == given[2]:
            term = given[1]
        body = _tidy(names[term[1:]][:_LONGEST_TERM]) if term[1:] in names else term
        found = _ONE.fullmatch(body) or _LOOKED_UP.fullmatch(body)
        row = asked.get(found[2][1:-1]) if found else None
        if found is None or row is None or not row.weighs or not _reaches(found["path"], row):
            return None
        if "url" in found.groupdict():
            url = found["url"]
            if names.get(url[1:], url).strip(" '") not in WEIGHTS:
                return None
        if row.link_id in listed:
            return None
        listed.append(row.link_id)
    return listed


def _is_about_presence(when: str, names: Mapping[str, str]) -> bool:
    # An incomplete form has no score here, so any rule about which answers are there is met.
    body = _tidy(names[when[1:]]) if when[1:] in names else when
    return _EXIST.fullmatch(body) is not None


def enable_when(
    gate: Mapping[str, Any], codings: Callable[[str], Mapping[int, Mapping[str, str]]]
) -> dict[str, Any]:
    """Write when a question is asked; raises FhirError for a value that no answer reaches.

    Any of several: one row per answer at or above. All of several: not one of the answers below.
    """
    is_all = gate["at_least"] > 1
    rows: list[dict[str, Any]] = []
    for link_id, least in gate["items"].items():
        answers = codings(link_id)
        enough = [coding for value, coding in answers.items() if value >= least]
        if not enough:
            raise FhirError("enabled_when", f"no answer to {link_id} reaches {least}")
        if is_all and len(enough) > 1:
            rows.append({"question": link_id, "operator": "exists", "answerBoolean": True})
            below = [coding for value, coding in answers.items() if value < least]
            rows += [_row(link_id, "!=", coding) for coding in below]
        else:
            rows += [_row(link_id, "=", coding) for coding in enough]
    behaviour = {"enableBehavior": "all" if is_all else "any"} if len(rows) > 1 else {}
    return {"enableWhen": rows, **behaviour}


def _row(link_id: str, operator: str, coding: Mapping[str, str]) -> dict[str, Any]:
    return {"question": link_id, "operator": operator, "answerCoding": dict(coding)}


def read_gate(item: Node, before: Mapping[str, Asked]) -> dict[str, Any] | None:
    """Read an item's enableWhen, by the questions before it; raises FhirError for what we lack."""
    rows, behaviour = item.children("enableWhen"), item.text("enableBehavior")
    if not rows:
        return None
    if len(rows) == 1 and behaviour is None:
        behaviour = "any"
    if behaviour not in ("any", "all"):
        raise FhirError(f"{item.path}.enableBehavior", "is neither all nor any")
    found: dict[str, set[int]] = {}
    for row in rows:
        link_id = row.text("question") or ""
        if link_id not in before:
            raise FhirError(f"{row.path}.question", "is no question before this one")
        values = _met(row, before[link_id].answers)
        if link_id not in found:
            found[link_id] = values
        elif behaviour == "all":
            found[link_id] &= values
        else:
            found[link_id] |= values
    items = {}
    for link_id, values in found.items():
        if (
            not values
            or {answer.value for answer in before[link_id].answers if answer.value >= min(values)}
            != values
        ):
            raise FhirError(f"{item.path}.enableWhen", "is not 'this answer or a higher one'")
        items[link_id] = min(values)
    return {"items": items, "at_least": len(items) if behaviour == "all" else 1}


def _met(row: Node, answers: Sequence[Answer]) -> set[int]:
    operator, (kind, wanted) = row.text("operator"), _wanted(row)
    if operator == "exists" and wanted is True:
        return {answer.value for answer in answers}
    if operator in ("=", "!="):
        same = {answer.value for answer in answers if _is_same(answer.key, wanted)}
        if not same:
            raise FhirError(f"{row.path}.{kind}", "is no answer to that question")
        return same if operator == "=" else {answer.value for answer in answers} - same
    if operator in _COMPARE and type(wanted) is int:
        meets = _COMPARE[operator]
        return {a.value for a in answers if type(a.key) is int and meets(a.key, wanted)}
    raise FhirError(f"{row.path}.operator", "is not understood here")


def _wanted(row: Node) -> tuple[str, object]:
    kinds = [name for name in row.data if name.startswith("answer")]
    if len(kinds) != 1:
        raise FhirError(row.path, "should compare with one answer")
    if kinds[0] == "answerCoding":
        coding = row.child("answerCoding")
        assert coding is not None or row.data["answerCoding"] is None
        return kinds[0], coding and (coding.text("system"), coding.text("code"))
    value = row.data[kinds[0]]
    if kinds[0] in ("answerInteger", "answerDecimal"):
        number = as_number(f"{row.path}.{kinds[0]}", value)
        return kinds[0], int(number) if number == int(number) else number
    if kinds[0] in ("answerBoolean", "answerString"):
        return kinds[0], value
    raise FhirError(f"{row.path}.{kinds[0]}", "is not understood here")


def _is_same(key: object, wanted: object) -> bool:
    if isinstance(key, tuple) and isinstance(wanted, tuple):
        # A coding that names no system means whichever the other one names.
        return key[1] == wanted[1] and (key[0] == wanted[0] or None in (key[0], wanted[0]))
    return type(key) is type(wanted) and key == wanted
