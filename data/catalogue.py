"""Products of the sample data and their categories. A user's own files may hold any product and category."""

from typing import Final

_BY_CATEGORY: Final[dict[str, tuple[str, ...]]] = {
    "plato": (
        "ceviche",
        "ají de gallina",
        "lomo saltado",
        "causa",
        "pollo a la brasa",
        "arroz chaufa",
        "tacu tacu",
        "rocoto relleno",
        "papa a la huancaína",
        "seco de cabrito",
        "arroz con pollo",
        "juane",
        "pachamanca",
        "chupe de camarones",
        "adobo",
        "cuy",
        "trucha",
        "tiradito",
    ),
    "callejero": (
        "anticuchos",
        "tamal",
        "salchipapa",
        "pan con chicharrón",
        "empanada",
        "choclo con queso",
        "butifarra",
    ),
    "postre": (
        "picarones",
        "mazamorra morada",
        "arroz con leche",
        "suspiro a la limeña",
        "alfajor",
        "turrón",
        "king kong",
    ),
    "helado": ("queso helado", "helado de lúcuma", "raspadilla", "helado de aguaje"),
    "bebida": (
        "Inca Kola",
        "chicha morada",
        "chicha de jora",
        "emoliente",
        "pisco sour",
        "maracuyá",
        "café",
        "gaseosa",
        "jugo de camu camu",
    ),
    "snack": ("chifles", "cancha", "papas fritas", "barra de quinua", "galletas", "habas saladas"),
    "despensa": ("yogur", "mermelada de aguaymanto", "queso", "salsa de ají"),
    "otro": ("otro",),
}

CATEGORY_OF: Final[dict[str, str]] = {
    product: category for category, products in _BY_CATEGORY.items() for product in products
}
"""Category of every product of the sample."""

PRODUCTS: Final = tuple(CATEGORY_OF)
