"""A second reading of the world's sentences, written apart from its grammar.

It knows each sentence by a pattern of its own and judges by the world's rules.
"""

import re

_TRADES = {
    **dict.fromkeys(("sold", "sell", "bought", "buy"), "sale"),
    **dict.fromkeys(("gave", "give", "given", "got", "get"), "gift"),
    **dict.fromkeys(("lent", "lend", "borrowed", "borrow"), "loan"),
    **dict.fromkeys(("sent", "send", "received", "receive"), "mail"),
}
_BASE = {"saw": "see", "seen": "see", "taught": "teach", "beaten": "beat"}
_BASE |= {"paid": "pay", "called": "call", "followed": "follow", "visited": "visit"}
_BASE |= {"helped": "help", "saved": "save", "invited": "invite"}
_DEEDS = "|".join({*_BASE, *_BASE.values()})
_SCALES = ("tall short", "old young", "fast slow", "strong weak", "rich poor")
_SCALES += ("loud quiet",)
_UP = {s.split()[0] for s in _SCALES}
_TO = "sold|gave|given|lent|sent|sell|give|lend|send"
_FROM = "bought|got|borrowed|received|buy|get|borrow|receive"
_W = r"([\w]+)"


def _adjective(word):
    for pair in _SCALES:
        for one in pair.split():
            if word.rstrip("er") == one.rstrip("er"):
                return pair, one in _UP
    raise ValueError(word)


def _more(word, one, other):
    pair, up = _adjective(word)
    return ("more", pair, *((one, other) if up else (other, one)))


def _way(word, one, other):
    axis = "north south" if word in ("north", "south") else "east west"
    return ("way", axis, *((one, other) if word in ("north", "east") else (other, one)))


def _trade(verb, giver, taker, thing):
    return ("trade", _TRADES[verb], giver, taker, thing)


def _deed(verb, one, other, place):
    return ("deed", _BASE.get(verb, verb), one, other, place)


_JOBS = {"bakes": "baker", "teaches": "teacher", "grows": "farmer", "heals": "doctor"}
_JOBS |= {"drives": "driver", "paints": "painter", "sings": "singer", "sews": "tailor"}
_JOBS |= {"catches": "fisher", "writes": "writer"}
_PATTERNS = [
    (
        rf"{_W} (did not )?({_TO}) the {_W} to {_W}",
        lambda a, n, v, o, b: (n, _trade(v, a, b, o)),
    ),
    (
        rf"{_W} (did not )?({_FROM}) the {_W} from {_W}",
        lambda b, n, v, o, a: (n, _trade(v, a, b, o)),
    ),
    (
        rf"the {_W} was ({_TO}) to {_W} by {_W}",
        lambda o, v, b, a: (None, _trade(v, a, b, o)),
    ),
    (
        rf"it was {_W} who ({_TO}) the {_W} to {_W}",
        lambda a, v, o, b: (None, _trade(v, a, b, o)),
    ),
    (
        rf"it was {_W} who ({_FROM}) the {_W} from {_W}",
        lambda b, v, o, a: (None, _trade(v, a, b, o)),
    ),
    (
        rf"{_W} ({_FROM}) a (toy|tool|piece of \w+) from {_W}",
        lambda b, v, k, a: (None, ("some", _TRADES[v], a, b, k)),
    ),
    (rf"{_W} has the {_W} now", lambda a, o: (None, ("has", a, o))),
    (rf"{_W} does not have the {_W} now", lambda a, o: ("n", ("has", a, o))),
    (
        rf"{_W} is (not )?(north|south|east|west) of {_W}",
        lambda p, n, w, q: (n, _way(w, p, q)),
    ),
    (rf"you go (\w+) from {_W} to {_W}", lambda w, q, p: (None, _way(w, p, q))),
    (rf"{_W} is (not )?(\w+er) than {_W}", lambda a, n, w, b: (n, _more(w, a, b))),
    (
        rf"of {_W} and {_W}, \w+ is the (\w+) one",
        lambda a, b, w: (None, _more(w, a, b)),
    ),
    (rf"{_W} is not as (\w+) as {_W}", lambda b, w, a: (None, _more(w, a, b))),
    (
        rf"it was {_W} who ({_DEEDS}) {_W} in {_W}",
        lambda a, v, b, p: (None, _deed(v, a, b, p)),
    ),
    (rf"in {_W}, {_W} ({_DEEDS}) {_W}", lambda p, a, v, b: (None, _deed(v, a, b, p))),
    (
        rf"{_W} was (not )?({_DEEDS}) by {_W}(?: in {_W})?",
        lambda b, n, v, a, p: (n, _deed(v, a, b, p)),
    ),
    (
        rf"{_W} (did not )?({_DEEDS}) {_W}(?: in {_W})?",
        lambda a, n, v, b, p: (n, _deed(v, a, b, p)),
    ),
    (
        rf"when {_W} came to {_W}, {_W} was already there",
        lambda b, p, a: (None, ("first", a, b, p)),
    ),
    (
        rf"{_W} (?:came|(did not) come)(?: to {_W})? before {_W}",
        lambda a, n, p, b: (n, ("first", a, b, p)),
    ),
    (
        rf"{_W} (?:came|(did not) come)(?: to {_W})? after {_W}",
        lambda b, n, p, a: (n, ("first", a, b, p)),
    ),
    (rf"{_W} (?:lives|(does not) live) in {_W}", lambda a, n, p: (n, ("home", a, p))),
    (rf"the home of {_W} is (not )?in {_W}", lambda a, n, p: (n, ("home", a, p))),
    (rf"{_W} is where {_W} lives", lambda p, a: (None, ("home", a, p))),
    (rf"{_W} keeps the {_W} in the {_W}", lambda a, o, r: (None, ("spot", a, o, r))),
    (
        rf"{_W} does not keep the {_W} in the {_W}",
        lambda a, o, r: ("n", ("spot", a, o, r)),
    ),
    (
        rf"the {_W} of {_W} is (not )?in the {_W}",
        lambda o, a, n, r: (n, ("spot", a, o, r)),
    ),
    (rf"in the {_W} is {_W}'s {_W}", lambda r, a, o: (None, ("spot", a, o, r))),
    (
        rf"the colour of {_W}'s {_W} is {_W}",
        lambda a, o, c: (None, ("colour", a, o, c)),
    ),
    (rf"{_W}'s {_W} is not {_W}", lambda a, o, c: ("n", ("colour", a, o, c))),
    (rf"the job of {_W} is {_W}", lambda a, j: (None, ("job", a, j))),
    (rf"the {_W} of {_W} is {_W}", lambda o, a, c: (None, ("colour", a, o, c))),
    (
        rf"{_W} (?:has|(does not) have) a {_W} {_W}",
        lambda a, n, c, o: (n, ("colour", a, o, c)),
    ),
    (rf"{_W} has a {_W}", lambda a, o: (None, ("owns", a, o))),
    (rf"{_W} is (not )?a {_W}", lambda a, n, j: (n, ("job", a, j))),
    (rf"{_W} (?:works|(does not) work) as a {_W}", lambda a, n, j: (n, ("job", a, j))),
    (rf"{_W} (?:likes|is fond of) {_W}", lambda a, f: (None, ("taste", a, f))),
    (
        rf"{_W} (?:hates|cannot stand|does not like) {_W}",
        lambda a, f: ("n", ("taste", a, f)),
    ),
    (rf"{_W} does not hate {_W}", lambda a, f: (None, ("taste", a, f))),
    (rf"{_W} is what {_W} likes", lambda f, a: (None, ("taste", a, f))),
    (rf"{_W} is what {_W} hates", lambda f, a: ("n", ("taste", a, f))),
    (
        rf"{_W} (?:is the one who )?({'|'.join(_JOBS)}) [\w ]+",
        lambda a, d: (None, ("job", a, _JOBS[d])),
    ),
]
_KIND = {
    "toy": "kite drum ball doll flute puzzle sled robot",
    "tool": "hammer saw rope ladder brush shovel bucket knife",
    "piece of clothing": "coat hat scarf shirt dress jacket belt vest",
    "piece of furniture": "lamp chair table mirror shelf bed clock desk",
}


