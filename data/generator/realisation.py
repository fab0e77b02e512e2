"""From an intent to words: a family that can carry it, then a phrase for each slot."""

import random
from dataclasses import dataclass, replace

from data.generator.families import CONTENT_FORMS, Skeleton, Slot
from data.generator.grammar import Agreement, expand, inflect, tidy
from data.generator.intent import Intent, Mention
from data.generator.lexicon import Lexicon, Phrase, choose
from data.generator.places import fits_zone, is_slang
from data.generator.products import Name
from data.generator.semantics import Clause, Mode

_REGISTER_WEIGHT = {
    ("encuesta", "f"): 4.0, ("encuesta", "s"): 0.15, ("redes", "s"): 2.5, ("redes", "f"): 0.2, ("app", "f"): 0.5,
    ("tienda", "f"): 0.8, ("delivery", "f"): 0.4,
}  # fmt: skip
_FORMS = {"v": "va", "c": "cva", "a": "a", "n": "n", "x": "va"}
_COPULAS = (
    "[está/están]", "[está/están]", "[estaba/estaban]", "[estuvo/estuvieron]", "[salió/salieron]", "[vino/vinieron]",
    "me [pareció/parecieron]", "[lo/la/los/las] encontré", "[lo/la/los/las] sentí", "[quedó/quedaron]",
)  # fmt: skip
_BARE_ADJECTIVE = 0.35
_EXTRA = 0.14
_ENDINGS = {"end": "kK", "xend": "K", "int": "e", "svc": "s", "verdict": "V", "irony": "y", "open": "o", "fact": "z"}
_FIXED_POLARITY = {"irony": -1, "open": 0, "fact": 0}
_TRAPS = {"wish": Mode.WISHED, "ask": Mode.ASKED, "fig": Mode.FIGURATIVE, "ingr": Mode.INGREDIENT}
_CONCEDED = 0.5  # a slot of less weight, without a taste, is filled with mild words (forms m, M)
_ELSEWHERE = {
    -1: ("{mi mamá|mi abuela|la otra cuadra|la competencia|mi barrio|mi tía}", "{acá|esto|aquí} {no|nada que ver}"),
    1: (
        "{la competencia|al frente|otras marcas|la otra cuadra|la esquina}",
        "{acá no|felizmente esto no}",
    ),
}


@dataclass(frozen=True)
class Draft:
    """A text before surface noise, with what it says."""

    text: str
    clauses: tuple[Clause, ...]
    skeleton: Skeleton


