"""Regions by population, the words of each zone, and channels."""

from typing import Final

POPULATION: Final[dict[str, float]] = {
    "Amazonas": 0.43, "Áncash": 1.18, "Apurímac": 0.43, "Arequipa": 1.56, "Ayacucho": 0.67, "Cajamarca": 1.45,
    "Callao": 1.15, "Cusco": 1.36, "Huancavelica": 0.37, "Huánuco": 0.76, "Ica": 0.98, "Junín": 1.36,
    "La Libertad": 2.03, "Lambayeque": 1.32, "Lima": 10.8, "Loreto": 1.03, "Madre de Dios": 0.18, "Moquegua": 0.19,
    "Pasco": 0.27, "Piura": 2.08, "Puno": 1.24, "San Martín": 0.90, "Tacna": 0.37, "Tumbes": 0.25, "Ucayali": 0.61,
}  # fmt: skip
"""Inhabitants in millions, rounded. Source: INEI, projections for 2022."""

CHANNEL_WEIGHTS: Final[dict[str, float]] = {
    "app": 0.26,
    "encuesta": 0.18,
    "redes": 0.22,
    "tienda": 0.14,
    "delivery": 0.2,
}

_ZONES: Final[dict[str, tuple[str, ...]]] = {
    "selva": ("Loreto", "Ucayali", "San Martín", "Madre de Dios", "Amazonas"),
    "sierra": (
        "Apurímac", "Ayacucho", "Cajamarca", "Cusco", "Huancavelica", "Huánuco", "Junín", "Pasco", "Puno",
    ),
    "norte": ("Piura", "Tumbes", "Lambayeque", "La Libertad"),
}  # fmt: skip

_OF_ZONE: Final[dict[str, tuple[str, ...]]] = {
    "selva": ("ñaño", "ñañito"),
    "sierra": ("añañau", "atatau", "atatay", "achachau"),
    "norte": ("guá", "churre"),
}

_SLANG: Final = (
    "asu", "causa", "recontra", "bacán", "chévere", "pucha", "oe", "manya", "mancha", "pata", "roche", "full", "habla",
    "malazo", "malaz@", "buenaz@", "ricaz@", "salad@az", "floro", "chamba", "paja", "misi@", "feaz@", "asadaz",
    "taypá", "piña", "palta", "nicagando", "flaca", "cagaron", "hasta las", "bravazo", "mano|", "crac", "a la firme",
)  # fmt: skip


def zone_of(region: str) -> str:
    """costa, norte, sierra or selva.

    >>> zone_of("Loreto"), zone_of("Tacna")
    ('selva', 'costa')
    """
    return next((zone for zone, regions in _ZONES.items() if region in regions), "costa")


def fits_zone(entry: str, region: str) -> bool:
    """Whether an entry has no word of a zone that is not the region's."""
    zone = zone_of(region)
    return not any(word in entry for other, words in _OF_ZONE.items() if other != zone for word in words)


def is_slang(entry: str) -> bool:
    """Whether an entry has, in any of its alternatives, a word that nobody writes in a survey."""
    return any(word in entry for word in _SLANG)
