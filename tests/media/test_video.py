"""Videos: every box and every bit is read back by a strict reader of our own, and by ffmpeg where there is one."""

import itertools
import random
import re
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from PIL import Image, ImageChops, ImageStat

from swapmock.mock_server.media import Face, group_mp4
from swapmock.mock_server.media.group import MAX_FACES, moving
from swapmock.mock_server.media.h264 import Bits, Planes, Stream, encode, level_for, nal
from swapmock.mock_server.media.mp4 import mux
from swapmock.mock_server.media.video import planes_of

PEOPLE = [Face("https://example.com/film.mp4", index) for index in range(MAX_FACES)]
NESTS = {"moov", "trak", "mdia", "minf", "dinf", "stbl"}
COUNTS = [0, 1, 2, 3, 4, 9, 12, 24]


# -- a strict reader of boxes ------------------------------------------------------------------------------------------


def boxes(data: bytes) -> dict[str, bytes]:
    """Split bytes into boxes; fails unless they fill it exactly and every type occurs once."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at, f"box {kind!r} at {at} says {size} of {len(data) - at} bytes"
        assert kind.decode() not in found
        found[kind.decode()] = data[at + 8 : at + size]
        at += size
    return found


def flat(data: bytes) -> dict[str, bytes]:
    """All boxes of a file by type, however deep."""
    found = boxes(data)
    for kind in NESTS & found.keys():
        found |= flat(found[kind])
    return found


def table(body: bytes, columns: int) -> list[tuple[int, ...]]:
    """Read a full box with a count and rows of 32-bit numbers; fails unless the rows fill it exactly."""
    (count,) = struct.unpack_from(">I", body, 4)
    assert len(body) == 8 + 4 * columns * count
    return list(struct.iter_unpack(f">{columns}I", body[8:]))


@dataclass
class Video:
    size: tuple[int, int]
    sps: bytes
    pps: bytes
    units: list[bytes]


def read(data: bytes) -> Video:
    """Read one of our videos; every length is checked."""
    assert list(boxes(data)) == ["ftyp", "moov", "mdat"], "the index comes before the samples"
    found = flat(data)
    (version_and_flags, same, count), sizes = struct.unpack_from(">III", found["stsz"]), found["stsz"][12:]
    assert (version_and_flags, same, len(sizes)) == (0, 0, 4 * count)
    assert table(found["stsc"], 3) == [(1, count, 1)]
    assert sum(samples for samples, _ in table(found["stts"], 2)) == count
    assert table(found["stss"], 1) == [(1,)]
    [(start,)] = table(found["stco"], 1)
    assert data[start:] == found["mdat"], "the chunk is all of mdat"
    entry = boxes(found["stsd"][8:])["avc1"]
    return Video(struct.unpack_from(">HH", entry, 24), *parameter_sets(entry), list(units(found["mdat"], sizes)))


def parameter_sets(entry: bytes) -> tuple[bytes, bytes]:
    record = boxes(entry[78:])["avcC"]
    version, profile, constraints, level, lengths, sets = record[:6]
    assert (version, lengths, sets) == (1, 0xFF, 0xE1)
    (sps_size,) = struct.unpack_from(">H", record, 6)
    sps, rest = record[8 : 8 + sps_size], record[8 + sps_size :]
    one, pps_size = struct.unpack_from(">BH", rest)
    assert (one, len(rest)) == (1, 3 + pps_size)
    assert (sps[1:4], sps[0] & 31, rest[3] & 31) == (bytes([profile, constraints, level]), 7, 8)
    return sps, rest[3:]


def units(mdat: bytes, sizes: bytes) -> Iterator[bytes]:
    at = 0
    for (size,) in struct.iter_unpack(">I", sizes):
        (length,) = struct.unpack_from(">I", mdat, at)
        assert length == size - 4, "one NAL unit in a sample"
        yield mdat[at + 4 : at + size]
        at += size
    assert at == len(mdat), "the sizes of the samples add up to mdat"


# -- a decoder for the little of H.264 that we write -------------------------------------------------------------------


class Reader:
    def __init__(self, unit: bytes) -> None:
        assert not re.search(rb"\x00\x00[\x00-\x02]", unit), "a start code inside a NAL unit"
        self.data = re.sub(rb"\x00\x00\x03", b"\x00\x00", unit)
        self.at = 0

    def u(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self.data[self.at // 8] >> (7 - self.at % 8) & 1
            self.at += 1
        return value

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def block(self) -> bytes:
        while self.at % 8:
            assert self.u(1) == 0, "pcm_alignment_zero_bit"
        start = self.at // 8
        self.at += 8 * 384
        assert len(self.data[start : start + 384]) == 384
        return self.data[start : start + 384]

    def more(self) -> bool:
        """Whether there is more than the stop bit and the zeros after it."""
        last = len(self.data) * 8 - 1
        while not self.data[last // 8] >> (7 - last % 8) & 1:
            last -= 1
        return self.at < last


def decode(pictures: Sequence[bytes], blocks: int) -> list[list[bytes]]:
    """Decode NAL units to the macroblocks of each picture."""
    decoded: list[list[bytes]] = []
    for number, unit in enumerate(pictures):
        bits = Reader(unit)
        key = number == 0
        assert bits.u(8) == (0x65 if key else 0x41)
        assert [bits.ue() for _ in range(3)] == [0, 7 if key else 5, 0]
        assert bits.u(4) == number % 16, "frame_num"
        assert (bits.ue() if key else bits.u(1)) == 0
        assert bits.u(2) == 0
        assert (bits.ue(), bits.ue()) == (0, 1), "quantiser as it is, no deblocking"
        picture: list[bytes] = []
        while bits.more():
            if not key:
                run = bits.ue()
                picture += decoded[-1][len(picture) : len(picture) + run]
                if not bits.more():
                    break
            assert bits.ue() == (25 if key else 30), "I_PCM"
            picture.append(bits.block())
        assert len(picture) == blocks
        decoded.append(picture)
    return decoded


def macroblock(planes: Planes, width: int, across: int, down: int) -> bytes:
    def rows(plane: bytes, stride: int, side: int) -> bytes:
        return b"".join(plane[(down * side + y) * stride + across * side :][:side] for y in range(side))

    return rows(planes.luma, width, 16) + rows(planes.cb, width // 2, 8) + rows(planes.cr, width // 2, 8)


def all_macroblocks(planes: Planes, width: int, height: int) -> list[bytes]:
    places = itertools.product(range(height // 16), range(width // 16))
    return [macroblock(planes, width, across, down) for down, across in places]


# -- videos -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", COUNTS)
def test_a_video_is_small_and_adds_up(count):
    data = group_mp4(PEOPLE[:count])
    video = read(data)
    assert len(data) < 400_000
    assert len(video.units) == 16
    assert video.size[0] % 16 == video.size[1] % 16 == 0


@pytest.mark.parametrize("count", COUNTS)
def test_what_is_decoded_is_what_was_drawn(count):
    video = read(group_mp4(PEOPLE[:count]))
    width, height = video.size
    side = height // max(1, -(-count // 6))
    decoded = decode(video.units, width * height // 256)
    drawn = [all_macroblocks(planes_of(picture), width, height) for picture in moving(PEOPLE[:count], side)]
    assert decoded == [blocks for blocks in drawn for _ in range(2)]


def test_durations_agree():
    found = flat(group_mp4(PEOPLE[:1]))
    scale, duration = struct.unpack_from(">II", found["mvhd"], 12)
    assert duration / scale == 1.6
    assert struct.unpack_from(">I", found["tkhd"], 20) == (duration,)
    scale, duration = struct.unpack_from(">II", found["mdhd"], 12)
    assert duration / scale == 1.6
    [(count, delta)] = table(found["stts"], 2)
    assert count * delta == duration


def test_everybody_in_a_video_moves():
    video = read(group_mp4(PEOPLE[:3]))
    across = video.size[0] // 16
    pictures = decode(video.units, across * video.size[1] // 16)
    for person in range(3):
        columns = range(person * across // 3, (person + 1) * across // 3)
        seen = {b"".join(block for at, block in enumerate(p) if at % across in columns) for p in pictures}
        assert len(seen) >= 6


def test_a_repeated_picture_costs_next_to_nothing():
    assert all(len(unit) < 16 for unit in read(group_mp4(PEOPLE[:4])).units[1::2])


def test_colours_are_limited_bt601():
    for rgb, expected in [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (81, 90, 240)),
        ((0, 0, 255), (41, 240, 110)),
    ]:
        planes = planes_of(Image.new("RGB", (16, 16), rgb))
        found = planes.luma[0], planes.cb[0], planes.cr[0]
        assert found == pytest.approx(expected, abs=1)


# -- the encoder -------------------------------------------------------------------------------------------------------


def noise(dice: random.Random, width: int, height: int) -> Planes:
    luma, chroma = width * height, width * height // 4
    return Planes(*(bytes(dice.choices(range(256), k=size)) for size in (luma, chroma, chroma)))


def touched(planes: Planes, width: int, across: int, down: int) -> Planes:
    at = down * 16 * width + across * 16
    return Planes(planes.luma[:at] + bytes([planes.luma[at] ^ 1]) + planes.luma[at + 1 :], planes.cb, planes.cr)


def test_the_encoder_loses_nothing():
    dice = random.Random(7)
    width, height = 64, 48
    pictures = [noise(dice, width, height), Planes(bytes(3072), bytes(768), bytes(768))]
    for _ in range(40):
        change = dice.choice(["none", "one", "first", "last", "all"])
        corner = {"first": (0, 0), "last": (3, 2)}.get(change, (dice.randrange(4), dice.randrange(3)))
        before = pictures[-1]
        after = {"none": before, "all": noise(dice, width, height)}.get(change)
        pictures.append(after or touched(before, width, *corner))
    stream = encode(pictures, width, height, 10)
    assert decode(stream.pictures, 12) == [all_macroblocks(picture, width, height) for picture in pictures]
    assert read(mux(stream)).units == list(stream.pictures)


@pytest.mark.parametrize("payload", [b"\0\0\0\0\0\0\0\1", b"\0\0\1", b"\0\0\2\0\0\3", b"\0\0\4", bytes(99) + b"\x80"])
def test_a_payload_never_looks_like_a_start_code(payload):
    reader = Reader(nal(3, 7, payload))
    assert reader.data == b"\x67" + payload


def test_numbers_as_bits():
    bits = Bits()
    bits.ue(0, 1, 2, 3, 25)
    bits.u(3, 5)
    assert bits.finish() == bytes([0b1_010_011_0, 0b0100_0000, 0b11010_101, 0b1000_0000])


@pytest.mark.parametrize(
    ("size", "fps", "sizes", "level"),
    [
        ((128, 128), 10, [700], 10),
        ((352, 288), 7, [700], 11),
        ((352, 288), 30, [700], 13),
        ((640, 480), 30, [700], 30),
        ((1024, 16), 10, [700], 21),
        ((128, 128), 10, [25_000, 20_000], 30),
        ((1280, 720), 30, [700], 31),
    ],
)
def test_the_level_is_the_lowest_that_allows_the_video(size, fps, sizes, level):
    assert level_for(size[0], size[1], fps, sizes) == level


def test_impossible_videos_are_refused():
    one = noise(random.Random(1), 16, 16)
    for pictures, size, message in [
        ([one], (17, 16), "whole macroblocks"),
        ([one], (0, 16), "whole macroblocks"),
        ([one], (32, 16), "planes"),
        ([], (16, 16), "at least one"),
    ]:
        with pytest.raises(ValueError, match=message):
            encode(pictures, *size, 10)
    with pytest.raises(ValueError, match="no level"):
        level_for(4096, 4096, 60, [1])


def test_equal_streams_are_equal_files():
    stream = Stream(16, 16, 10, b"\x67BBB", b"\x68", (b"\x65",))
    assert mux(stream) == mux(stream)


# -- a real decoder ----------------------------------------------------------------------------------------------------


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("count", COUNTS)
def test_ffmpeg_decodes_every_sample_as_drawn(count, tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(group_mp4(PEOPLE[:count]))
    _, height = read(path.read_bytes()).size
    command = ["ffmpeg", "-v", "warning", "-i", path, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    result = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    assert result.stderr == b""
    side = height // max(1, -(-count // 6))
    planes = [planes_of(picture) for picture in moving(PEOPLE[:count], side) for _ in range(2)]
    assert result.stdout == b"".join(p.luma + p.cb + p.cr for p in planes)


@pytest.mark.needs("ffmpeg")
def test_ffmpeg_shows_the_right_colours(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(group_mp4(PEOPLE[:2]))
    command = ["ffmpeg", "-v", "error", "-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout
    shown = Image.frombytes("RGB", read(path.read_bytes()).size, raw)
    drawn = next(moving(PEOPLE[:2], 128))
    assert max(ImageStat.Stat(ImageChops.difference(shown, drawn)).mean) < 6
