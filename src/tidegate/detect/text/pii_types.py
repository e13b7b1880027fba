"""The types of sensitive values: what each looks like, and how much a match is worth.

A type has *forms*. A form has a shape (a pattern without unbounded repetition, so that matching is
linear) and a check. What a match is worth depends on the check:

- a *checksum* form: ``chance`` is the share of harmless values that pass, given that length and
  prefix fit (ids that are counted up often share them); simulated in the tests. A column is decided
  by how far its pass rate is above it;
- a *structural* form: ``rarity`` is a judgement, how rarely harmless values have the shape and
  pass; it counts for the first three distinct values, and never below ``floor``.

>>> [form.name for form in BY_NAME["CREDIT_CARD"].forms]
['card']
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tidegate.detect.text import pii_checks as check

_FREE = r"(?<![\w.+/-])"
"""Before a number: it is no part of a longer token."""
_RE2_FREE, _RE2_END = r"(?:^|[^\w.+/-])", r"(?:$|[^\w])"
"""The same for RE2, which looks neither back nor ahead; the second is weaker."""
_END = r"(?!\w|-(?![A-Z][a-z])|[./,:]\d)"
"""After a number: it goes on with no letter, digit or decimal; a word may be hyphenated to it."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which values of a type are written."""

    name: str
    """Stable id: it stands in the evidence."""
    shape: re.Pattern[str]
    """What has the form, right or wrong."""
    check: Callable[[str], bool]
    """Whether a match is a valid value."""
    chance: float = 1.0
    """Checksum forms: share of harmless values of the shape that pass."""
    rarity: float = 1.0
    """How rarely an unrelated value of the shape passes: what a single value is worth."""
    floor: float = 1e-6
    """The least that any number of matches can bring the p-value to."""
    filter: str = ""
    """A pattern for RE2 that matches wherever the shape does; "" where the family must do."""
    family: str = "digits"
    """``digits``, ``at``, ``colon``, ``letters`` or ``secret``: what a cell must hold at all."""

    @property
    def checksum(self) -> bool:
        """Whether the check is arithmetic, so that its chance is known."""
        return self.chance < 1.0


@dataclass(frozen=True, slots=True)
class PiiType:
    """A type of sensitive value."""

    name: str
    """Upper-case id."""
    rule: str
    """Slug of the rule that a finding of it carries."""
    forms: tuple[Form, ...]
    """The ways to write it."""
    words: frozenset[str] = field(default_factory=frozenset[str])
    """Words in a header or beside a value that support it; lower case, whole words."""


def _form(name: str, body: str, test: Callable[[str], bool], **worth: float | str) -> Form:
    """Make a form that stands alone: no letters or digits on either side."""
    shape = re.compile(_FREE + body + _END, re.ASCII)  # only ASCII digits have check digits
    fields: dict[str, Any] = {"filter": f"{_RE2_FREE}(?:{body}){_RE2_END}", **worth}
    return Form(name, shape, test, **fields)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CARD = PiiType(
    "CREDIT_CARD",
    "card-number",
    (_form("card", r"(?:\d[ -]?){11,18}\d", check.card, chance=0.1, rarity=0.036),),
    _words("card cards cc ccnum creditcard credit debit visa mastercard amex pan karte kreditkarte "
           "kartennummer carte cb tarjeta"),
)  # fmt: skip

_IBAN = PiiType(
    "IBAN",
    "bank-account",
    (
        _form("iban", r"(?:[A-Za-z]{2}\d{2}[A-Za-z0-9]{11,29}|"
                   r"[A-Z]{2}\d{2}(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)",
            check.iban,
            chance=0.0104,
            rarity=1.2e-4,
            family="letters",
        ),
    ),
    _words("iban account konto kontonummer compte cuenta bank"),
)  # fmt: skip

_SSN = PiiType(
    "US_SSN",
    "national-id",
    (
        _form("ssn-dashed", r"\d{3}(?:-\d{2}-| \d{2} )\d{4}", check.us_ssn, rarity=0.01,
             floor=1e-4),
        _form("ssn-plain", r"\d{9}", check.us_ssn, rarity=0.3, floor=0.05),
    ),
    _words("ssn ssns social taxid tax itin"),
)  # fmt: skip

_EMAIL = PiiType(
    "EMAIL",
    "email",
    (
        Form(
            "address",
            re.compile(
                r"(?<![\w.+%'-])[\w+%'-]{1,64}(?:\.[\w+%'-]{1,64}){0,6}@"
                r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,6}[A-Za-z]{2,24}(?![\w-])"
            ),
            check.always,
            rarity=1e-3,
            family="at",
        ),
    ),
    _words("email mail e-mail courriel correo contact"),
)

