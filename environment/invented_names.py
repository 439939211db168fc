"""Names of invented people, places, companies and works, for generated examples."""

from __future__ import annotations

import numpy as np

FIRST = (
    "Mira",
    "Tomas",
    "Lena",
    "Oskar",
    "Ines",
    "Viktor",
    "Alma",
    "Jonas",
    "Petra",
    "Emil",
    "Nadia",
    "Hugo",
    "Clara",
    "Anton",
    "Sofia",
    "Levin",
    "Rosa",
    "Felix",
    "Marta",
    "Edgar",
    "Livia",
    "Bruno",
    "Thea",
    "Karel",
    "Agnes",
    "Boris",
    "Celia",
    "David",
    "Elsa",
    "Fritz",
    "Greta",
    "Henrik",
    "Ida",
    "Jakob",
    "Karin",
    "Lukas",
    "Magda",
    "Nils",
    "Olga",
    "Pavel",
    "Rita",
    "Stefan",
    "Tilda",
    "Ugo",
    "Vera",
    "Walter",
    "Yara",
    "Zeno",
)
LAST = (
    "Dolan",
    "Reyk",
    "Sorel",
    "Hald",
    "Vance",
    "Morrow",
    "Quist",
    "Brandt",
    "Ferro",
    "Lindqvist",
    "Okoro",
    "Petrov",
    "Salter",
    "Tindall",
    "Umar",
    "Weiss",
    "Yardley",
    "Zeman",
    "Corvin",
    "Danner",
    "Esk",
    "Falk",
    "Grell",
    "Hobart",
    "Iversen",
    "Jarvis",
    "Kessel",
    "Lorne",
    "Madsen",
    "Norrell",
    "Orlov",
    "Pryce",
    "Rusk",
    "Stroud",
    "Tarrant",
    "Ulrich",
    "Varga",
    "Winslow",
    "Yates",
    "Zoller",
    "Abbot",
    "Bexley",
    "Crane",
    "Drummond",
    "Ekman",
    "Foss",
    "Garrick",
    "Holt",
)
PLACE_HEAD = (
    "Ost",
    "Kar",
    "Bel",
    "Tor",
    "Mar",
    "Vel",
    "Lund",
    "Ash",
    "Bran",
    "Cor",
    "Dun",
    "El",
    "Far",
    "Hal",
    "Ing",
    "Jor",
    "Kes",
    "Lin",
)
PLACE_TAIL = ("rava", "ville", "mont", "ford", "stad", "burgh", "wick", "holm", "mere", "port", "dale", "haven")
COUNTRY_TAIL = ("onia", "land", "aria", "entia")
LANGUAGE_TAIL = ("ish", "ese", "ic", "ian")
RIVER_HEAD = ("Tar", "Um", "Sel", "Ver", "Ner", "Lo", "Mo", "Is", "Dra", "Ple", "Ro", "Wen")
RIVER_TAIL = ("n", "ber", "va", "sk", "na", "dre", "lis", "mar", "ke", "tis")
FIRM_HEAD = (
    "Bright",
    "Calder",
    "North",
    "Silver",
    "Iron",
    "Stone",
    "Amber",
    "Falcon",
    "Harbor",
    "Copper",
    "Summit",
    "Willow",
)
FIRM_TAIL = ("Foundry", "Mills", "Optics", "Shipping", "Textiles", "Press", "Motors", "Dairy", "Glassworks", "Tools")
SCHOOL_TAIL = ("Academy", "College", "Institute", "Conservatory")
BOOK_HEAD = (
    "Silent",
    "Last",
    "Distant",
    "Golden",
    "Broken",
    "Hidden",
    "Ninth",
    "Frozen",
    "Crimson",
    "Lonely",
    "Ancient",
    "Burning",
    "Quiet",
)
BOOK_MIDDLE = ("Winter", "River", "Summer", "Mountain", "Midnight", "Autumn", "Paper", "Marble")
BOOK_TAIL = (
    "Orchard",
    "Lantern",
    "Harbor",
    "Mirror",
    "Bridge",
    "Garden",
    "Compass",
    "Island",
    "Clock",
    "Letter",
    "Door",
    "Road",
)
INSTRUMENTS = (
    "cello",
    "oboe",
    "harp",
    "trumpet",
    "violin",
    "flute",
    "piano",
    "clarinet",
    "guitar",
    "bassoon",
)


class InventedNames:
    """Draws names of each type, never one twice."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._used: set[str] = set()

    def _name(self, *parts: tuple[str, ...], glue: str = " ") -> str:
        while True:
            # As rng.choice draws, without making an array of the part for each draw.
            name = glue.join(part[self.rng.integers(len(part))] for part in parts)
            if name not in self._used:
                self._used.add(name)
                return name

    def person(self) -> str:
        return self._name(FIRST, LAST)

    def city(self) -> str:
        return self._name(PLACE_HEAD, PLACE_TAIL, glue="")

    def country(self) -> str:
        return self._name(PLACE_HEAD, COUNTRY_TAIL, glue="")

    def language(self) -> str:
        return self._name(PLACE_HEAD, LANGUAGE_TAIL, glue="")

    def river(self) -> str:
        return self._name(RIVER_HEAD, RIVER_TAIL, glue="")

    def company(self) -> str:
        return self._name(FIRM_HEAD, FIRM_TAIL)

    def school(self) -> str:
        return self._name(LAST, SCHOOL_TAIL)

    def book(self) -> str:
        return "The " + self._name(BOOK_HEAD, BOOK_MIDDLE, BOOK_TAIL)

    def instrument(self) -> str:
        return self._name(INSTRUMENTS)

    def year(self, low: int = 1900, high: int = 1990) -> int:
        return int(self.rng.integers(low, high))
