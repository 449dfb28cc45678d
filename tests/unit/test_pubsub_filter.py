import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.pubsub.errors import PubSubError
from emulator.pubsub.filter import compile_filter

CASES = [
    ("attributes:a", {"a": ""}, True),
    ("attributes:a", {"b": "x"}, False),
    ("NOT attributes:a", {"b": "x"}, True),
    ("-attributes:a", {"a": "x"}, False),
    ('attributes.a = "x"', {"a": "x"}, True),
    ('attributes.a="x"', {"a": "y"}, False),
    ('attributes.a = "x"', {}, False),
    ('attributes.a != "x"', {"a": "y"}, True),
    ('attributes.a != "x"', {}, True),
    ('attributes.a != "x"', {"a": "x"}, False),
    ('hasPrefix(attributes.a, "re")', {"a": "review"}, True),
    ('hasPrefix(attributes.a, "re")', {"a": "preview"}, False),
    ('hasPrefix(attributes.a, "")', {}, False),
    ("attributes:a AND attributes:b", {"a": "", "b": ""}, True),
    ("attributes:a AND attributes:b", {"a": ""}, False),
    ("attributes:a OR attributes:b", {"b": ""}, True),
    ("attributes:a OR attributes:b OR attributes:c", {}, False),
    ("attributes:a AND (attributes:b OR attributes:c)", {"a": "", "c": ""}, True),
    ("NOT (attributes:a OR attributes:b)", {"b": ""}, False),
    ('attributes:"with space"', {"with space": ""}, True),
    ('attributes."dotted.key" = "v"', {"dotted.key": "v"}, True),
    (r'attributes.a = "say \"hi\""', {"a": 'say "hi"'}, True),
    (r'attributes.a = "\u00e9\x21\101"', {"a": "é!A"}, True),
    ("  attributes : a  ", {"a": ""}, True),
    ("attributes:with-dash_and_1", {"with-dash_and_1": ""}, True),
]

MISTAKES = [
    "",
    "   ",
    "attributes",
    "attributes:",
    "attributes.a",
    "attributes.a =",
    "attributes.a = x",
    'attributes.a == "x"',
    'data = "x"',
    "attributes:a AND",
    "AND attributes:a",
    "attributes:a attributes:b",
    "attributes:a AND attributes:b OR attributes:c",
    "(attributes:a",
    "attributes:a)",
    'hasPrefix(attributes.a, "x"',
    'hasPrefix("x", attributes.a)',
    'attributes.a = "open',
    r'attributes.a = "\ud800"',
    "attributes:é",
]


@pytest.mark.parametrize(("text", "attributes", "passes"), CASES)
def test_a_filter_lets_pass_what_it_says(text: str, attributes: dict[str, str], passes: bool) -> None:
    assert compile_filter(text)(attributes) is passes


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(PubSubError):
        compile_filter(text)


def test_the_length_is_limited_in_bytes() -> None:
    fixed = len('attributes.a = ""')
    compile_filter(f'attributes.a = "{"é" * ((256 - fixed) // 2)}"')
    with pytest.raises(PubSubError, match="256 bytes"):
        compile_filter(f'attributes.a = "{"é" * 128}"')


WORDS = ["attributes", "a", ":", ".", "=", "!=", '"x"', "AND", "OR", "NOT", "-", "(", ")", "hasPrefix", ","]
NEARLY = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)
DEEP = st.builds(lambda sign, depth: sign * depth + "attributes:a", st.sampled_from("(-"), st.integers(0, 244))


@given(st.one_of(st.text(max_size=300), NEARLY, DEEP))
def test_any_text_compiles_or_raises_the_one_error(text: str) -> None:
    try:
        predicate = compile_filter(text)
    except PubSubError:
        return
    assert predicate({"a": "x"}) in {True, False}
