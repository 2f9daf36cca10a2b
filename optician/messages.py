"""What the command line says to the optician, in English and French.

Headlines only: the detail that follows an error's headline is the library's English.
"""

from __future__ import annotations

import os
from typing import Final, Literal, TypeAlias, get_args

Language: TypeAlias = Literal["en", "fr"]

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    # errors
    "error": ("error", "erreur"),
    "file": ("a file cannot be read or written", "un fichier ne peut être lu ou écrit"),
    "unreadable": ("a file is not what it should be", "un fichier n'a pas la forme attendue"),
    "sale": (
        "the sale is not filled in correctly",
        "la vente n'est pas remplie correctement",
    ),
    "argument": ("this argument is not valid", "cet argument n'est pas valable"),
    "statement": (
        "this cannot be claimed with this contract and nomenclature",
        "demande impossible avec ce contrat et cette nomenclature",
    ),
    "witness": (
        "a price, an amount or a code does not fit",
        "un prix, un montant ou un code ne convient pas",
    ),
    "refused": ("a proof was refused", "une preuve a été refusée"),
    "usage": ("these options do not go together", "ces options ne vont pas ensemble"),
    "internal": ("internal error, please report it", "erreur interne, merci de la signaler"),
    # warnings
    "warning": ("warning", "attention"),
    "key_mode": (
        "the key file can be read by others: chmod 600 it",
        "le fichier de clé est lisible par d'autres : chmod 600",
    ),
    "floor": (
        "hides among few possibilities",
        "se cache parmi peu de possibilités",
    ),
    "lenses_below_ceiling": (
        "claimed below the ceiling: the amount tells the insurer what the lenses cost",
        "demandé sous le plafond : le montant dit à l'assureur le prix des verres",
    ),
    "frame_below_ceiling": (
        "claimed below the ceiling: the amount tells the insurer what the frame costs",
        "demandé sous le plafond : le montant dit à l'assureur le prix de la monture",
    ),
    # results
    "key_made": ("key made for", "clé créée pour"),
    "keep_secret": ("keep it secret", "à garder secret"),
    "claim_made": ("claim ready", "demande prête"),
    "expires": ("expires", "expire"),
    "tells": ("tells the insurer", "dit à l'assureur"),
    "hides": ("hides", "cache"),
    "hidden": ("codes, prices and corrections", "codes, prix et corrections"),
    "lenses": ("lenses", "verres"),
    "frame": ("frame", "monture"),
    "item": ("item", "article"),
    "right_lens": ("right lens", "verre droit"),
    "left_lens": ("left lens", "verre gauche"),
    "supplement": ("supplement", "supplément"),
    "lenses_hidden": (
        "classes of both lenses hidden",
        "classes des deux verres cachées",
    ),
    "price_class": ("price class", "classe de prix"),
    "level": ("level", "niveau"),
    "early_renewal": (
        "renewed before it is due, ground",
        "renouvellement anticipé, motif",
    ),
    "written": ("written", "écrit"),
    "opened": ("line opened", "ligne ouverte"),
    "line": ("line", "ligne"),
    "reveals": ("reveals", "révèle"),
    "purpose": ("purpose", "motif"),
}


def say(key: str, language: Language) -> str:
    """The message ``key`` in a language."""
    return MESSAGES[key][get_args(Language).index(language)]


def preferred_language() -> Language:
    """The language of the terminal by LC_ALL, LC_MESSAGES and LANG, in this order; else English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "fr" if value.lower().startswith("fr") else "en"
    return "en"
