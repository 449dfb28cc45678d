"""How deep JSON is nested, told from its bytes before anything decodes them.

Decoders descend with the JSON and stop at the interpreter's recursion limit. A garbage collection that starts down
there runs the finalizers of whatever it finds, of other work too, and each of them fails for want of stack.
"""

from __future__ import annotations

import re
from itertools import accumulate

MAX_DEPTH = 100
"""How many lists and objects may stand in one another in JSON that we read, the outermost counted."""

TOO_DEEP = "The JSON is nested too deeply. Send a flat object."

_NO_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[^][{}"]++', re.DOTALL)
"""A string, to the end of the document where it is not closed, or what stands between strings and brackets."""
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def nests_too_deep(data: bytes) -> bool:
    """Say whether a decoder of this JSON (UTF-8) would be inside of more than MAX_DEPTH lists and objects at once.

    Of what is no JSON the answer holds for as far as it is JSON; behind that it can be either.
    """
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    depths = accumulate(map(_STEP.__getitem__, _NO_BRACKET.sub(b"", data)))
    return any(map(MAX_DEPTH.__lt__, depths))