def read(text):
    """The fact of a sentence and whether it is said to hold: (fact, True)."""
    text = text.strip(" .?").lower()
    for pattern, make in _PATTERNS:
        if found := re.fullmatch(pattern, text):
            denied, fact = make(*found.groups())
            return fact, not denied
    raise ValueError(f"not understood: {text}")


def sentences(text):
    """The clauses of a text."""
    return [s for s in re.split(r"\. |\.$|, and |, while ", text) if s]


def _holds(asked, told):
    """Whether `asked` is so, given one fact: True, False or None for unknown."""
    kind, *rest = asked
    if kind == "has" and told[0] == "trade":
        who, thing = rest
        _, _, giver, taker, handed = told
        if thing == handed and who in (giver, taker):
            return who == taker
        return None
    if kind == "some" and told[0] == "trade":
        verb, giver, taker, what = rest
        if verb != told[1] or told[4] not in _KIND[what].split():
            return None
        return _swap((giver, taker), told[2:4])
    if kind == "owns" and told[0] == "colour":
        return True if tuple(rest) == told[1:3] else None
    if kind != told[0]:
        return None
    if kind in ("more", "way"):
        return _swap(rest[1:], told[2:]) if rest[0] == told[1] else None
    if kind in ("trade", "deed"):
        same = rest[0] == told[1] and rest[3] in (None, told[4])
        return _swap(rest[1:3], told[2:4]) if same else None
    if kind == "first":
        return _swap(rest[:2], told[1:3]) if rest[2] in (None, told[3]) else None
    if kind == "taste":
        return True if tuple(rest) == told[1:] else None
    *about, value = rest
    return value == told[-1] if tuple(about) == told[1:-1] else None


def _swap(asked, told):
    if tuple(asked) == tuple(told):
        return True
    return False if tuple(asked) == tuple(reversed(told)) else None


def judge(premise, hypothesis):
    """Whether a hypothesis holds: True, False, or None where nothing tells."""
    asked, positive = read(hypothesis)
    for told, is_so in map(read, sentences(premise)):
        held = _holds(asked, told)
        if held is not None and (is_so or asked[0] == "taste"):
            return held == (positive == is_so)
    return None
