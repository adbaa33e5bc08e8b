"""A second reading of the world's sentences, written apart from its grammar.

It knows each sentence by a pattern of its own and judges by the world's rules.
"""

import re

_TRADES = {
    **dict.fromkeys(("gave", "give", "given", "got", "get"), "gift"),
    **dict.fromkeys(("lent", "lend", "borrowed", "borrow"), "loan"),
}
_BASE = {"taught": "teach", "called": "call", "followed": "follow"}
_BASE |= {"visited": "visit", "helped": "help", "saved": "save"}
_DEEDS = "|".join({*_BASE, *_BASE.values()})
_TO = "gave|given|lent|give|lend"
_FROM = "got|borrowed|get|borrow"
_W = r"([\w]+)"


def _trade(verb, giver, taker, thing):
    return ("trade", _TRADES[verb], giver, taker, thing)


def _deed(verb, one, other, place):
    return ("deed", _BASE.get(verb, verb), one, other, place)


_JOBS = {"bakes": "baker", "teaches": "teacher", "grows": "farmer", "heals": "doctor"}
_JOBS |= {"drives": "driver", "paints": "painter", "sings": "singer", "sews": "tailor"}
_JOBS |= {"catches": "fisher", "writes": "writer"}
_PATTERNS = [
    (rf"{_W} ({_TO}) the {_W} to {_W}", lambda a, v, o, b: _trade(v, a, b, o)),
    (rf"{_W} ({_FROM}) the {_W} from {_W}", lambda b, v, o, a: _trade(v, a, b, o)),
    (
        rf"the {_W} was ({_TO}) to {_W} by {_W}",
        lambda o, v, b, a: _trade(v, a, b, o),
    ),
    (
        rf"it was {_W} who ({_TO}) the {_W} to {_W}",
        lambda a, v, o, b: _trade(v, a, b, o),
    ),
    (
        rf"it was {_W} who ({_FROM}) the {_W} from {_W}",
        lambda b, v, o, a: _trade(v, a, b, o),
    ),
    (
        rf"{_W} ({_FROM}) a (toy|tool|piece of \w+) from {_W}",
        lambda b, v, k, a: ("some", _TRADES[v], a, b, k),
    ),
    (rf"{_W} has the {_W} now", lambda a, o: ("has", a, o)),
    (
        rf"it was {_W} who ({_DEEDS}) {_W} in {_W}",
        lambda a, v, b, p: _deed(v, a, b, p),
    ),
    (rf"in {_W}, {_W} ({_DEEDS}) {_W}", lambda p, a, v, b: _deed(v, a, b, p)),
    (
        rf"{_W} was ({_DEEDS}) by {_W}(?: in {_W})?",
        lambda b, v, a, p: _deed(v, a, b, p),
    ),
    (rf"{_W} ({_DEEDS}) {_W}(?: in {_W})?", lambda a, v, b, p: _deed(v, a, b, p)),
    (rf"{_W} lives in {_W}", lambda a, p: ("home", a, p)),
    (rf"the home of {_W} is in {_W}", lambda a, p: ("home", a, p)),
    (rf"{_W} is where {_W} lives", lambda p, a: ("home", a, p)),
    (rf"{_W} keeps the {_W} in the {_W}", lambda a, o, r: ("spot", a, o, r)),
    (rf"the {_W} of {_W} is in the {_W}", lambda o, a, r: ("spot", a, o, r)),
    (rf"in the {_W} is {_W}'s {_W}", lambda r, a, o: ("spot", a, o, r)),
    (rf"the colour of {_W}'s {_W} is {_W}", lambda a, o, c: ("colour", a, o, c)),
    (rf"the favourite food of {_W} is {_W}", lambda a, f: ("food", a, f)),
    (rf"{_W} likes {_W} best", lambda a, f: ("food", a, f)),
    (rf"{_W} is what {_W} likes best", lambda f, a: ("food", a, f)),
    (rf"the job of {_W} is {_W}", lambda a, j: ("job", a, j)),
    (rf"the {_W} of {_W} is {_W}", lambda o, a, c: ("colour", a, o, c)),
    (rf"{_W} has a {_W} {_W}", lambda a, c, o: ("colour", a, o, c)),
    (rf"{_W} has a {_W}", lambda a, o: ("owns", a, o)),
    (rf"{_W} (?:is|works as) a {_W}", lambda a, j: ("job", a, j)),
    (
        rf"{_W} (?:is the one who )?({'|'.join(_JOBS)}) [\w ]+",
        lambda a, d: ("job", a, _JOBS[d]),
    ),
]

_KIND = {
    "toy": "kite drum ball doll flute puzzle sled robot",
    "tool": "hammer saw rope ladder brush shovel bucket knife",
    "piece of clothing": "coat hat scarf shirt dress jacket belt vest",
    "piece of furniture": "lamp chair table mirror shelf bed clock desk",
}


def read(text):
    """The fact of a sentence."""
    text = text.strip(" .?").lower()
    for pattern, make in _PATTERNS:
        if found := re.fullmatch(pattern, text):
            return make(*found.groups())
    raise ValueError(f"not understood: {text}")


def sentences(text):
    """The clauses of a text."""
    return [s for s in re.split(r"\. |\.$|, and |, while ", text) if s]


def _holds(asked, told):
    """Whether `asked` is so, given one fact: True, False or None for unknown."""
    kind, *rest = asked
    if kind == "has" and told[0] == "trade":
        who, thing = rest
        return who == told[3] if thing == told[4] else None
    if kind == "some" and told[0] == "trade":
        # Nobody gives away two things of a kind.
        verb, giver, taker, what = rest
        same = (verb, giver) == told[1:3] and told[4] in _KIND[what].split()
        return taker == told[3] if same else None
    if kind == "owns" and told[0] == "colour":
        return True if tuple(rest) == told[1:3] else None
    if kind != told[0]:
        return None
    if kind == "trade":
        # A thing changes hands at most once.
        verb, giver, taker, thing = rest
        same = (verb, giver, thing) == (told[1], told[2], told[4])
        return taker == told[3] if same else None
    if kind == "deed":
        # What one person did to another happened in one place.
        *about, place = rest
        if tuple(about) != told[1:4]:
            return None
        return place in (None, told[4])
    *about, value = rest
    return value == told[-1] if tuple(about) == told[1:-1] else None


def judge(premise, hypothesis):
    """Whether a hypothesis holds: True, False, or None where nothing tells."""
    asked = read(hypothesis)
    for told in map(read, sentences(premise)):
        held = _holds(asked, told)
        if held is not None:
            return held
    return None
