"""H.264 for long videos that change once per second: a drawn region on a grey background, repeated until the next
picture.

A key frame has the region as raw samples (I_PCM) and the background as predicted macroblocks of a few bits
(I_16x16 without residual: an unavailable neighbour predicts 128, and so does a grey one). All other frames are
one run of P_Skip. So the size of every frame depends only on the size of the picture, not on what is drawn.

References are to ITU-T H.264 (ISO/IEC 14496-10): intra 16x16 prediction 8.3.3, chroma 8.3.4, coeff_token 9.2.1
and table 9-5, macroblock types table 7-11, cropping 7.4.2.1.1, levels table A-1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from swapmock.mock_server.media.h264 import (
    CONSTRAINTS,
    FRAME_NUM_BITS,
    LEVELS,
    MACROBLOCK_BYTES,
    PROFILE,
    SIDE,
    Bits,
    Level,
    Planes,
    macroblocks,
    nal,
    pps,
    slice_header_end,
    vui,
)

#: The sample value of the background in all three planes: the prediction for a macroblock without neighbours.
GREY: Final = 128

#: Macroblock type I_16x16 with DC prediction and no coefficients (table 7-11: 1 + prediction mode 2).
FLAT: Final = 1 + 2
I_PCM: Final = 25

#: Levels above those of small pictures.
LARGE_LEVELS: Final = (
    *LEVELS,
    Level(50, 589_824, 22_080, 135_000_000, 135_000_000, 2),
    Level(51, 983_040, 36_864, 240_000_000, 240_000_000, 2),
    Level(52, 2_073_600, 36_864, 240_000_000, 240_000_000, 2),
)


@dataclass(frozen=True)
class Coder:
    """Makes frames of `width` by `height` pixels (even numbers) at `fps` frames per second.

    The region is in the middle, `region_width` by `region_height` pixels, which are multiples of 16 and not
    larger than the picture. Its last column and its last row of samples must be GREY in all planes. Raises
    ValueError for a size beyond level 5.2."""

    width: int
    height: int
    fps: int
    region_width: int
    region_height: int

    @property
    def across(self) -> int:
        """The macroblocks in a row of the coded picture."""
        return -(-self.width // SIDE)

    @property
    def down(self) -> int:
        """The macroblocks in a column of the coded picture."""
        return -(-self.height // SIDE)

    @cached_property
    def _region(self) -> tuple[range, range]:
        """Return the columns and the rows of the region, in macroblocks."""
        across, down = self.region_width // SIDE, self.region_height // SIDE
        left, top = (self.across - across) // 2, (self.down - down) // 2
        return range(left, left + across), range(top, top + down)

    def key_frame(self, region: Planes, idr_id: int) -> bytes:
        """Return the NAL unit of a picture that shows `region`. Two consecutive key frames must have different
        `idr_id` (0 or 1)."""
        return self._key_frame(list(macroblocks(region, self.region_width, self.region_height)), idr_id)

    @cached_property
    def key_frame_size(self) -> int:
        """The bytes of every key frame."""
        across, down = self.region_width // SIDE, self.region_height // SIDE
        return len(self._key_frame([bytes([GREY]) * MACROBLOCK_BYTES] * (across * down), 0))

    def _key_frame(self, blocks: list[bytes], idr_id: int) -> bytes:
        columns, rows = self._region
        drawn = iter(blocks)
        bits = Bits()
        bits.ue(0, 7, 0)  # first_mb_in_slice; slice_type: I, as all slices of the picture; pic_parameter_set_id
        bits.u(FRAME_NUM_BITS, 0)
        # Both ids have a code of the same length, so that the size of a frame does not depend on the id.
        bits.ue(1 + idr_id)
        bits.u(2, 0)  # no_output_of_prior_pics_flag, long_term_reference_flag
        slice_header_end(bits)
        for y in range(self.down):
            for x in range(self.across):
                if x in columns and y in rows:
                    bits.ue(I_PCM)
                    bits.align()
                    bits.raw(next(drawn))
                else:
                    bits.ue(FLAT, 0, 0)  # mb_type; intra_chroma_pred_mode: DC; mb_qp_delta
                    beside = (x - 1 in columns and y in rows) or (x in columns and y - 1 in rows)
                    # No coefficients: the code depends on the neighbours' number of coefficients, and I_PCM counts as
                    # 16.
                    bits.u(6, 0b000011) if beside else bits.u(1, 1)
        return nal(3, 5, bits.finish())

    def repeat(self, number: int) -> bytes:
        """Return the NAL unit of frame `number` after a key frame: it shows the same picture."""
        bits = Bits()
        bits.ue(0, 5, 0)  # first_mb_in_slice; slice_type: P, as all slices of the picture; pic_parameter_set_id
        bits.u(FRAME_NUM_BITS, number % (1 << FRAME_NUM_BITS))
        bits.u(3, 0)  # num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0, adaptive marking flag
        slice_header_end(bits)
        bits.ue(self.across * self.down)  # mb_skip_run
        return nal(2, 1, bits.finish())

    @cached_property
    def level(self) -> int:
        """The lowest level_idc that allows size, rate and bytes (A.3.1)."""
        blocks, longest = self.across * self.down, max(self.across, self.down)
        bits = 8 * self.key_frame_size

        def allows(level: Level) -> bool:
            first = MACROBLOCK_BYTES * max(blocks, level.rate / 172) / level.min_compression
            fits = blocks <= level.size and blocks * self.fps <= level.rate and longest**2 <= 8 * level.size
            return fits and self.key_frame_size <= first and bits <= min(level.bitrate, level.buffer)

        for level in LARGE_LEVELS:
            if allows(level):
                return level.idc
        raise ValueError(f"no level allows {self.width}x{self.height} at {self.fps} frames a second")

    @cached_property
    def sps(self) -> bytes:
        """The sequence parameter set (7.3.2.1.1)."""
        bits = Bits()
        bits.raw(bytes([PROFILE, CONSTRAINTS, self.level]))
        bits.ue(0)  # seq_parameter_set_id
        bits.ue(FRAME_NUM_BITS - 4)
        bits.ue(2)  # pic_order_cnt_type: pictures are shown in the order in which they are decoded
        bits.ue(1)  # max_num_ref_frames: P_Skip looks at the picture before
        bits.u(1, 0)  # gaps_in_frame_num_value_allowed_flag
        bits.ue(self.across - 1, self.down - 1)
        bits.u(1, 1)  # frame_mbs_only_flag
        bits.u(1, 1)  # direct_8x8_inference_flag
        right, bottom = (self.across * SIDE - self.width) // 2, (self.down * SIDE - self.height) // 2
        bits.u(1, int(bool(right or bottom)))  # frame_cropping_flag
        if right or bottom:
            bits.ue(0, right, 0, bottom)  # in units of two samples
        bits.u(1, 1)  # vui_parameters_present_flag
        vui(bits, self.fps)
        return nal(3, 7, bits.finish())

    @property
    def pps(self) -> bytes:
        """The picture parameter set (7.3.2.2)."""
        return pps()
