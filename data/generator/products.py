"""What a generator needs to know of the products of the catalogue: names, kinds, and what people say of them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data.catalogue import CATEGORY_OF
from data.generator.grammar import Agreement

_FILE = Path(__file__).parent / "phrases" / "products.txt"
_NOT_HOT = ("cold", "drink", "fish", "bag", "sweet", "dairy")


@dataclass(frozen=True)
class Name:
    """A way to name a product, without article."""

    noun: str
    agreement: Agreement

    @property
    def definite(self) -> str:
        """With its article: "el ceviche"."""
        return f"{self.agreement.pick(['el', 'la', 'los', 'las'])} {self.noun}"

    @property
    def demonstrative(self) -> str:
        """With "este"."""
        return f"{self.agreement.pick(['este', 'esta', 'estos', 'estas'])} {self.noun}"

    @property
    def indefinite_article(self) -> str:
        """The article of "un ceviche"."""
        return self.agreement.pick(["un", "una", "unos", "unas"])


@dataclass(frozen=True)
class Product:
    """A product of the sample.

    Attributes:
        name: as in the catalogue.
        popularity: relative share of the rows.
        tags: kinds that some phrases ask for (drink, fish, cold, dairy …).
        names: how writers call it, the first most often.
        rates: chance that a text says it has the taste, before any shift.
        home: regions where it is likelier.
    """

    name: str
    popularity: float
    tags: tuple[str, ...]
    names: tuple[Name, ...]
    rates: dict[str, float]
    home: tuple[str, ...]

    @property
    def category(self) -> str:
        """Its category."""
        return CATEGORY_OF[self.name]


@cache
def load_products() -> dict[str, Product]:
    """Reads `phrases/products.txt`, in the order of the catalogue."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    parsed = [_parse(line) for line in lines if line.strip() and not line.startswith("#")]
    by_name = {product.name: product for product in parsed}
    return {name: by_name[name] for name in CATEGORY_OF}


def _parse(line: str) -> Product:
    name, popularity, tags, names, rates, home = (part.strip() for part in line.split("|"))
    pairs = [pair.split(" ") for pair in rates.split(", ")]
    kinds = tags.split()
    if not any(kind in kinds for kind in _NOT_HOT):
        kinds.append("hot")
    return Product(
        name=name,
        popularity=float(popularity),
        tags=tuple(kinds),
        names=tuple(_name(part.strip()) for part in names.split(";")),
        rates={taste: float(rate) for taste, rate in pairs},
        home=tuple(part.strip() for part in home.split(",") if part.strip()),
    )


def _name(part: str) -> Name:
    code, _, noun = part.partition(" ")
    return Name(noun, Agreement(feminine=code[0] == "f", plural=code[1] == "p"))