_PHONE = PiiType(
    "PHONE",
    "phone",
    (
        _form("e164", r"(?:\+|00)[1-9]\d{0,3}(?:[ .-]?\(0?\d{0,4}\))?(?:[ .-]?\d{1,5}){2,6}"
                            r"(?: ?x\d{1,6})?", check.international, rarity=5e-3),
        _form("nanp", r"(?:(?:\+|00)?1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}"
                            r"(?: ?x\d{1,6})?", check.nanp, rarity=0.02, floor=1e-4),
        _form("nanp-plain", r"\d{10}", check.nanp, rarity=0.5, floor=0.05),
        _form("trunk", r"\(?0[1-9]\d{0,4}\)?(?:[ ./-]\d{2,8}){1,4}", check.trunk,
             rarity=0.05, floor=5e-4),
        _form("trunk-plain", r"(?:0[1-9]\d{7,10}|\(0[1-9]\d{1,4}\)\d{4,9})", check.trunk,
             rarity=0.2, floor=0.02),
        _form("grouped", r"\(?\d{2,5}\)?(?:[ .-]\d{2,5}){1,4}",
             lambda text: 7 <= len(check.digits(text)) <= 12, rarity=0.3, floor=0.05),  # noqa: PLR2004
    ),
    _words("phone phones tel telephone telefon telefono téléphone mobile cell cellphone fax handy "
           "call calling called answering desk office whatsapp sms msisdn messages registered me"),
)  # fmt: skip

_IP = PiiType(
    "IP_ADDRESS",
    "ip-address",
    (
        _form("ipv4", r"\d{1,3}(?:\.\d{1,3}){3}", check.public_ipv4, rarity=5e-3,
             floor=1e-5),
        Form("ipv6", re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![\w:])"),
             check.public_ipv6, rarity=1e-3, family="colon"),
    ),
    _words("ip ips ipaddress ipv4 ipv6 addr address host client_ip remote"),
)  # fmt: skip


def _national(name: str, module: str, body: str, chance: float, words: str) -> PiiType:
    family = "letters" if "[A-Z" in body else "digits"
    form = _form(module, body, check.national(module), chance=chance, family=family)
    return PiiType(name, "national-id", (form,), _words(words))


NATIONAL: tuple[PiiType, ...] = (
    _national("AU_TFN", "au.tfn", r"\d{3} ?\d{3} ?\d{3}", 0.1, "tfn"),
    _national("BE_NATIONAL_NUMBER", "be.nn", r"\d{2}\.?\d{2}\.?\d{2}[-.]?\d{3}[-.]?\d{2}", 0.011,
              "rijksregisternummer niss insz nn"),
    _national("BG_EGN", "bg.egn", r"\d{10}", 0.1, "egn"),
    _national("BR_CPF", "br.cpf", r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}", 0.012, "cpf"),
    _national("CA_SIN", "ca.sin", r"\d{3}[ -]?\d{3}[ -]?\d{3}", 0.1, "sin"),
    _national("CH_AHV", "ch.ssn", r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}", 0.1, "ahv avs ssn"),
    _national("CN_RIC", "cn.ric", r"\d{17}[\dXx]", 0.1, "ric"),
    _national("CZ_RC", "cz.rc", r"\d{6}/?\d{4}", 0.1, "rodne rc"),
    _national("DE_IDNR", "de.idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", 0.1, "idnr steuerid steuer"),
    # Numbers given out since 2007 have no check digit: date and century are all there is to check.
    PiiType("DK_CPR", "national-id", (_form("dk.cpr", r"\d{6}-\d{4}",
            check.national("dk.cpr"), rarity=0.1, floor=0.02),), _words("cpr")),
    _national("ES_DNI", "es.dni", r"\d{8}-?[A-Z]", 0.05, "dni nif"),
    _national("ES_NIE", "es.nie", r"[XYZ]-?\d{7}-?[A-Z]", 0.05, "nie"),
    _national("FI_HETU", "fi.hetu", r"\d{6}[+A-Y-]\d{3}[0-9A-Y]", 0.04, "hetu"),
    _national("FR_NIR", "fr.nir", r"[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}", 0.012,
              "nir insee secu"),
    _national("GB_NHS", "gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", 0.1, "nhs"),
    _national("IE_PPS", "ie.pps", r"\d{7}[A-W][A-IW]?", 0.05, "pps ppsn"),
    _national("IL_ID", "il.idnr", r"\d{9}", 0.1, "teudat"),
    _national("IN_AADHAAR", "in_.aadhaar", r"[2-9]\d{3} ?\d{4} ?\d{4}", 0.1, "aadhaar uid"),
    _national("IT_CODICE_FISCALE", "it.codicefiscale",
              r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]", 0.04, "codice fiscale cf"),
    _national("KR_RRN", "kr.rrn", r"\d{6}-\d{7}", 0.1, "rrn"),
    _national("MX_CURP", "mx.curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d", 0.1, "curp"),
    _national("NL_BSN", "nl.bsn", r"\d{9}", 0.1, "bsn burgerservicenummer sofi"),
    _national("NO_FODSELSNUMMER", "no.fodselsnummer", r"\d{6} ?\d{5}", 0.01, "fodselsnummer fnr"),
    _national("PL_PESEL", "pl.pesel", r"\d{11}", 0.1, "pesel"),
    _national("PT_CC", "pt.cc", r"\d{8} ?\d ?[A-Z]{2}\d", 0.12, "cc"),
    _national("RO_CNP", "ro.cnp", r"[1-9]\d{12}", 0.1, "cnp"),
    _national("SE_PERSONNUMMER", "se.personnummer", r"(?:\d{2})?\d{6}[-+]\d{4}", 0.1,
              "personnummer pnr"),
    _national("TR_KIMLIK", "tr.tckimlik", r"[1-9]\d{10}", 0.012, "tckimlik tckn kimlik"),
    _national("ZA_ID", "za.idnr", r"\d{6} ?\d{4} ?\d{3}", 0.1, "idno"),
    PiiType("US_NPI", "national-id", (_form("npi", r"\d{10}", check.us_npi, chance=0.1),),
            _words("npi provider prescriber")),
)  # fmt: skip


