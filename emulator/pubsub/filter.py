"""The filter language of subscriptions: text to a predicate over a message's attributes.

Grammar (https://cloud.google.com/pubsub/docs/subscription-message-filter): `attributes:key`, `attributes.key = "v"`,
`attributes.key != "v"`, `hasPrefix(attributes.key, "p")`, combined with NOT or `-`, AND, OR and parentheses. As in the
real service, AND and OR may not stand beside each other without parentheses.
"""

import re
import sys
from collections.abc import Callable, Mapping

from emulator.pubsub.errors import PubSubError, invalid

MAX_FILTER_BYTES = 256

Predicate = Callable[[Mapping[str, str]], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<word>[A-Za-z_][A-Za-z0-9_\-]*)
      | (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<sign>!=|[()=,:.\-])
    )""",
    re.VERBOSE | re.DOTALL,
)

_ESCAPE = re.compile(
    r"""\\(?:
        u(?P<unicode>[0-9A-Fa-f]{4})
      | x(?P<hexadecimal>[0-9A-Fa-f]{2})
      | (?P<octal>[0-7]{1,3})
      | (?P<character>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_SURROGATES = range(0xD800, 0xE000)


def compile_filter(source: str) -> Predicate:
    """Compile `source`, at most 256 bytes, or raise INVALID_ARGUMENT with the place of the mistake."""
    if len(source.encode(errors="surrogatepass")) > MAX_FILTER_BYTES:
        raise invalid(f"filter is longer than {MAX_FILTER_BYTES} bytes")
    return _Parser(source).parse()


def _tokenize(source: str) -> list[tuple[str, str]]:
    tokens = []
    position, end = 0, len(source.rstrip())
    while position < end:
        match = _TOKEN.match(source, position)
        if match is None:
            raise invalid(f"invalid filter at character {position}: {source!r}")
        kind = match.lastgroup or ""
        tokens.append((kind, match[kind]))
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent over the tokens; the length limit bounds the recursion."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = _tokenize(source)
        self._position = 0

    def parse(self) -> Predicate:
        predicate = self._expression()
        if self._position < len(self._tokens):
            raise self._error()
        return predicate

    def _error(self) -> PubSubError:
        rest = self._tokens[self._position :]
        near = f"near {rest[0][1]!r}" if rest else "at its end"
        return invalid(f"invalid filter {near}: {self._source!r}")

    def _next_is(self, value: str) -> bool:
        return self._position < len(self._tokens) and self._tokens[self._position] in {("word", value), ("sign", value)}

    def _accept(self, value: str) -> bool:
        found = self._next_is(value)
        self._position += found
        return found

    def _expect(self, value: str) -> None:
        if not self._accept(value):
            raise self._error()

    def _expression(self) -> Predicate:
        terms = [self._term()]
        joined = next((word for word in ("AND", "OR") if self._next_is(word)), "")
        while joined and self._accept(joined):
            terms.append(self._term())
        if len(terms) == 1:
            return terms[0]
        combine = all if joined == "AND" else any
        return lambda attributes: combine(term(attributes) for term in terms)

    def _term(self) -> Predicate:
        if self._accept("NOT") or self._accept("-"):
            negated = self._term()
            return lambda attributes: not negated(attributes)
        if self._accept("("):
            inner = self._expression()
            self._expect(")")
            return inner
        if self._accept("hasPrefix"):
            return self._prefix()
        return self._comparison()

    def _prefix(self) -> Predicate:
        self._expect("(")
        self._expect("attributes")
        self._expect(".")
        key = self._key()
        self._expect(",")
        prefix = self._text()
        self._expect(")")
        return lambda attributes: key in attributes and attributes[key].startswith(prefix)

    def _comparison(self) -> Predicate:
        self._expect("attributes")
        if self._accept(":"):
            present = self._key()
            return lambda attributes: present in attributes
        self._expect(".")
        key = self._key()
        if self._accept("!="):
            other = self._text()
            return lambda attributes: key not in attributes or attributes[key] != other
        self._expect("=")
        value = self._text()
        return lambda attributes: key in attributes and attributes[key] == value

    def _key(self) -> str:
        if self._position < len(self._tokens) and self._tokens[self._position][0] == "word":
            self._position += 1
            return self._tokens[self._position - 1][1]
        return self._text()

    def _text(self) -> str:
        if self._position >= len(self._tokens) or self._tokens[self._position][0] != "text":
            raise self._error()
        self._position += 1
        return _ESCAPE.sub(_unescape, self._tokens[self._position - 1][1][1:-1])


def _unescape(escape: re.Match[str]) -> str:
    """Return the character that an escape sequence stands for; an escaped character that is no code is itself."""
    for name, base in (("unicode", 16), ("hexadecimal", 16), ("octal", 8)):
        if escape[name]:
            code = int(escape[name], base)
            if code > sys.maxunicode or code in _SURROGATES:
                raise invalid(f"invalid filter: {escape[0]} is not a character")
            return chr(code)
    return _CONTROLS.get(escape["character"], escape["character"])
