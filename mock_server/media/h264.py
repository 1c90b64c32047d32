"""A lossless H.264 encoder in plain Python, for small drawn pictures.

It writes Constrained Baseline profile with two kinds of macroblock only: I_PCM, which carries the samples as they are,
and P_Skip, which repeats the picture before. The first picture is an IDR picture of I_PCM; the others are P pictures
that carry only the macroblocks that changed. No prediction, transform or entropy coding is needed, and what is decoded
is exactly what was put in.

References are to ITU-T H.264 (ISO/IEC 14496-10):
NAL units and emulation prevention 7.3.1, 7.4.1; sequence parameter set 7.3.2.1.1, with VUI E.1.1; picture parameter set
7.3.2.2; trailing bits 7.3.2.11; slice header 7.3.3, with reference marking 7.3.3.3; slice data 7.3.4; macroblock layer
7.3.5; macroblock types tables 7-11 and 7-13; Exp-Golomb codes 9.1; motion of P_Skip 8.4.1.1; levels table A-1.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

PROFILE: Final = 66
"""Baseline."""
CONSTRAINTS: Final = 0b1100_0000
"""constraint_set0_flag and constraint_set1_flag: Constrained Baseline, which every decoder supports."""
SIDE: Final = 16
"""The luma samples on the side of a macroblock."""
MACROBLOCK_BYTES: Final = 384
FRAME_NUM_BITS: Final = 4
COLOURS: Final = (1, 13, 6)
"""Primaries, transfer and matrix (tables E-3 to E-5): sRGB, carried with the matrix of BT.601."""


@dataclass(frozen=True, slots=True)
class Planes:
    """One picture in 4:2:0: ``luma`` is width x height bytes, ``cb`` and ``cr`` a quarter of that, row by row.

    Samples are in the limited range of BT.601 (luma 16 to 235, chroma 16 to 240): a PCM sample must not be 0.
    """

    luma: bytes
    cb: bytes
    cr: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """An encoded video: parameter sets and one NAL unit for each picture, without start codes; the first one is IDR."""

    width: int
    height: int
    fps: int
    sps: bytes
    pps: bytes
    pictures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """One row of table A-1: limits in macroblocks, and in bits per second and bits for the Baseline profile."""

    idc: int
    rate: int
    size: int
    bitrate: int
    buffer: int
    min_compression: int


LEVELS: Final = (
    Level(10, 1_485, 99, 64_000, 175_000, 2),
    Level(11, 3_000, 396, 192_000, 500_000, 2),
    Level(12, 6_000, 396, 384_000, 1_000_000, 2),
    Level(13, 11_880, 396, 768_000, 2_000_000, 2),
    Level(20, 11_880, 396, 2_000_000, 2_000_000, 2),
    Level(21, 19_800, 792, 4_000_000, 4_000_000, 2),
    Level(22, 20_250, 1_620, 4_000_000, 4_000_000, 2),
    Level(30, 40_500, 1_620, 10_000_000, 10_000_000, 2),
    Level(31, 108_000, 3_600, 14_000_000, 14_000_000, 4),
    Level(40, 245_760, 8_192, 20_000_000, 25_000_000, 4),
    Level(41, 245_760, 8_192, 50_000_000, 62_500_000, 2),
)


def encode(pictures: Iterable[Planes], width: int, height: int, fps: int) -> Stream:
    """Encode pictures of ``width`` by ``height`` pixels, both multiples of 16, at ``fps`` pictures a second.

    Raises ValueError for another size, for planes of the wrong length, for no pictures, and for a video beyond level
    4.1.
    """
    if width % SIDE or height % SIDE or not (width and height):
        raise ValueError(f"{width}x{height} is not a size in whole macroblocks")
    units = tuple(_slices(pictures, width, height))
    if not units:
        raise ValueError("a video needs at least one picture")
    level = level_for(width, height, fps, [len(unit) for unit in units])
    return Stream(width, height, fps, sps=_sps(width, height, fps, level), pps=pps(), pictures=units)


def level_for(width: int, height: int, fps: int, sizes: Sequence[int]) -> int:
    """Return the lowest level_idc that allows the picture size `width` x `height` in pixels, `fps` pictures per
    second, and `sizes`, the bytes of each coded picture (ITU-T H.264, A.3.1)."""
    across, down = width // SIDE, height // SIDE
    bits = 8 * sum(sizes) * fps // len(sizes)

    def allows(level: Level) -> bool:
        longest = max(across, down) ** 2 <= 8 * level.size
        blocks = across * down <= level.size and across * down * fps <= level.rate
        # The first picture may take as many bytes as a picture of MaxMBPS / 172 macroblocks, the others as many as fit
        # into the time between two pictures.
        first = MACROBLOCK_BYTES * max(across * down, level.rate / 172) / level.min_compression
        later = MACROBLOCK_BYTES * level.rate / fps / level.min_compression
        bytes_fit = sizes[0] <= first and max(sizes[1:], default=0) <= later
        return longest and blocks and bytes_fit and bits <= level.bitrate and 8 * max(sizes) <= level.buffer

    for level in LEVELS:
        if allows(level):
            return level.idc
    raise ValueError(f"no level allows {width}x{height} at {fps} pictures and {bits} bits a second")


# -- bits and NAL units ----------------------------------------------------------------------------------------------


class Bits:
    """A bit string under construction, most significant bit first."""

    def __init__(self) -> None:
        self._whole = bytearray()
        self._rest = 0
        self._count = 0

    def u(self, count: int, value: int) -> None:
        """Append ``value`` in ``count`` bits."""
        self._rest = self._rest << count | value
        self._count += count
        whole, self._count = divmod(self._count, 8)
        self._whole += (self._rest >> self._count).to_bytes(whole, "big")
        self._rest &= (1 << self._count) - 1

    def ue(self, *values: int) -> None:
        """Append values of 0 and more as Exp-Golomb codes (9.1)."""
        for value in values:
            self.u(2 * (value + 1).bit_length() - 1, value + 1)

    def align(self) -> None:
        """Append zero bits up to the next whole byte."""
        self.u(-self._count % 8, 0)

    def raw(self, data: bytes) -> None:
        """Append whole bytes; the string must be aligned."""
        self._whole += data

    def finish(self) -> bytes:
        """Append the stop bit and the zeros after it (7.3.2.11), and return the bytes."""
        self.u(1, 1)
        self.align()
        return bytes(self._whole)


def nal(ref_idc: int, kind: int, payload: bytes) -> bytes:
    """Wrap a payload in a NAL unit: one byte of header, and a 3 wherever two zeros would look like a start code."""
    return bytes([ref_idc << 5 | kind]) + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", payload)


# -- parameter sets --------------------------------------------------------------------------------------------------


def _sps(width: int, height: int, fps: int, level: int) -> bytes:
    bits = Bits()
    bits.raw(bytes([PROFILE, CONSTRAINTS, level]))
    bits.ue(0)  # seq_parameter_set_id
    bits.ue(FRAME_NUM_BITS - 4)
    bits.ue(2)  # pic_order_cnt_type: pictures are shown in the order in which they are decoded
    bits.ue(1)  # max_num_ref_frames: P_Skip looks at the picture before
    bits.u(1, 0)  # gaps_in_frame_num_value_allowed_flag
    bits.ue(width // SIDE - 1, height // SIDE - 1)
    bits.u(1, 1)  # frame_mbs_only_flag
    bits.u(1, 1)  # direct_8x8_inference_flag
    bits.u(1, 0)  # frame_cropping_flag
    bits.u(1, 1)  # vui_parameters_present_flag
    vui(bits, fps)
    return nal(3, 7, bits.finish())


def vui(bits: Bits, fps: int) -> None:
    """Write the video usability information (E.1.1)."""
    bits.u(1, 1)  # aspect_ratio_info_present_flag
    bits.u(8, 1)  # square pixels
    bits.u(1, 0)  # overscan_info_present_flag
    bits.u(1, 1)  # video_signal_type_present_flag
    bits.u(3, 5)  # video_format: unspecified
    bits.u(1, 0)  # video_full_range_flag: limited
    bits.u(1, 1)  # colour_description_present_flag
    for code in COLOURS:
        bits.u(8, code)
    bits.u(1, 1)  # chroma_loc_info_present_flag
    bits.ue(1, 1)  # both fields: chroma is sampled in the middle of its four pixels
    bits.u(1, 1)  # timing_info_present_flag
    bits.u(32, 1)  # num_units_in_tick
    bits.u(32, 2 * fps)  # time_scale counts fields
    bits.u(1, 1)  # fixed_frame_rate_flag
    bits.u(3, 0)  # no hypothetical decoder for NAL or VCL, no pic_struct
    bits.u(1, 1)  # bitstream_restriction_flag
    bits.u(1, 0)  # motion_vectors_over_pic_boundaries_flag
    bits.ue(0, 0, 0, 0)  # no limit on bytes and bits; vectors are zero
    bits.ue(0, 1)  # max_num_reorder_frames, max_dec_frame_buffering


def pps() -> bytes:
    """Return the picture parameter set (7.3.2.2)."""
    bits = Bits()
    bits.ue(0, 0)  # pic_parameter_set_id, seq_parameter_set_id
    bits.u(2, 0)  # entropy_coding_mode_flag: CAVLC; no order of fields
    bits.ue(0)  # num_slice_groups_minus1
    bits.ue(0, 0)  # num_ref_idx_l0_default_active_minus1, and for l1
    bits.u(3, 0)  # weighted_pred_flag, weighted_bipred_idc
    bits.ue(0, 0, 0)  # pic_init_qp, pic_init_qs, chroma_qp_index_offset; a signed 0 is coded like an unsigned one
    bits.u(1, 1)  # deblocking_filter_control_present_flag: the slices turn the filter off
    bits.u(2, 0)  # constrained_intra_pred_flag, redundant_pic_cnt_present_flag
    return nal(3, 8, bits.finish())


# -- pictures --------------------------------------------------------------------------------------------------------


def _slices(pictures: Iterable[Planes], width: int, height: int) -> Iterator[bytes]:
    before: list[bytes] = []
    for number, picture in enumerate(pictures):
        blocks = list(macroblocks(picture, width, height))
        yield _p_slice(number, before, blocks) if before else _idr_slice(blocks)
        before = blocks


def _idr_slice(blocks: Sequence[bytes]) -> bytes:
    bits = Bits()
    bits.ue(0, 7, 0)  # first_mb_in_slice; slice_type: I, as all slices of the picture; pic_parameter_set_id
    bits.u(FRAME_NUM_BITS, 0)
    bits.ue(0)  # idr_pic_id
    bits.u(2, 0)  # no_output_of_prior_pics_flag, long_term_reference_flag
    slice_header_end(bits)
    for block in blocks:
        bits.ue(25)  # mb_type I_PCM in an I slice
        bits.align()
        bits.raw(block)
    return nal(3, 5, bits.finish())


def _p_slice(number: int, before: Sequence[bytes], blocks: Sequence[bytes]) -> bytes:
    bits = Bits()
    bits.ue(0, 5, 0)  # first_mb_in_slice; slice_type: P, as all slices of the picture; pic_parameter_set_id
    bits.u(FRAME_NUM_BITS, number % (1 << FRAME_NUM_BITS))
    bits.u(3, 0)  # num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0, adaptive marking flag
    slice_header_end(bits)
    # A P_Skip macroblock takes the median of the vectors around it; all are zero here, so it stays where it was.
    run = 0
    for old, new in zip(before, blocks, strict=True):
        if old == new:
            run += 1
            continue
        bits.ue(run, 5 + 25)  # mb_skip_run; mb_type I_PCM in a P slice
        bits.align()
        bits.raw(new)
        run = 0
    if run:
        bits.ue(run)
    return nal(2, 1, bits.finish())


def slice_header_end(bits: Bits) -> None:
    """Write the end of a slice header."""
    bits.ue(0)  # slice_qp_delta
    bits.ue(1)  # disable_deblocking_filter_idc: nothing may touch the samples


def macroblocks(picture: Planes, width: int, height: int) -> Iterator[bytes]:
    """Yield the samples of each macroblock of `picture`, row by row. `width` and `height` are in pixels. Raises
    ValueError if the planes have another size."""
    if (len(picture.luma), len(picture.cb), len(picture.cr)) != (width * height, *[width * height // 4] * 2):
        raise ValueError(f"the planes of a picture do not make {width}x{height}")
    planes = ((picture.luma, width, SIDE), (picture.cb, width // 2, SIDE // 2), (picture.cr, width // 2, SIDE // 2))
    for down in range(height // SIDE):
        for across in range(width // SIDE):
            yield b"".join(_block(*plane, across, down) for plane in planes)


def _block(plane: bytes, stride: int, side: int, across: int, down: int) -> bytes:
    start = down * side * stride + across * side
    return b"".join([plane[at : at + side] for at in range(start, start + side * stride, stride)])
