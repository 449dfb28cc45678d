"""How deep JSON is nested, told from its bytes before anything decodes them.

Decoders descend with the JSON and stop at the interpreter's recursion limit. A garbage collection that starts down
there runs the finalizers of whatever it finds, of other work too, and each of them fails for want of stack.
"""

from __future__ import annotations

import re

MAX_DEPTH = 100
"""How many lists and objects may stand in one another in JSON that we read, the outermost counted."""

TOO_DEEP = f"The JSON is nested too deeply. Nest at most {MAX_DEPTH} lists and objects in one another."

_STRING = rb'"(?:[^"\\]++|\\.)*+"?'
"""To the end of the document where it is not closed."""
_STRINGS = re.compile(_STRING, re.DOTALL)
_WINDOW = re.compile(rb"(?:" + _STRING + rb'|[^"]{1,1024}+){1,256}+', re.DOTALL)
"""So much is looked at in one step: what is taken apart at once of a document needs many times its memory."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def nests_too_deep(data: bytes) -> bool:
    """Say whether a decoder of this JSON (UTF-8) would be inside of more than MAX_DEPTH lists and objects at once.

    Of what is no JSON the answer holds for as far as it is JSON; behind that it can be either.
    """
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for window in _WINDOW.finditer(data):
        for bracket in _STRINGS.sub(b"", window[0]).translate(None, _NO_BRACKETS):
            depth += _STEP[bracket]
            if depth > MAX_DEPTH:
                return True
    return False
