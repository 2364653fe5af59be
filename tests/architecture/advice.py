"""What would be advice, in every language of the product, and the exact places reviewed as none.

Words of advice are looked for in all that anybody reads: pages, mails, text messages, catalogues,
alternative texts, the words of charts, scripts, documents and the library of instruments.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]

ADVICE: dict[str, tuple[str, ...]] = {
    "en": (
        r"\bshould\b",
        r"\bought to\b",
        r"\brecommend",
        r"\badvis(?:e|es|ed|able|ing)\b",
        r"\bsuggest(?:s|ed|ion|ions)?\b",
        r"\bconsider(?:s|ed|ing)?\b",
        r"\b(?:over)?due for\b",
        r"\bboosters?\b",
        r"\b(?:next|optimal|ideal|target|right|best|better) (?:dose|dosage|interval)\b",
        r"\b(?:increas|reduc|rais|lower|adjust|titrat|escalat)\w* (?:the|a|his|her|their) dos",
        r"\bdose (?:increase|reduction|adjustment|escalation)\b",
        r"\bneeds? (?:a|an|another|more|further|to be) (?:\w+ )?(?:session|infusion|dose|treat)",
        r"\btime (?:for|to) (?:a|an|another|the next) (?:session|infusion|dose|treatment)\b",
        r"\b(?:at|high|medium|moderate|low|elevated|increased) risk\b",
        r"\brisk (?:of|score|rating|level|categor|stratif)",
        r"\blikely to\b",
        r"\b(?:un)?likelihood\b",
        r"\bpredict",
        r"\bforecast",
        r"\bprognos",
        r"\bexpected (?:to )?(?:respon|relaps|remi|benefit|course|improve)",
        r"\bindicated for\b",
        r"\bcontraindicat",
        r"\b(?:continue|stop|resume|extend|repeat) (?:the )?(?:treatment|course|infusions?)\b",
    ),
    "de": (
        r"\bsollt?en?\b",
        r"\bsolltest?\b",
        r"empf(?:ehl|iehl|ohl)",
        r"\brat(?:en|sam)\b",
        r"\bgeraten\b",
        r"\bVorschlag|\bVorschläge|\bvorgeschlagen|\bschlagen wir",
        r"\berwäg|\bziehen Sie .{0,40} in Betracht",
        r"\bfällig für|\bist fällig\b",
        r"\bAuffrisch|\bBooster",
        r"\b(?:nächste|optimale|ideale|richtige|bessere)[nrs]? (?:Dosis|Dosierung|Abstand)",
        r"\bDosis (?:er|ver)?(?:höhen|mindern|ringern|senken|anpassen|steigern)",
        r"\bDosis(?:erhöhung|anpassung|steigerung|senkung)",
        r"\bbraucht (?:eine|noch eine|mehr) (?:\w+ )?(?:Sitzung|Infusion|Dosis|Behandlung)",
        r"\b(?:hohe|mittlere|niedrige|erhöhte)[srnm]? Risiko",
        r"\bRisiko(?:wert|stufe|gruppe|patient)|\bgefährdet\b",
        r"\bwahrscheinlich\b",
        r"\bvorher(?:sag|geseh)|\bVorhersag|\bPrognos",
    ),
    "es": (
        r"\bdeber[íi]an?\b",
        r"\brecom(?:end|iend)",
        r"\baconsej|\bconsejo",
        r"\bsug(?:er|ier|ir)",
        r"\bconsider(?:e|en|ar)\b",
        r"\ble toca\b|\btoca (?:una|la) (?:sesión|infusión|dosis)",
        r"\brefuerzo",
        r"\b(?:próxima|siguiente|mejor) dosis|\bdosis (?:siguiente|óptima|ideal|adecuada)",
        r"\b(?:aument|reduc|sub|baj|ajust|titul)\w* la dosis",
        r"\bnecesita (?:una|otra|más) (?:\w+ )?(?:sesi|infusi|dosis|tratamiento)",
        r"\b(?:alto|medio|moderado|bajo|elevado|en) riesgo|\briesgo (?:de|alto|medio|bajo|elevado)",
        r"\bprobable",
        r"\bpred(?:ic|ec|ij)|\bpronóst",
    ),
    "fr": (
        r"\bdevr(?:ait|aient|iez|ions)\b",
        r"\brecommand",
        r"\b(?:dé)?conseill|\bconseils?\b",
        r"\bsugg[éè]r",
        r"\benvisag|\bconsidér",
        r"\brappel de (?:traitement|perfusion)|\binjection de rappel",
        r"\b(?:prochaine|meilleure) dose|\bdose (?:suivante|optimale|idéale|adéquate)",
        r"\b(?:augment|rédui|diminu|baiss|ajust|titr)\w* la dose",
        r"\ba besoin d.{1,12} (?:séance|perfusion|dose|traitement)",
        r"\b(?:à|haut|faible) risque|\brisque (?:de|élevé|modéré|faible)|\brisque d['’]",
        r"\bprobable|\bvraisembl",
        r"\bpréd(?:i[tcs]|ir)|\bpronosti",
    ),
    "pt": (
        r"\bdever(?:ia|iam|á|ão)\b",
        r"\brecomend",
        r"\baconselh|\bconselho\b",
        r"\bsuge[rs]|\bsugir",
        r"\bconsider(?:e|en|ar)\b",
        r"\breforço",
        r"\b(?:próxima|melhor) dose|\bdose (?:seguinte|ótima|ideal|adequada)",
        r"\b(?:aument|reduz|diminu|baix|ajust|titul)\w* a dose",
        r"\b(?:precisa|necessita) de (?:uma|outra|mais) (?:\w+ )?(?:sess|infus|dose|tratamento)",
        r"\b(?:alto|médio|moderado|baixo|em) risco|\brisco (?:de|alto|médio|baixo|elevado)",
        r"\bprovável|\bprovave",
        r"\bpred(?:i[zct]|it)|\bprognós",
    ),
}
# Reviewed: each stands exactly so in the product, and says why it advises nobody.
ALLOWED: dict[str, str] = {
    "It does not advise.": "says that the product does not",
    "They do not advise a treatment.": "says that the product does not",
    "it never advises.": "says that the product does not",
    "It never advises a dose": "says that the product does not",
    "advises nothing": "says that the product does not",
    "a fact, not a suggestion.": "says that the product does not",
    "It is not a risk rating.": "says that the product does not",
    "Es gibt keine Empfehlungen ab.": "says that the product does not",
    "Sie empfehlen keine Behandlung.": "says that the product does not",
    "eine Tatsache, kein Vorschlag.": "says that the product does not",
    "No aconseja.": "says that the product does not",
    "No aconsejan ningún tratamiento.": "says that the product does not",
    "un dato, no una sugerencia.": "says that the product does not",
    "Il ne conseille pas.": "says that the product does not",
    "Elles ne conseillent pas de traitement.": "says that the product does not",
    "Não aconselha.": "says that the product does not",
    "Não aconselham nenhum tratamento.": "says that the product does not",
    "um facto, não uma sugestão.": "says that the product does not",
    "A screen, not a prediction": "says what the screener is not",
    "What a patient in crisis should do, with local numbers, in your own words.": (
        "asks the clinic for its own crisis text"
    ),
    "Was Patientinnen und Patienten in einer Krise tun sollen": (
        "asks the clinic for its own crisis text"
    ),
    "If a patient is at risk, do not wait for this page": "the server failed: nobody waits for it",
    "Wenn eine Patientin oder ein Patient gefährdet ist": "the server failed: nobody waits for it",
    "Si un paciente está en riesgo, no espere": "the server failed: nobody waits for it",
    "Se um paciente estiver em risco, não espere": "the server failed: nobody waits for it",
    "Alguien, probablemente usted": "who asked for a new password",
    "probablement vous, a demandé": "who asked for a new password",
    "Foi feito um pedido, provavelmente por si": "who asked for a new password",
    "a yes is at least low risk": "the screener's published level of one answer, with its source",
    "a yes is moderate risk": "the screener's published level of one answer, with its source",
    "a yes is at least moderate risk": "the screener's published level, with its source",
    "a yes is high risk": "the screener's published level of one answer, with its source",
    "screens positive for depression or a risk of it": "a published meaning of the CES-D's cut-off",
    "its positive predictive value is low": "a published property of an item, with its source",
    "I know I should not worry about things": "an item of the PSWQ, word for word",
    "checks again whether it should still be sent": "a message, not a treatment",
    "says which of them should wake somebody": "a monitor's figure, not a treatment",
    "What should wake somebody.": "a monitor's figure, not a treatment",
    "Another time for a session, with the reason.": "moves a session that staff planned",
    "should end at": "refuses a questionnaire's file",
    "should start at": "refuses a questionnaire's file",
    "should hold one value": "refuses a questionnaire's file",
    "should compare with one answer": "refuses a questionnaire's file",
}
_COMPILED = {
    language: re.compile("|".join(words), re.IGNORECASE) for language, words in ADVICE.items()
}
_REVIEWED = re.compile("|".join(map(re.escape, ALLOWED)))


def advice_in(text: str, language: str = "en") -> list[str]:
    """Return the words of advice in a text, amid what stands around them; none that is reviewed."""
    flat = " ".join(text.split())
    reviewed = [hit.span() for hit in _REVIEWED.finditer(flat)]
    return [
        flat[max(0, hit.start() - 60) : hit.end() + 60]
        for hit in _COMPILED[language].finditer(flat)
        if not any(start <= hit.start() and hit.end() <= end for start, end in reviewed)
    ]


@cache
def texts() -> tuple[tuple[str, str, str], ...]:
    """Return every text somebody may read: its file, its language, itself."""
    return tuple(_texts())


def _texts() -> Iterator[tuple[str, str, str]]:
    for path in sorted((ROOT / "templates").rglob("*.*")):
        yield _name(path), "en", _plain(path.read_text("utf-8"))
    for path in _documents():
        yield _name(path), "en", path.read_text("utf-8")
    for path in sorted((ROOT / "outcomes" / "static").rglob("*.js")):
        yield _name(path), "en", path.read_text("utf-8")
    for path in sorted((ROOT / "outcomes").rglob("*.py")):
        # A migration repeats what the models say.
        for text in _strings_of(path) if path.parent.name != "migrations" else ():
            yield _name(path), "en", text
    for path in sorted((ROOT / "outcomes").rglob("*.json")):
        for text in _leaves(json.loads(path.read_text("utf-8"))):
            yield _name(path), "en", text
    yield from _translations()


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _documents() -> Iterator[Path]:
    yield from sorted(ROOT.glob("*.md"))
    for kind in ("*.md", "*.yml", "*.example"):
        yield from sorted((ROOT / "docs").rglob(kind))


def _plain(html: str) -> str:
    """Return a page's words: a tag may stand between two, and an attribute may hold some."""
    words = " ".join(re.findall(r"(?:alt|title|aria-label|placeholder|content)=\"([^\"]*)\"", html))
    return re.sub(r"<[^>]*>", " ", html) + " " + words


def _strings_of(path: Path) -> Iterator[str]:
    """Return a module's strings; of its docstrings only those that the API's document shows."""
    tree = ast.parse(path.read_text("utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    docstrings = set() if "api" in path.parts else alone
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield node.value if isinstance(node.value, str) else ""


def _leaves(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for part in data.values() if isinstance(data, dict) else data:
            yield from _leaves(part)


def _translations() -> Iterator[tuple[str, str, str]]:
    for path in sorted((ROOT / "locale").rglob("*.po")):
        language = path.parts[-3]
        with path.open("rb") as file:
            for row in read_po(file, locale=language):
                for said in (row.id, row.string):
                    of = "en" if said is row.id else language
                    for text in [said] if isinstance(said, str) else said:
                        yield _name(path), of, text
