"""Words that announce the name of a person, and words that rule one out. All are folded: lower case, no accents."""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol


class Cue(Enum):
    """How much the words before a name say."""

    TITLE = "Sra. …"
    SELF = "me llamo …"
    ROLE = "el mozo …"
    CONTACT = "gracias …"


REACHES = frozenset({Cue.TITLE, Cue.SELF})
"""After these, any capitalised word is a name."""

ANY_CASE = frozenset({Cue.TITLE, Cue.SELF, Cue.ROLE})
"""After these, an ambiguous name counts in lower case too."""


class _Word(Protocol):
    @property
    def folded(self) -> str: ...
    @property
    def gap(self) -> str: ...


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _words(
    "sr sra srta sres señor señora señorita seño don doña dn dña doctor doctora dr dra ing ingeniero lic licenciada"
    " licenciado prof profe profesor profesora miss ms mr tia tio"
)
_ROLES = _words(
    "joven mozo moza mesero mesera cajero cajera azafata azafato anfitrion anfitriona motorizado repartidor"
    " repartidora vendedor vendedora encargado encargada administrador administradora gerente gerenta cocinero"
    " cocinera chef barman bartender vigilante portero dueño dueña duena casero casera caserita maestro maestra"
    " parrillero panadero supervisor supervisora practicante colaborador colaboradora asesor asesora esposo esposa"
    " marido mujer hijo hija hijito hijita hijos hijas hermano hermana prima primo amigo amiga novio novia enamorado"
    " enamorada vecino vecina suegra suegro abuela abuelo abuelita mama papa mami papi madre padre ahijado ahijada"
    " sobrino sobrina padrino madrina compadre comadre jefe jefa socio socia nieto nieta cuñado cuñada cliente"
    " clienta señito compañero compañera"
)
_PHRASES_OF = {
    Cue.SELF: "me llamo|mi nombre es|a nombre de|nombre completo|un tal|una tal|firmado por|firma"
    "|me atendio|nos atendio|atendido por|atendida por|atendidos por|atendidas por|atte|att"
    "|atentamente|le habla|les habla|les escribe",
    Cue.ROLE: "soy|se llama|se llamaba|llamado|llamada|aqui|parte de|saluda|saludos a|mama de|papa de"
    "|esposa de|esposo de|hijo de|hija de",
    Cue.CONTACT: "gracias|gracias a|saludos|con|pregunten por|pregunte por|dile a|dile al|diganle a|hable con|a|para"
    "|felicito a|felicitaciones a|llama|atencion de|sazon de|hola|ay|oe|oye",
}
_PHRASES = {tuple(phrase.split()): cue for cue, phrases in _PHRASES_OF.items() for phrase in phrases.split("|")}
_LAST_WORDS = frozenset(phrase[-1] for phrase in _PHRASES)
_LONGEST = max(map(len, _PHRASES))
_ABBREVIATED = _words("sr sra srta sres dn dña dr dra ing lic prof")
_TITLE_GAPS = frozenset({". ", "."})
_PHRASE_GAPS = frozenset({" ", ": ", ", ", ". ", ":", ",", " - "})
_ROLE_GAPS = frozenset({" ", ", ", " (", ": "})

CUE_WORDS = _TITLES | _words(
    "soy llamo llama llamado llamada nombre atendió atendio atendido atendida atte att atentamente tal"
)
"""Words that make a text worth a look even if it holds no known name."""

PARTICLES = _words("de del la las los da di")

BLOCKERS = _words(
    "san santa santo fray sor beato virgen restaurante restaurant resto restobar polleria cevicheria cebicheria"
    " chifa panaderia pasteleria pizzeria picanteria bodega mercado minimarket market tienda av avenida calle jr"
    " jiron pasaje psje plaza plazuela parque urb urbanizacion colegio instituto hospital clinica universidad puente"
    " ovalo estadio aeropuerto distrito provincia playa cerro hotel hostal cafe cafeteria bar marca galletas galleta"
    " leche yogurt gaseosa cerveza pisco agua huarique sangucheria jugueria heladeria feria nevado laguna rio cerro"
    " valle puerto caserio comunidad barrio hacienda residencial condominio centro cc mall malecon alameda ensalada"
    " torta pizza juane pollo salsa pan queso turron"
)
"""Before a name, these make it the name of a place, a shop, a dish or a saint."""

