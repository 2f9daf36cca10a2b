"""Everything the story says, in English and French. Facts in braces; styles in square brackets.

A fact is measured or computed while the story is told: no figure stands in a text.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias, get_args

from rich.markup import escape

from verifier_api.service.life import REASON_TITLES

Language: TypeAlias = Literal["en", "fr"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"

WORDS: Final[dict[str, tuple[str, str]]] = {
    # -- opening ---------------------------------------------------------------------------------
    "title": (
        "an insurer checks a sale that it never sees",
        "un assureur vérifie une vente qu'il ne voit jamais",
    ),
    "parties": (
        "[shop]The optician[/] knows what was sold: the codes of the lenses, their prices, the "
        "eyes they are for.\n[insurer]The insurer[/] must reimburse the right amount, and needs "
        "none of that to do it.\nBetween them passes one JSON file, with a zero-knowledge proof "
        "in it.",
        "[shop]L'opticien[/] sait ce qui a été vendu : les codes des verres, leurs prix, les yeux "
        "qu'ils corrigent.\n[insurer]L'assureur[/] doit rembourser le juste montant, et n'a besoin "
        "de rien de tout cela.\nEntre eux passe un fichier JSON, avec une preuve à divulgation "
        "nulle de connaissance.",
    ),
    "colours": (
        "Colours: [shop]the shop[/] · [secret]secret[/] · [insurer]the insurer[/] · "
        "[good]accepted[/] · [bad]refused[/]. Every figure is computed or measured in this run.",
        "Couleurs : [shop]le magasin[/] · [secret]secret[/] · [insurer]l'assureur[/] · "
        "[good]accepté[/] · [bad]refusé[/]. Chaque chiffre est calculé ou mesuré ici même.",
    ),
    # -- 1 sale ----------------------------------------------------------------------------------
    "sale": ("A sale", "Une vente"),
    "sale.intro": (
        "{day}. Two lenses and a frame, from the public LPP nomenclature ({version}, {codes} "
        "codes). What is [secret]yellow[/] is the patient's business and the shop's:",
        "{day}. Deux verres et une monture, de la nomenclature LPP publique ({version}, {codes} "
        "codes). Ce qui est [secret]jaune[/] ne regarde que le patient et le magasin :",
    ),
    "article": ("article", "article"),
    "code": ("LPP code", "code LPP"),
    "class": ("class", "classe"),
    "correction": ("correction", "correction"),
    "price": ("price", "prix"),
    "total": ("total", "total"),
    "right_lens": ("right lens", "verre droit"),
    "left_lens": ("left lens", "verre gauche"),
    "frame": ("frame", "monture"),
    "sale.contract": (
        "The contract [insurer]{contract}[/] reimburses up to {ceiling} for such a pair (level "
        "{level}: {levels}), of which {frame_ceiling} at most for the "
        "frame. A ceiling limits what is paid, never the price.",
        "Le contrat [insurer]{contract}[/] rembourse jusqu'à {ceiling} pour un tel équipement "
        "(niveau {level} : {levels}), dont {frame_ceiling} au plus pour "
        "la monture. Un plafond limite le remboursement, jamais le prix.",
    ),
    "level.simple": ("simple", "simple"),
    "level.complex": ("complex", "complexe"),
    "level.very_complex": ("very complex", "très complexe"),
    # -- 2 what leaves ---------------------------------------------------------------------------
    "leaves": ("What stays, and what leaves", "Ce qui reste, et ce qui part"),
    "stays.head": ("STAYS IN THE SHOP", "RESTE AU MAGASIN"),
    "leaves.head": ("LEAVES FOR THE INSURER", "PART CHEZ L'ASSUREUR"),
    "leaves.class": ("class {name}", "classe {name}"),
    "leaves.commitment": ("sealed {commitment}", "scellé {commitment}"),
    "leaves.hides.lens": (
        "one of {codes} codes, {cells} cells",
        "un parmi {codes} codes, {cells} cellules",
    ),
    "leaves.hides.frame": ("one of {codes} codes", "un parmi {codes} codes"),
    "stays.blinding": ("+ a random blinding", "+ un aléa"),
    "amounts": ("amounts", "montants"),
    "amounts.leaves": (
        "lenses {lenses}, frame {frame}",
        "verres {lenses}, monture {frame}",
    ),
    "envelope": ("envelope", "enveloppe"),
    "envelope.stays": ("keys, openings file", "clés, fichier d'ouvertures"),
    "envelope.leaves": (
        "optician, contract, date, random beneficiary reference",
        "opticien, contrat, date, référence aléatoire du bénéficiaire",
    ),
    "proof": ("proof", "preuve"),
    "proof.stays": ("{wires} secret wires", "{wires} fils secrets"),
    "proof.leaves": (
        "{proof} bytes + signature; claim {claim} bytes",
        "{proof} octets + signature ; demande {claim} octets",
    ),
    "leaves.says": (
        "The proof says: each sealed code is in its class, each sealed price within its limit, and "
        "the amounts fit the sealed prices less the public payer's shares. Given uniform random "
        "numbers it says nothing else, ever, to whatever computer: all codes of a class, and all "
        "prices that allow the amounts, explain these bytes equally well. (A cell is a type of "
        "lens with a range of corrections; all codes of a cell tell the same of the eyes.)",
        "La preuve dit : chaque code scellé est dans sa classe, chaque prix scellé sous sa limite, "
        "et les montants tiennent dans les prix scellés moins la part du payeur public. Si les "
        "aléas sont uniformes, elle ne dit rien d'autre, jamais, à quelque ordinateur que ce "
        "soit : tous les codes d'une classe, et tous les prix permettant les montants, expliquent "
        "aussi bien ces octets. (Une cellule est un type de verre avec une plage de corrections ; "
        "tous les codes d'une cellule en disent autant sur les yeux.)",
    ),
    "leaves.hash": (
        "[soft]A plain hash would not do: SHA-256 of the right lens's code gives the code away "
        "after {tries} tries, in {ms}.[/]",
        "[soft]Un simple hachage ne suffirait pas : SHA-256 du code du verre droit livre le code "
        "en {tries} essais, en {ms}.[/]",
    ),
    "process": (
        "finished in {ms}, start of the program included",
        "terminé en {ms}, lancement compris",
    ),
    # -- 3 verdict -------------------------------------------------------------------------------
    "verdict": ("The insurer judges", "L'assureur juge"),
    "verdict.intro": (
        "By [insurer]its own[/] contract, table, keys and clock; the claim only says which.",
        "Avec [insurer]ses propres[/] contrat, table, clés et horloge ; la demande dit seulement "
        "lesquels.",
    ),
    "verdict.by": (
        "over {backend} in {total}, the proof itself in {proof}",
        "sur {backend} en {total}, dont la preuve {proof}",
    ),
    "verdict.note.native": (
        "compiled, the default here; its first claim, start included",
        "code compilé, par défaut ici ; première demande, mise en route comprise",
    ),
    "verdict.note.libsecp256k1": (
        "C library, the default here; its first claim, start included",
        "bibliothèque C, par défaut ici ; première demande, mise en route comprise",
    ),
    "verdict.note.py_ecc": (
        "pure Python; shares no arithmetic with the other",
        "Python pur ; aucune arithmétique commune avec l'autre",
    ),
    "accepted": ("accepted", "acceptée"),
    "refused": ("refused", "refusée"),
    "verdict.limits": (
        "[soft]Accepted means: the numbers are true of what was sealed. That the lens was "
        "delivered no proof can say; the seal is signed and can be opened, which makes a lie "
        "costly.[/]",
        "[soft]Acceptée veut dire : les chiffres sont vrais de ce qui est scellé. Qu'un verre a "
        "été livré, aucune preuve ne le dit ; mais le sceau est signé et peut s'ouvrir, et mentir "
        "coûte cher.[/]",
    ),
    # -- 4 service -------------------------------------------------------------------------------
    "service": ("Over the wire: the insurer's service", "En ligne : le service de l'assureur"),
    "service.intro": (
        "In production the insurer runs a server: it records every verdict before it answers, and "
        "knows what came before.",
        "En production, l'assureur fait tourner un serveur : il enregistre chaque verdict avant de "
        "répondre, et connaît ce qui a précédé.",
    ),
    "service.serving": (
        "a process of its own on {url}, its database an SQLite file",
        "un processus à part sur {url}, sa base de données un fichier SQLite",
    ),
    "service.set_up": (
        "loaded once, by command: nomenclature, contract, the shop's key and token, the "
        "beneficiary's rights",
        "chargés une fois, par commande : nomenclature, contrat, clé et jeton du magasin, droits "
        "du bénéficiaire",
    ),
    "service.granted": (
        "granted: to be invoiced until {until}",
        "accordée : à facturer jusqu'au {until}",
    ),
    "service.again": ("the same claim again", "la même demande, encore"),
    "service.same": ("the same answer, for ever", "la même réponse, pour toujours"),
    "service.second": ("a second pair for the same person", "un second équipement"),
    "service.invoice": ("the invoice", "la facture"),
    "service.payable": (
        "payable: same seals, amounts within the grant",
        "à payer : mêmes scellés, montants dans l'accord",
    ),
    "service.recorded": (
        "[soft]{claims} verdicts recorded, each with the signed claim that it is about; no hidden "
        "code, no price, no token.[/]",
        "[soft]{claims} verdicts enregistrés, chacun avec la demande signée qu'il juge ; ni code "
        "caché, ni prix, ni jeton.[/]",
    ),
    # -- 5 lies ----------------------------------------------------------------------------------
    "lies": ("{count} lies", "{count} mensonges"),
    "lies.intro": (
        "The liar is a registered optician with this same source code, every check of its prover "
        "taken out. He makes each claim for real, balances every sum he can, and signs with his "
        "own key.",
        "Le menteur est un opticien inscrit, avec ce même code source, tous les contrôles du "
        "prouveur ôtés. Il fabrique vraiment chaque demande, équilibre toutes les sommes qu'il "
        "peut, et signe de sa clé.",
    ),
    "lies.control": (
        "For comparison: told the truth, the changed software makes a claim that is",
        "Pour comparer : nourri de la vérité, le logiciel modifié fait une demande",
    ),
    "lie.class": ("The code of another class", "Le code d'une autre classe"),
    "lie.class.how": (
        "Sells a simple lens (code of {sold}), declares a {level} one ({declared}).",
        "Vend un verre simple (code de {sold}), en déclare un {level} ({declared}).",
    ),
    "lie.cap": ("A price a cent over the network's cap", "Un centime au-dessus du tarif du réseau"),
    "lie.cap.how": (
        "Sells the right lens at {price}; the network's cap is {cap}.",
        "Vend le verre droit {price} ; le réseau le limite à {cap}.",
    ),
    "lie.price": (
        "An amount a cent over the hidden price",
        "Un centime de plus que le prix caché",
    ),
    "lie.price.how": (
        "Claims {claimed} for lenses of which {price} is left to pay.",
        "Demande {claimed} pour des verres dont il reste {price} à payer.",
    ),
    "lie.swap": ("Swapped lines", "Lignes échangées"),
    "lie.swap.how": (
        "Puts the sealed frame in the place of the right lens, and the lens in its place.",
        "Met la monture scellée à la place du verre droit, et le verre à la sienne.",
    ),
    "lie.ceiling": ("A total over the ceiling", "Un total au-dessus du plafond"),
    "lie.ceiling.how": (
        "Claims {claimed} where {ceiling} is the most; his prices would allow it.",
        "Demande {claimed} au lieu de {ceiling} au plus ; ses prix le permettraient.",
    ),
    "lie.contract": (
        "A claim reused for another contract",
        "Une demande resservie à un autre contrat",
    ),
    "lie.contract.how": (
        "Sends an accepted claim again, for a contract with the very same figures.",
        "Renvoie une demande acceptée, pour un contrat aux chiffres identiques.",
    ),
    "lie.optician": ("Another optician's name", "Le nom d'un autre opticien"),
    "lie.optician.how": (
        "A second registered optician takes the accepted claim for his own.",
        "Un second opticien inscrit fait sienne la demande acceptée.",
    ),
    "lie.bit": ("One flipped bit", "Un seul bit inversé"),
    "lie.bit.how": (
        "One of the proof's {bits} bits, drawn at random, {tries} times: {refused} refused.",
        "Un des {bits} bits de la preuve, tiré au sort, {tries} fois : {refused} refus.",
    ),
    "lie.mixed": ("Class B amount in a mixed basket", "Montant de classe B, panier mixte"),
    "lie.mixed.how": (
        "Beside a hidden {frame} class A frame {left} is left for the lenses; claims {claimed}.",
        "Près d'une monture A cachée à {frame}, il reste {left} aux verres ; demande {claimed}.",
    ),
    "lie.beneficiary": ("The same sale for somebody else", "La même vente pour un autre"),
    "lie.beneficiary.how": (
        "Sends the accepted claim again under another beneficiary and a new number.",
        "Renvoie la demande acceptée pour un autre bénéficiaire, sous un nouveau numéro.",
    ),
    "lies.honest": ("honest software", "logiciel honnête"),
    "lies.honest.refuses": ("refuses to make it: {words}", "refuse de la faire : {words}"),
    "lies.altered": (
        "old signature",
        "même signature",
    ),
    "lies.resent": ("sent as it is", "telle quelle"),
    "lies.anew": (
        "signed anew",
        "signée à nouveau",
    ),
    "lies.lying": (
        "a liar is caught",
        "un menteur est pris",
    ),
    "lies.false": (
        "{count} of {of} equations is false, and that is enough",
        "{count} équation sur {of} est fausse, et cela suffit",
    ),
    "lies.end": (
        "{caught} of {count} lies caught by the insurer. {refused} of them the honest software "
        "would not make at all; the others bend a claim that was accepted.",
        "{caught} mensonges sur {count} pris par l'assureur. {refused} que le logiciel honnête "
        "refuse de faire ; les autres déforment une demande acceptée.",
    ),
    # -- 6 audit ---------------------------------------------------------------------------------
    "audit": ("An audit", "Un contrôle"),
    "audit.intro": (
        "Months later an auditor needs [secret]code and price[/] of the right lens, not the eye "
        "behind it. The shop opens that line in part, for this purpose: “{purpose}”.",
        "Des mois plus tard, un auditeur a besoin [secret]du code et du prix[/] du verre droit, "
        "pas de l'œil. Le magasin ouvre cette ligne en partie, pour ce motif : « {purpose} ».",
    ),
    "audit.purpose": ("audit 42, right lens", "contrôle 42, verre droit"),
    "audit.other_purpose": ("marketing", "marketing"),
    "audit.learns": (
        "The auditor learns code [secret]{code}[/] and price [secret]{price}[/]; the correction "
        "stays sealed.",
        "L'auditeur apprend le code [secret]{code}[/] et le prix [secret]{price}[/] ; la "
        "correction reste scellée.",
    ),
    "audit.true": ("as opened", "telle qu'ouverte"),
    "audit.wrong_purpose": ("shown for “{purpose}”", "montrée pour « {purpose} »"),
    "audit.altered": ("a cent off the price", "un centime de moins au prix"),
    "audit.moved": ("passed off as the left lens", "présentée comme le verre gauche"),
    # -- 7 trust ---------------------------------------------------------------------------------
    "trust": ("Those who know the real code", "Ceux qui connaissent le vrai code"),
    "trust.intro": (
        "A proof holds for any code of the class: a lens that was never made has one, too. So a "
        "contract can ask that somebody who knows the real code confirms the seal, and an auditor "
        "can ask to see one value of one line. The insurer still sees neither.",
        "Une preuve vaut pour tout code de la classe : un verre jamais fabriqué en a un aussi. Un "
        "contrat peut donc exiger que quelqu'un qui connaît le vrai code confirme le sceau, et un "
        "auditeur peut demander à voir une valeur d'une ligne. L'assureur ne voit toujours ni "
        "l'un ni l'autre.",
    ),
    "trust.set_up": (
        "[soft]Four parties, each in a process of its own: shop, insurer, {attester} (holds the "
        "orders), {auditor}. Contract and table are signed by a publisher; whose keys count stands "
        "in a trust list that each party keeps.[/]",
        "[soft]Quatre parties, chacune dans son processus : magasin, assureur, {attester} (le "
        "fabricant, qui a les commandes), {auditor}. Contrat et nomenclature sont signés par un "
        "éditeur ; les clés qui comptent sont dans une liste de confiance que chacun tient.[/]",
    ),
    "trust.granted": (
        "Two sales of class {class_name}, two claims, two valid proofs: both granted, to be "
        "confirmed within 30 days. In one the sealed code is not the one that was ordered.",
        "Deux ventes de classe {class_name}, deux demandes, deux preuves valables : toutes deux "
        "accordées, à confirmer sous 30 jours. Dans l'une, le code scellé n'est pas celui qui a "
        "été commandé.",
    ),
    "trust.honest": ("the honest one", "l'honnête"),
    "trust.confirmed": (
        "the maker has signed that the sealed code is that of his order",
        "le fabricant a signé que le code scellé est celui de sa commande",
    ),
    "trust.lie": ("the other", "l'autre"),
    "trust.refused": (
        "the maker's order has another code; which one he does not say",
        "la commande du fabricant porte un autre code ; il ne dit pas lequel",
    ),
    "trust.inconsistent": (
        "[bad]inconsistent[/]: sealed and signed was [secret]{sealed}[/], ordered was "
        "[secret]{ordered}[/]. The shop's answer was sealed to the auditor's key for this case; "
        "the insurer passed it on and cannot read it.",
        "[bad]incohérent[/] : scellé et signé [secret]{sealed}[/], commandé [secret]{ordered}[/]. "
        "La réponse du magasin était scellée pour la clé de l'auditeur, propre à ce dossier ; "
        "l'assureur l'a transmise sans pouvoir la lire.",
    ),
    "trust.evidence": (
        "a judge with nothing but a trust list and the public table finds the same",
        "un juge qui n'a qu'une liste de confiance et la nomenclature publique trouve de même",
    ),
    "trust.nothing": (
        "[soft]Neither code stands anywhere in the insurer's database or log.[/]",
        "[soft]Aucun des deux codes ne figure dans la base ou le journal de l'assureur.[/]",
    ),
    # -- 8 pair ----------------------------------------------------------------------------------
    "pair": ("The same sale, telling less", "La même vente, en dire moins"),
    "pair.intro": (
        "The ceiling depends on the [insurer]level of the pair[/] alone. The statement “pair” "
        "proves the level and hides even the classes.",
        "Le plafond ne dépend que du [insurer]niveau de la paire[/]. L'énoncé « pair » prouve le "
        "niveau et cache jusqu'aux classes.",
    ),
    "pair.learns": ("the insurer learns", "l'assureur apprend"),
    "pair.with_classes": ("with classes", "avec les classes"),
    "pair.level_only": ("level only", "niveau seul"),
    "pair.lens": (
        "{name}: {codes} codes, {cells} cells",
        "{name} : {codes} codes, {cells} cellules",
    ),
    "pair.union": ("{codes} codes, {cells} cells", "{codes} codes, {cells} cellules"),
    "pair.level": ("level of the pair", "niveau de la paire"),
    "pair.which": (
        "which eye needs more",
        "quel œil est plus corrigé",
    ),
    "yes": ("yes", "oui"),
    "no": ("no", "non"),
    "pair.size": ("proof", "preuve"),
    "bytes": ("{count} bytes", "{count} octets"),
    # -- 9 batch ---------------------------------------------------------------------------------
    "batch": ("A batch with bad apples", "Un lot, et des brebis galeuses"),
    "batch.intro": (
        "{count} claims, all different. One has a bit of its proof flipped, one claims a cent too "
        "much; both are properly signed, their places drawn at random. The insurer adds all "
        "proofs up in one sum, and searches by halves only because that fails.",
        "{count} demandes, toutes différentes. L'une a un bit de sa preuve inversé, l'autre "
        "demande un centime de trop ; toutes deux bien signées, aux places tirées au sort. "
        "L'assureur additionne toutes les preuves en une somme, et ne cherche par moitiés "
        "que parce qu'elle échoue.",
    ),
    "batch.number": ("no. {number}", "n° {number}"),
    "batch.flipped": ("flipped bit", "bit inversé"),
    "batch.cent": ("a cent too much", "un centime de trop"),
    "batch.good": (
        "the other {count}: accepted, in {ms} ({each} a claim)",
        "les {count} autres : acceptées, en {ms} ({each} par demande)",
    ),
    "batch.clean": (
        "without the bad ones: {ms} ({each} a claim), {factor} times as fast as one by one",
        "sans les mauvaises : {ms} ({each} par demande), {factor} fois plus vite qu'une à une",
    ),
    # -- 10 times --------------------------------------------------------------------------------
    "times": ("The times, on this machine", "Les temps, sur cette machine"),
    "times.intro": (
        "Medians of {runs}, the whole way: from the sale to the signed claim, from the claim to "
        "the verdict.",
        "Médianes de {runs}, de bout en bout : de la vente à la demande signée, de la demande au "
        "verdict.",
    ),
    "statement": ("statement", "énoncé"),
    "wires": ("wires", "fils"),
    "times.proof": ("proof", "preuve"),
    "times.prove": ("to prove", "prouver"),
    "times.verify": ("to judge", "juger"),
    "times.unit": (
        "[soft]One point multiplication of libsecp256k1 from Python: {unit}.[/]",
        "[soft]Une multiplication de point par libsecp256k1 depuis Python : {unit}.[/]",
    ),
    # -- end -------------------------------------------------------------------------------------
    "end.good": (
        "Everything went as told: {checks} of {checks} checks, in {seconds} s.",
        "Tout s'est passé comme annoncé : {checks} contrôles sur {checks}, en {seconds} s.",
    ),
    "end.bad": (
        "Not as told: {failed} of {checks} checks.",
        "Pas comme annoncé : {failed} contrôles sur {checks}.",
    ),
    "end.next": (
        "[soft]Next: README.md · docs/protocol.md · docs/limitations.md · make test[/]",
        "[soft]Ensuite : README.md · docs/protocol.md · docs/limitations.md · make test[/]",
    ),
    "failed": ("NOT AS TOLD", "PAS COMME ANNONCÉ"),
    # -- keep ------------------------------------------------------------------------------------
    "keep": ("Both pages, to look at", "Les deux pages, à regarder"),
    "keep.making": (
        "A made-up data set, proved and judged claim by claim: {claims} claims over {days} days, "
        "some refused, one audit open. It takes a moment.",
        "Un jeu de données inventé, prouvé et jugé demande par demande : {claims} demandes sur "
        "{days} jours, certaines refusées, un audit ouvert. Cela prend un moment.",
    ),
    "keep.insurer": ("The insurer's page", "La page de l'assureur"),
    "keep.reader": ("token to read", "jeton de lecture"),
    "keep.admin": ("token to decide", "jeton de décision"),
    "keep.shop": ("The shop's page ({shop})", "La page du magasin ({shop})"),
    "keep.passphrase": ("passphrase", "phrase secrète"),
    "keep.people": ("people for a sale", "bénéficiaires pour une vente"),
    "keep.only": (
        "For this demonstration only: tokens and passphrase open nothing but this data, which is "
        "erased at the end. In the shop one claim waits for the line, and the audit {case} for an "
        "answer.",
        "Pour cette démonstration seulement : jetons et phrase secrète n'ouvrent que ces données, "
        "effacées à la fin. Au magasin, une demande attend la ligne, et l'audit {case} une "
        "réponse.",
    ),
    "keep.stop": ("[soft]Ctrl-C ends it.[/]", "[soft]Ctrl-C y met fin.[/]"),
    # -- reasons of openings ---------------------------------------------------------------------
    "reason.opening_other_line": (
        "the opening is of another line than the claim has",
        "l'ouverture est celle d'une autre ligne",
    ),
    "reason.opening_other_purpose": (
        "the opening was made for another purpose",
        "l'ouverture a été faite pour un autre motif",
    ),
    "reason.opening_invalid": (
        "the revealed values are not those that were sealed",
        "les valeurs révélées ne sont pas celles du sceau",
    ),
}


def _bind_marks(text: str) -> str:
    """French puts a space before some marks; no line may break there."""
    text = re.sub(r" (?=[:;?!»%€])", NO_BREAK_SPACE, text)
    return text.replace("« ", f"«{NO_BREAK_SPACE}")


class Speaker:
    """Says a text of the catalogue in one language, with its facts filled in."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._index = LANGUAGES.index(language)

    def __call__(self, key: str, **facts: object) -> str:
        """The text; facts are escaped, so that no bracket in them becomes a style."""
        safe = {name: escape(str(fact)) for name, fact in facts.items()}
        text = WORDS[key][self._index].format(**safe)
        return _bind_marks(text) if self.language == "fr" else text

    def reason(self, reason: str | None) -> str:
        """A reason code in words; a code that the story does not expect stands for itself."""
        if reason in REASON_TITLES:  # in the service's words
            text = REASON_TITLES[reason][self._index]
            return _bind_marks(text) if self.language == "fr" else text
        key = f"reason.{reason}"
        return self(key) if key in WORDS else str(reason)

    def euros(self, cents: int) -> str:
        """123456 → 1,234.56 € or 1 234,56 €."""
        whole, rest = divmod(cents, 100)
        if self.language == "fr":
            return f"{whole:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") + f",{rest:02} €"
        return f"{whole:,}.{rest:02} €"

    def number(self, value: int) -> str:
        """A count with its thousands apart."""
        text = f"{value:,}"
        return text.replace(",", "\N{NARROW NO-BREAK SPACE}") if self.language == "fr" else text

    def decimal(self, value: float) -> str:
        """One figure after the point."""
        text = f"{value:.1f}"
        return text.replace(".", ",") if self.language == "fr" else text

    def power(self, quarters: int) -> str:
        """Quarter dioptres with their sign: −11 → −2.75 or −2,75."""
        text = f"{quarters / 4:+.2f}".replace("-", "\N{MINUS SIGN}")
        return text.replace(".", ",") if self.language == "fr" else text

    def milliseconds(self, value: float) -> str:
        """Three figures or so, in the unit that suits."""
        text = f"{value:.2f} ms" if value < 1 else f"{value:.1f} ms"
        if value < 0.1:
            text = f"{value * 1000:.1f} µs"
        elif value >= 1000:
            text = f"{value / 1000:.1f} s"
        elif value >= 100:
            text = f"{value:.0f} ms"
        return text.replace(".", ",") if self.language == "fr" else text
