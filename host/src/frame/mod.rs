//! The nouns that travel: compressed access units, decoded frames, and the memory they live in.
//! Knows nothing of where they come from or go to.

mod answer;
mod color;
mod convert;
pub mod h264;
mod memo;
mod pool;
mod region;
mod still;

use bytes::Bytes;

pub use answer::{AskError, Cells, ClassMap, ClassScore, Detection, Embedding, Point, Pose, Tensor};
pub use color::{Color, Matrix};
pub(crate) use convert::rows;
pub use convert::{
    Fit, MAX_BYTES, MAX_SIDE, PAD, Picture, PictureError, PixelFormat, PixelRect, Placement, Shape, jpeg,
    picture,
};
pub use memo::Memo;
pub use pool::{Planes, Pool};
pub use region::Region;
pub use still::{is_still, still};

/// One coded picture as the camera sent it: the NAL units that share a presentation time.
#[derive(Debug, Clone)]
pub struct AccessUnit {
    /// Annex-B bytes (ITU-T H.264 annex B): NAL units led by 4-byte start codes. A key unit carries its
    /// parameter sets.
    pub data: Bytes,
    /// Presentation time in microseconds since the stream's first shown picture; negative only where
    /// `shown` is false.
    pub pts_us: i64,
    /// When it was received or, for a recording, is taken to have been captured: microseconds since
    /// 1970-01-01T00:00:00Z.
    pub captured_at_us: i64,
    /// Whether decoding can start here (an IDR picture).
    pub key: bool,
    /// Whether other pictures are predicted from it (`nal_ref_idc` is not 0). One that is not may be left
    /// undecoded without harm.
    pub reference: bool,
    /// Whether it is to be seen. A recording's edit list cuts pictures off that others are predicted from:
    /// those are decoded and then dropped.
    pub shown: bool,
    /// Whether units before this one were lost or belong to an earlier session: the decoder starts anew.
    pub discontinuity: bool,
}

/// One decoded picture. Shared, never changed; its planes go back to the pool when the last holder drops it.
pub struct Frame {
    /// Number in its stream from 0, in display order, counting pictures whether decoded or not.
    pub sequence: u64,
    /// Presentation time, microseconds since the stream's first picture.
    pub media_time_us: i64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub captured_at_us: i64,
    /// Pixels: planar YUV 4:2:0, 8 bits, cropped to what is shown.
    pub planes: Planes,
    /// How Y, U and V become red, green and blue.
    pub color: Color,
    /// What has been computed from this frame already.
    pub memo: Memo,
}

impl Frame {
    /// A picture of its own, from `width * height` pixels of red, green and blue, rows from the top; what is
    /// missing is green. Sequence and times are 0.
    pub fn still(width: u32, height: u32, rgb: &[u8]) -> Frame {
        let mut planes = Planes::full(width, height);
        let [y, u, v] = planes.yuv_mut();
        for (((pixel, y), u), v) in rgb.as_chunks().0.iter().zip(y).zip(u).zip(v) {
            [*y, *u, *v] = color::ycbcr(*pixel);
        }
        let color = Color { matrix: Matrix::Bt601, full_range: true };
        Frame { sequence: 0, media_time_us: 0, captured_at_us: 0, planes, color, memo: Memo::default() }
    }

    /// Width in pixels, as shown.
    pub fn width(&self) -> u32 {
        self.planes.width()
    }

    /// Height in pixels, as shown.
    pub fn height(&self) -> u32 {
        self.planes.height()
    }
}