BLOCKERS_WITH_CAPITAL = _words(
    "casa rincon sabor sazon delicias cocina fogon antojitos donde lo dulceria sangucheria anticuchos"
)
"""The same, where they begin with a capital."""

PLACES = _words(
    "amazonas ancash apurimac arequipa ayacucho cajamarca callao cusco cuzco huancavelica huanuco ica junin"
    " lambayeque libertad lima loreto madre moquegua pasco piura puno martin tacna tumbes ucayali trujillo chiclayo"
    " iquitos huaraz jaen tarma huancayo juliaca chimbote pucallpa barrios barranco miraflores surco breña rimac"
    " lince comas victoria castilla gamarra zamora valencia madrid florencia"
)
"""Places that are surnames too; never a name by themselves."""

USUAL_LATER = _words(
    "angel jesus rosa luz carmen pilar milagros cruz flores rojas torres ramos reyes leon luna rivera vega salas"
    " rios campos silva soto miranda palacios roman rosas santos cardenas valle villa"
)
"""Ambiguous words that go on a name written without capitals: "miguel angel", "ana flores"."""

NEVER = _words(
    "gerente administrador presidente muy no si que la el los las un una de del y e o a en con por para es fue me"
    " mi se su te tu le les lo todo todos nada gracias saludos hola pero como cuando este esta eso peru peruano"
    " peruana limeño limeña cliente clienta yo al mas ya ni tan bien mal team fan asi aqui alli hoy ayer comida don"
    " doña sr sra señor señora señorita alcalde ministro director directora juez congresista policia presidenta"
    " secretaria excelente buena buen super felicitaciones"
)
"""Ordinary words that no cue turns into a name."""

NEVER_LOWER = _words(
    "linda lindo caro amado bello bella blanco blanca bravo rubio rosado rico alegre franca franco solo delgado"
    " calvo mayor limon justo lucas maximo maxima marco felicita cristiano cristiana marciano marciana israel"
    " silvestre lucha rocio norma armando jean modesto modesta delfin flora benigno clemente prudencia paciencia"
    " dalia violeta azucena hortensia jazmin esmeralda esperanza lucero reina roque simon lola candelaria natividad"
    " asuncion primitivo placida placido severo prospero leo lina ventura augusta augusto lady gema iris melisa"
    " celeste celestino celestina socorro fidel fausto fausta elvis leal pepito panchita panchito perpetua perpetuo"
    " honorato constanza clemencia americana dionisiaco florida washington"
)
"""Ordinary words that are names only with a capital."""


def cue_before(words: Sequence[_Word], place: int) -> Cue | None:
    """The cue that ends right before the word at `place`."""
    if not place:
        return None
    before, gap = words[place - 1].folded, words[place].gap
    if before in _TITLES and (gap == " " or (before in _ABBREVIATED and gap in _TITLE_GAPS)):
        return Cue.TITLE
    if before in _ROLES and gap in _ROLE_GAPS:
        return Cue.ROLE
    if before not in _LAST_WORDS or gap not in _PHRASE_GAPS:
        return None
    for length in range(min(_LONGEST, place), 0, -1):
        cue = _PHRASES.get(tuple(word.folded for word in words[place - length : place]))
        if cue:
            return cue
    return None


def cue_after(words: Sequence[_Word], place: int) -> Cue | None:
    """The cue that begins right behind the word at `place`: ", el mozo", "la de caja"."""
    behind = words[place + 1 : place + 3]
    if len(behind) < 2 or behind[0].folded not in ("el", "la") or behind[0].gap not in (" ", ", "):
        return None
    return Cue.CONTACT if behind[1].folded in _ROLES or (behind[1].folded == "de" and behind[0].gap == " ") else None