class Writer:
    """Writes intents down with the skeletons of one split.

    Args:
        lexicon: phrases.
        skeletons: of one split.
        held_out: whether to draw on the reserved phrases.
    """

    def __init__(self, lexicon: Lexicon, skeletons: tuple[Skeleton, ...], *, held_out: bool) -> None:
        self._lexicon = lexicon
        self._held_out = held_out
        self._families: dict[str, list[Skeleton]] = {}
        for skeleton in skeletons:
            self._families.setdefault(skeleton.family, []).append(skeleton)

    def write(self, intent: Intent, rng: random.Random) -> Draft:
        """Writes one text."""
        skeleton, placed = self._plan(intent, rng)
        name = rng.choices(intent.product.names, weights=[3] + [1.5] * (len(intent.product.names) - 1))[0]
        used: set[str] = set()
        parts, clauses = [], []
        for index, words in enumerate(skeleton.words):
            parts.append(_name_product(expand(words, rng), name, intent))
            if index < len(skeleton.slots):
                slot = skeleton.slots[index]
                clause = self._fill(slot, placed.get(index), intent, name.agreement, used, rng)
                parts.append(clause.text)
                clauses.append(clause)
        if rng.random() < _EXTRA:
            extra = self._extra(intent, name.agreement, used, rng)
            parts.append(". " + extra.text)
            clauses.append(extra)
        return Draft(tidy("".join(parts)), tuple(clauses), skeleton)

    def _plan(self, intent: Intent, rng: random.Random) -> tuple[Skeleton, dict[int, Mention]]:
        """The first family, in a random order by register, that has a place for every mention, or the best one."""
        best: tuple[Skeleton, dict[int, Mention]] | None = None
        order = sorted(self._families, key=lambda family: self._lot(family, intent, rng), reverse=True)
        for family in order:
            fitting = [item for item in self._families[family] if intent.polarity in item.outcomes]
            if not fitting:
                continue
            skeleton = rng.choice(fitting)
            placed = self._place(skeleton, intent, rng)
            if best is None or len(placed) > len(best[1]):
                best = (skeleton, placed)
            if len(placed) == len(intent.mentions):
                break
        assert best is not None, f"no family has the outcome {intent.polarity}"
        return best

    def _lot(self, family: str, intent: Intent, rng: random.Random) -> float:
        register = self._families[family][0].register
        return float(rng.random() ** (1 / _REGISTER_WEIGHT.get((intent.channel, register), 1.0)))

    def _place(self, skeleton: Skeleton, intent: Intent, rng: random.Random) -> dict[int, Mention]:
        free = [index for index, slot in enumerate(skeleton.slots) if slot.form in CONTENT_FORMS]
        rng.shuffle(free)
        placed: dict[int, Mention] = {}
        for mention in intent.mentions:
            for index in free:
                slot = skeleton.slots[index]
                if slot.polarity(intent.polarity) == mention.polarity and self._phrases(slot, mention, intent):
                    placed[index] = mention
                    free.remove(index)
                    break
        return placed

    def _phrases(self, slot: Slot, mention: Mention | None, intent: Intent) -> list[Phrase]:
        polarity = _FIXED_POLARITY.get(slot.form, slot.polarity(intent.polarity))
        forms = _FORMS.get(slot.form) or _ENDINGS[slot.form]
        if mention is not None:
            return self._search(mention.taste, mention.mode, polarity, forms, intent)
        if slot.weight < _CONCEDED and slot.form in ("v", "c", "x"):
            forms = "M" if slot.form == "v" else "mM"
        return self._search(None, Mode.NONE, polarity, forms, intent)

    def _search(self, taste: str | None, mode: Mode, polarity: int, forms: str, intent: Intent) -> list[Phrase]:
        tags = intent.product.tags
        found = self._lexicon.find(taste, mode, polarity, forms, tags, held_out=self._held_out)
        local = [phrase for phrase in found if fits_zone(phrase.entry, intent.region)] or found
        if intent.channel == "encuesta":
            return [phrase for phrase in local if not is_slang(phrase.entry)] or local
        return local

    def _fill(
        self,
        slot: Slot,
        mention: Mention | None,
        intent: Intent,
        agreement: Agreement,
        used: set[str],
        rng: random.Random,
    ) -> Clause:
        polarity = _FIXED_POLARITY.get(slot.form, slot.polarity(intent.polarity))
        if slot.form in _TRAPS:
            return self._trap(_TRAPS[slot.form], polarity, slot.weight, intent, agreement, used, rng)
        if slot.form == "elsewhere":
            return self._elsewhere(polarity, slot.weight, intent, agreement, rng)
        phrase = choose(self._phrases(slot, mention, intent), used, rng)
        entry = phrase.entry
        wants_verb = slot.form in ("v", "x") or (slot.form == "c" and rng.random() > _BARE_ADJECTIVE)
        if phrase.form == "a" and wants_verb:
            entry = f"{rng.choice(_COPULAS)} {entry}"
        text = inflect(expand(entry, rng), agreement)
        return Clause(text, polarity, slot.weight, phrase.taste, phrase.mode)

    def _trap(
        self,
        mode: Mode,
        polarity: int,
        weight: float,
        intent: Intent,
        agreement: Agreement,
        used: set[str],
        rng: random.Random,
    ) -> Clause:
        """A clause with the word of a taste that sets no label."""
        spoken_of = {mention.taste for mention in intent.mentions}
        tastes = list(intent.product.rates)
        rng.shuffle(tastes)
        tastes.sort(key=lambda taste: taste in spoken_of)
        if mode is Mode.FIGURATIVE:
            tastes = [phrase.taste for phrase in self._lexicon.phrases if phrase.mode is mode and phrase.taste]
            rng.shuffle(tastes)
        sign = polarity if mode is Mode.FIGURATIVE else 0
        found = next(phrases for taste in tastes if (phrases := self._search(taste, mode, sign, "c", intent)))
        phrase = choose(found, used, rng)
        return Clause(inflect(expand(phrase.entry, rng), agreement), sign, weight, phrase.taste, mode)

    def _elsewhere(
        self, polarity: int, weight: float, intent: Intent, agreement: Agreement, rng: random.Random
    ) -> Clause:
        """A quality of another product, which this one lacks (a complaint) or is spared (praise)."""
        found = [
            phrases
            for taste in intent.product.rates
            if (phrases := self._search(taste, Mode.PRESENT, -polarity, "a", intent))
        ]
        phrase = rng.choice(rng.choice(found))
        owner, end = _ELSEWHERE[polarity]
        entry = f"[el/la/los/las] de {owner} sí [está/están] {phrase.entry}, {end}"
        return Clause(inflect(expand(entry, rng), agreement), polarity, weight, phrase.taste, Mode.ELSEWHERE)

    def _extra(self, intent: Intent, agreement: Agreement, used: set[str], rng: random.Random) -> Clause:
        """A sentence at the end that is beside the point."""
        mode = rng.choice((Mode.WISHED, Mode.FIGURATIVE, Mode.INGREDIENT, Mode.INGREDIENT))
        clause = self._trap(mode, intent.polarity, 0.5, intent, agreement, used, rng)
        return replace(clause, weight=0.3)


def _name_product(words: str, name: Name, intent: Intent) -> str:
    is_drink = "drink" in intent.product.tags
    return (
        words.replace("$comer", "tomar" if is_drink else "comer")
        .replace("$P", name.definite)
        .replace("$D", name.demonstrative)
        .replace("$U", name.indefinite_article)
        .replace("$p", name.noun)
        .replace("$R", intent.region)
    )
