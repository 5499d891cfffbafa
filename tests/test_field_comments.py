"""Comments on fields, read from the code for schemas."""

from perdure.temporal.field_comments import field_comments
from perdure.workflows.vocabulary.parts import Frozen


class Parcel(Frozen):
    """A parcel."""

    #: Kilograms; the whole
    #: parcel, with its box.
    weight: float
    # Not for readers.
    place: str = ""
    #: Spans no field: what follows is a method.

    def heavy(self) -> bool:
        return self.weight > 30


class Letter(Parcel):
    #: Grams.
    weight: float
    #: Postage, in cents.
    postage: int


def test_comments_by_field_with_those_of_bases() -> None:
    assert field_comments(Parcel) == {"weight": "Kilograms; the whole parcel, with its box."}
    assert field_comments(Letter) == {"weight": "Grams.", "postage": "Postage, in cents."}


def test_a_record_without_source_has_none() -> None:
    assert field_comments(type("Made", (Frozen,), {"__annotations__": {"a": int}})) == {}
