//! What is played: access units, and how an Annex B stream falls into them.

use super::ParameterSets;

/// NAL unit types (ITU-T H.264 table 7-1).
const IDR: u8 = 5;
pub(super) const SPS: u8 = 7;
pub(super) const PPS: u8 = 8;
const DELIMITER: u8 = 9;

/// One H.264 stream: its parameter sets and its access units in decode order.
#[derive(Clone, Debug)]
pub struct Clip {
    /// The sequence parameter set, header byte first, no start code.
    pub sps: Vec<u8>,
    /// The picture parameter set, likewise.
    pub pps: Vec<u8>,
    /// The access units, in decode order; never empty.
    pub units: Vec<Unit>,
}

/// One access unit.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its NAL units, without start codes. Parameter sets may be among them.
    pub nals: Vec<Vec<u8>>,
    /// When it is shown, in microseconds from any origin.
    pub pts_us: i64,
    /// When it is decoded, on the same clock; never less than the unit before.
    pub dts_us: i64,
    /// Whether it is an IDR.
    pub key: bool,
}

pub(super) fn kind(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

impl Clip {
    /// A clip from parts read elsewhere, as from an MP4 with its true times.
    ///
    /// Panics without units, or with an SPS too short to name its profile.
    pub fn new(sps: Vec<u8>, pps: Vec<u8>, units: Vec<Unit>) -> Self {
        assert!(sps.len() >= 4, "an SPS of {} bytes has no profile", sps.len());
        assert!(!units.is_empty(), "a clip without access units plays nothing");
        Self { sps, pps, units }
    }

    /// A clip from an Annex B byte stream at `fps` units a second; `None` without SPS, PPS or slice.
    ///
    /// PTS equal DTS: with B-frames the times are wrong (the order of decoding, not of showing).
    pub fn from_annexb(bytes: &[u8], fps: f64) -> Option<Self> {
        let mut units: Vec<Vec<Vec<u8>>> = Vec::new();
        let (mut sps, mut pps, mut has_slice) = (None, None, true);
        for nal in split(bytes) {
            let (slice, begins) = match kind(nal) {
                // first_mb_in_slice is the first ue(v) of the slice header: one set bit is 0. ITU-T
                // H.264 7.4.1.2.4 compares more; streams without ASO need no more.
                1 | IDR => (true, nal.get(1).is_some_and(|byte| byte & 0x80 != 0)),
                // What opens an access unit when it follows a slice: 7.4.1.2.3.
                6..=9 | 14..=18 => (false, true),
                _ => (false, false),
            };
            match kind(nal) {
                SPS => _ = sps.get_or_insert_with(|| nal.to_vec()),
                PPS => _ = pps.get_or_insert_with(|| nal.to_vec()),
                _ => {}
            }
            if units.is_empty() || (has_slice && begins) {
                units.push(Vec::new());
                has_slice = false;
            }
            has_slice |= slice;
            units.last_mut()?.push(nal.to_vec());
        }
        units.retain(|nals| nals.iter().any(|nal| (1..=IDR).contains(&kind(nal))));
        let time_us = |index: usize| (index as f64 * 1e6 / fps).round() as i64;
        let units = units.into_iter().enumerate().map(|(index, nals)| Unit {
            key: nals.iter().any(|nal| kind(nal) == IDR),
            nals,
            pts_us: time_us(index),
            dts_us: time_us(index),
        });
        let units: Vec<Unit> = units.collect();
        let (sps, pps) = (sps.filter(|sps| sps.len() >= 4)?, pps?);
        (!units.is_empty()).then_some(Self { sps, pps, units })
    }

    /// From one unit to the next, on average; 40 ms where one unit is all.
    pub(super) fn interval_us(&self) -> i64 {
        let (first, last) = (&self.units[0], &self.units[self.units.len() - 1]);
        match self.units.len() as i64 - 1 {
            0 => 40_000,
            gaps => (last.dts_us - first.dts_us) / gaps,
        }
    }

    /// How much later the same unit comes when the clip loops.
    pub(super) fn duration_us(&self) -> i64 {
        let times = || self.units.iter().map(|unit| unit.pts_us);
        times().max().unwrap_or(0) - times().min().unwrap_or(0) + self.interval_us()
    }

    /// A unit's NAL units as sent: parameter sets are added before an IDR, left as they are, or
    /// taken out.
    pub(super) fn nals<'a>(&'a self, unit: &'a Unit, sets: ParameterSets) -> Vec<&'a [u8]> {
        let whole = unit.nals.iter().map(Vec::as_slice);
        let mut nals: Vec<&[u8]> = whole.filter(|nal| !nal.is_empty()).collect();
        if sets == ParameterSets::SdpOnly {
            nals.retain(|nal| !matches!(kind(nal), SPS | PPS));
        } else if unit.key && !nals.iter().any(|nal| kind(nal) == SPS) {
            // A delimiter stays first: ITU-T H.264 7.4.1.2.3.
            let at = usize::from(nals.first().is_some_and(|nal| kind(nal) == DELIMITER));
            nals.splice(at..at, [self.sps.as_slice(), &self.pps]);
        }
        nals
    }
}

/// The NAL units of a byte stream (ITU-T H.264 annex B), without start codes and trailing zeros.
fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let codes = bytes.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]);
    let mut starts: Vec<usize> = codes.map(|(at, _)| at).collect();
    starts.push(bytes.len());
    let nals = starts.windows(2).map(|pair| {
        let nal = &bytes[pair[0] + 3..pair[1].max(pair[0] + 3)];
        let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        &nal[..end]
    });
    nals.filter(|nal| !nal.is_empty()).collect()
}
