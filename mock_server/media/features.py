"""The features of a face, all derived from one hash. Pure data, without Pillow."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self, TypeVar

T = TypeVar("T")
Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""

SKINS: Final[tuple[Colour, ...]] = (
    (255, 224, 196),
    (246, 205, 170),
    (234, 186, 146),
    (214, 160, 116),
    (188, 132, 90),
    (156, 104, 68),
    (122, 78, 50),
    (92, 58, 40),
)
HAIRS: Final[tuple[Colour, ...]] = (
    (34, 28, 30),
    (66, 44, 34),
    (104, 66, 40),
    (146, 92, 48),
    (196, 148, 78),
    (232, 200, 120),
    (178, 70, 38),
    (150, 150, 156),
    (222, 222, 226),
    (84, 96, 170),
    (196, 84, 128),
)
IRISES: Final[tuple[Colour, ...]] = ((72, 46, 30), (110, 74, 40), (60, 120, 70), (56, 110, 170), (98, 110, 120))
BACKDROPS: Final = ("plain", "sunset", "stripes", "dots", "rays", "halves")
HAIRCUTS: Final = ("bald", "short", "parted", "fringe", "curly", "long", "bob", "bun", "mohawk", "afro", "spiky")
MOUTHS: Final = ("smile", "grin", "flat", "smirk", "round")
NOSES: Final = ("button", "long", "wide")
# Words that occur twice are twice as likely: most people have no hat.
BEARDS: Final = ("none", "none", "none", "none", "stubble", "full", "goatee", "moustache")
GLASSES: Final = ("none", "none", "none", "round", "square", "half")
HATS: Final = ("none", "none", "none", "none", "none", "cap", "beanie", "brim", "band")
SHIRTS: Final = ("crew", "vee", "collar", "striped", "buttons")


@dataclass(frozen=True, slots=True)
class Face:
    """A person in our pictures. ``identity`` is any text, such as a media URL; ``index`` is the position in it, from
    0.

    Equal faces are drawn in the same way everywhere; faces that differ in either field look different."""

    identity: str
    index: int


@dataclass(frozen=True, slots=True)
class Look:
    """The features of one face. Lengths are fractions of the side of the picture; names select a drawing."""

    backdrop: str
    wall: Colour
    accent: Colour
    slant: float
    skin: Colour
    hair: Colour
    haircut: str
    iris: Colour
    shirt: str
    cloth: Colour
    trim: Colour
    width: float
    height: float
    eye_gap: float
    eye_size: float
    brow_tilt: float
    brow_width: float
    nose: str
    mouth: str
    mouth_width: float
    beard: str
    glasses: str
    hat: str
    earrings: bool
    freckles: bool

    @classmethod
    def of(cls, face: Face) -> Self:
        """Return the features of ``face``."""
        deal = _Deck(face)
        hue = deal.between(0.0, 1.0)
        cloth_hue = deal.between(0.0, 1.0)
        return cls(
            backdrop=deal.pick(BACKDROPS),
            wall=colour(hue, deal.between(0.25, 0.6), deal.between(0.6, 0.95)),
            accent=colour(hue + deal.between(0.08, 0.5), deal.between(0.3, 0.65), deal.between(0.65, 0.98)),
            slant=deal.between(0.0, 1.0),
            skin=deal.pick(SKINS),
            hair=deal.pick(HAIRS),
            haircut=deal.pick(HAIRCUTS),
            iris=deal.pick(IRISES),
            shirt=deal.pick(SHIRTS),
            cloth=colour(cloth_hue, deal.between(0.35, 0.8), deal.between(0.35, 0.9)),
            trim=colour(cloth_hue + 0.45, 0.5, deal.between(0.5, 0.95)),
            width=deal.between(0.185, 0.235),
            height=deal.between(0.245, 0.285),
            eye_gap=deal.between(0.075, 0.095),
            eye_size=deal.between(0.032, 0.046),
            brow_tilt=deal.between(-0.018, 0.018),
            brow_width=deal.between(0.012, 0.024),
            nose=deal.pick(NOSES),
            mouth=deal.pick(MOUTHS),
            mouth_width=deal.between(0.06, 0.095),
            beard=deal.pick(BEARDS),
            glasses=deal.pick(GLASSES),
            hat=deal.pick(HATS),
            earrings=deal.pick((False, False, True)),
            freckles=deal.pick((False, False, False, True)),
        )


class _Deck:
    """The 256 bits of a hash, which are used up one feature at a time."""

    def __init__(self, face: Face) -> None:
        # JSON may contain lone surrogates, and any text can be a name.
        text = f"{face.index}\0{face.identity}".encode("utf-8", "surrogatepass")
        self._left = int.from_bytes(sha256(text).digest(), "big")

    def pick(self, choices: Sequence[T]) -> T:
        self._left, at = divmod(self._left, len(choices))
        return choices[at]

    def between(self, low: float, high: float) -> float:
        self._left, step = divmod(self._left, 256)
        return low + (high - low) * step / 255


def colour(hue: float, saturation: float, value: float) -> Colour:
    """Return the colour of hue (1.0 is a full turn, and it wraps), saturation and value, 0 to 1 each."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return a blend of two colours; ``share`` (0 to 1) is the part of the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