def _secret(
    name: str,
    body: str,
    test: Callable[[str], bool] = check.random_looking,
    after: str = r"(?![A-Za-z0-9_-])",
) -> Form:
    shape = re.compile(rf"(?<![A-Za-z0-9_-]){body}{after}", re.ASCII)
    return Form(name, shape, test, rarity=1e-4, floor=1e-9, family="secret")


_SECRET = PiiType(
    "SECRET",
    "secret",
    (
        _secret("aws-access-key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
        _secret("github-token", r"(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82})"),
        _secret("gitlab-token", r"glpat-[A-Za-z0-9_-]{20,64}"),
        _secret("model-api-key", r"sk-(?:ant-|proj-|svcacct-)?[A-Za-z0-9_-]{20,200}"),
        _secret("slack-token", r"xox[abposr]-[A-Za-z0-9-]{10,100}"),
        _secret("stripe-key", r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,120}"),
        _secret("google-api-key", r"AIza[A-Za-z0-9_-]{35}"),
        _secret("huggingface-token", r"hf_[A-Za-z0-9]{34}"),
        _secret("npm-token", r"npm_[A-Za-z0-9]{36}"),
        _secret("pypi-token", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,200}"),
        _secret("sendgrid-key", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
        _secret("digitalocean-token", r"do[opr]_v1_[a-f0-9]{64}"),
        _secret("azure-storage-key", r"AccountKey=[A-Za-z0-9+/]{86}=="),
        _secret(
            "json-web-token",
            r"eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{4,4000}\.[A-Za-z0-9_-]{8,1000}",
            check.jwt,
        ),
        _secret("private-key", r"-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY-----", check.always),
        _secret(
            "url-password",
            r"[a-z][a-z0-9+]{1,15}://[^\s:/@]{1,64}:[^\s:/@]{3,128}@",
            check.no_placeholder,
            after="",
        ),
    ),
    _words("secret token key apikey password passwd credential"),
)  # fmt: skip

TYPES: tuple[PiiType, ...] = (_SECRET, _CARD, _IBAN, _SSN, _EMAIL, _PHONE, _IP, *NATIONAL)
"""All types, in the order in which they are looked for."""

BY_NAME = {kind.name: kind for kind in TYPES}
"""The same by name."""

FAMILIES = {
    "digits": r"[0-9](?:[^0-9A-Za-z]{0,3}[0-9]){6}|[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.",
    "at": r"@[A-Za-z0-9]",
    "colon": r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:",
    "letters": r"[0-9]{2}[A-Za-z0-9. /+-]{0,30}[0-9]{2}",
    "secret": r"AKIA|ASIA|ABIA|ACCA|gh[pousr]_|github_pat_|glpat-|sk-|xox[abposr]-|[rs]k_(?:live|"
    r"test)_|AIza|hf_|npm_|pypi-|SG\.|do[opr]_v1_|AccountKey=|eyJ|PRIVATE KEY|://",
}
"""Patterns in the common subset of RE2 and re: a cell without one holds no form of the family."""
