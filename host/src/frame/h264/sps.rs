//! What a sequence parameter set says about a stream, in our words.

use h264_reader::nal::sps::{ChromaFormat, FrameMbsFlags, PicOrderCntType, Profile, SeqParameterSet};

use super::order::Delay;
use crate::frame::{Color, Matrix};

/// A stream as its sequence parameter set describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Width in pixels, cropped to what is shown.
    pub width: u32,
    /// Height in pixels, cropped to what is shown.
    pub height: u32,
    /// The profile's name, as ITU-T H.264 annex A gives it.
    pub profile: &'static str,
    /// The level, times ten: 31 is level 3.1.
    pub level: u8,
    /// Pixel format in ffmpeg's words: `yuv420p`, `yuv422p10` …
    pub pixel_format: String,
    /// Whether pictures may be coded as two fields.
    pub interlaced: bool,
    /// Pictures a second, where the stream says (VUI `time_scale` and `num_units_in_tick`).
    pub fps: Option<f64>,
    /// How Y, U and V become red, green and blue.
    pub color: Color,
    /// How long pictures wait to be put in display order.
    pub delay: Delay,
}

impl Stream {
    /// Reads a sequence parameter set. `None` where its cropping leaves nothing or its size is absurd.
    pub fn of(sps: &SeqParameterSet) -> Option<Self> {
        let (width, height) = sps.pixel_dimensions().ok()?;
        // Annex A's largest level (6.2) allows 139,264 macroblocks; anything above is a damaged set.
        if width == 0 || height == 0 || u64::from(width) * u64::from(height) > 139_264 * 256 {
            return None;
        }
        Some(Self {
            width,
            height,
            profile: profile_name(&sps.profile()),
            level: sps.level_idc,
            pixel_format: pixel_format(sps),
            interlaced: matches!(sps.frame_mbs_flags, FrameMbsFlags::Fields { .. }),
            fps: sps.fps().filter(|fps| fps.is_finite() && (0.01..=1000.0).contains(fps)),
            color: color(sps, height),
            delay: delay(sps),
        })
    }

    /// Why this stream cannot be decoded, and what to do about it; `None` where it can.
    pub fn unsupported(&self) -> Option<String> {
        let what = if self.interlaced {
            "interlaced video"
        } else {
            match self.pixel_format.as_str() {
                "yuv420p" => return None,
                "gray" => "monochrome video (4:0:0)",
                "yuv422p" => "4:2:2 video",
                "yuv444p" => "4:4:4 video",
                _ => "video of more than 8 bits a sample",
            }
        };
        Some(format!(
            "H.264 {} profile, {}: {what} is not supported; set the camera to progressive 8-bit 4:2:0 \
             (Baseline, Main or High profile), or convert the file with `ffmpeg -i IN -pix_fmt yuv420p OUT.mp4`",
            self.profile, self.pixel_format
        ))
    }
}

fn pixel_format(sps: &SeqParameterSet) -> String {
    let base = match sps.chroma_info.chroma_format {
        ChromaFormat::Monochrome => "gray",
        ChromaFormat::YUV420 => "yuv420p",
        ChromaFormat::YUV422 => "yuv422p",
        ChromaFormat::YUV444 => "yuv444p",
        ChromaFormat::Invalid(_) => "invalid",
    };
    match 8 + sps.chroma_info.bit_depth_luma_minus8.max(sps.chroma_info.bit_depth_chroma_minus8) {
        8 => base.to_owned(),
        depth => format!("{base}{depth}"),
    }
}

fn profile_name(profile: &Profile) -> &'static str {
    match profile {
        Profile::Baseline => "Baseline",
        Profile::ConstrainedBaseline => "Constrained Baseline",
        Profile::Main => "Main",
        Profile::Extended => "Extended",
        Profile::High => "High",
        Profile::ProgressiveHigh => "Progressive High",
        Profile::ConstrainedHigh => "Constrained High",
        Profile::High10 => "High 10",
        Profile::High10Intra => "High 10 Intra",
        Profile::High422 => "High 4:2:2",
        Profile::High422Intra => "High 4:2:2 Intra",
        Profile::High444 => "High 4:4:4 Predictive",
        Profile::High444Intra => "High 4:4:4 Intra",
        Profile::CavlcIntra444 => "CAVLC 4:4:4 Intra",
        Profile::ScalableBase
        | Profile::ScalableConstrainedBaseline
        | Profile::ScalableHigh
        | Profile::ScalableConstrainedHigh
        | Profile::ScalableHighIntra => "Scalable",
        _ => "unknown",
    }
}

fn color(sps: &SeqParameterSet, height: u32) -> Color {
    let signal = sps.vui_parameters.as_ref().and_then(|vui| vui.video_signal_type.as_ref());
    let matrix = signal.and_then(|signal| signal.colour_description.as_ref()).map(|c| c.matrix_coefficients);
    Color {
        matrix: match matrix {
            Some(1) => Matrix::Bt709,
            // 4 (FCC) differs from 601 in the third digit.
            Some(4..=6) => Matrix::Bt601,
            Some(9 | 10) => Matrix::Bt2020,
            // Unspecified: high definition is BT.709, the rest BT.601, as players guess (mpv
            // `mp_csp_guess_colorspace`, Kodi, VLC).
            _ if height >= 720 => Matrix::Bt709,
            _ => Matrix::Bt601,
        },
        full_range: signal.is_some_and(|signal| signal.video_full_range_flag),
    }
}

fn delay(sps: &SeqParameterSet) -> Delay {
    let profile = u8::from(sps.profile_idc);
    // Type 2: output order is decoding order (8.2.1.3). Baseline has no B slices (A.2.1). Without
    // reference pictures nothing can be predicted, from either side.
    if sps.pic_order_cnt == PicOrderCntType::TypeTwo || profile == 66 || sps.max_num_ref_frames == 0 {
        return Delay::Pictures(0);
    }
    if let Some(limits) = sps.vui_parameters.as_ref().and_then(|vui| vui.bitstream_restrictions.as_ref()) {
        return Delay::Pictures(limits.max_num_reorder_frames.min(16) as usize);
    }
    // E.2.1: an intra-only profile reorders nothing.
    if profile == 44 || (matches!(profile, 86 | 100 | 110 | 122 | 244) && sps.constraint_flags.flag3()) {
        return Delay::Pictures(0);
    }
    // A.3.1 h): MaxDpbFrames = Min(MaxDpbMbs / (PicWidthInMbs * FrameHeightInMbs), 16).
    let macroblocks = sps.pic_size_in_map_units().max(1);
    let frames = sps.level().limits().map_or(16, |limits| limits.max_dpb_mbs / macroblocks);
    Delay::Unstated { at_most: frames.clamp(1, 16) as usize }
}
