//! Where an MP4 track's samples lie and when they are shown: the sample tables (ISO/IEC 14496-12, 8.6 and
//! 8.7) and movie fragments (8.8).

use super::boxes::{Bytes, boxes, child};

/// One sample of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Where its bytes begin in the file.
    pub(super) offset: u64,
    /// How many there are.
    pub(super) size: u32,
    /// Composition time in the track's time scale, before the edit list.
    pub(super) pts: i64,
    /// Whether decoding can start here, says the file.
    pub(super) sync: bool,
}

/// More samples than this are a damaged file: four days at 60 pictures a second.
const MOST: usize = 20_000_000;

/// A table of runs: `count` times the same value.
struct Runs<'a> {
    rest: Bytes<'a>,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    fn of(table: Option<Bytes<'a>>) -> Option<Self> {
        let rest = table?.skip(8)?;
        Some(Self { rest, left: 0, value: 0 })
    }

    /// The next sample's value; the last one again where the table is too short.
    fn next(&mut self) -> u32 {
        while self.left == 0 {
            let (Some(count), Some(value)) = (self.rest.u32(), self.rest.u32()) else { return self.value };
            (self.left, self.value) = (count, value);
        }
        self.left -= 1;
        self.value
    }
}

/// The samples of a `stbl` box; those beyond the end of a table are left out. `None` where there are more
/// than can be true.
pub(super) fn from_table(stbl: Bytes<'_>, file_size: u64) -> Option<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut times = Runs::of(child(stbl, b"stts"));
    let mut offsets = Runs::of(child(stbl, b"ctts"));
    let mut syncs = child(stbl, b"stss").and_then(|stss| stss.skip(8));
    let mut next_sync = syncs.as_mut().map(|syncs| syncs.u32());
    let Some(mut sizes) = Sizes::of(stbl) else { return Some(samples) };
    let Some(mut chunks) = child(stbl, b"stsc").and_then(|stsc| stsc.skip(8)) else { return Some(samples) };
    let (mut locations, wide) = match (child(stbl, b"stco"), child(stbl, b"co64")) {
        (Some(stco), _) => (stco.skip(8).unwrap_or(Bytes(&[])), false),
        (None, Some(co64)) => (co64.skip(8).unwrap_or(Bytes(&[])), true),
        (None, None) => return Some(samples),
    };

    let mut dts = 0_i64;
    let mut per_chunk = 0;
    let mut run = chunk_run(&mut chunks);
    let mut chunk = 0_u32;
    while let Some(location) = if wide { locations.u64() } else { locations.u32().map(u64::from) } {
        chunk = chunk.saturating_add(1);
        while let Some((first, samples)) = run.filter(|(first, _)| *first <= chunk) {
            per_chunk = samples;
            run = chunk_run(&mut chunks).filter(|(next, _)| *next > first);
        }
        let mut offset = location;
        for _ in 0..per_chunk {
            let Some(size) = sizes.next() else { return Some(samples) };
            if samples.len() >= MOST {
                return None;
            }
            let number = samples.len() as u32 + 1;
            let sync = match next_sync {
                None => true,
                Some(Some(sync)) if sync == number => {
                    next_sync = syncs.as_mut().map(|syncs| syncs.u32());
                    true
                }
                Some(_) => false,
            };
            // Offsets are signed in version 1, and in version 0 by many writers (QuickTime).
            let composition = offsets.as_mut().map_or(0, |offsets| offsets.next().cast_signed());
            samples.push(Sample { offset, size, pts: dts.saturating_add(i64::from(composition)), sync });
            dts = dts.saturating_add(i64::from(times.as_mut().map_or(1, Runs::next)));
            offset = offset.saturating_add(u64::from(size));
            if sizes.fixed.is_some() && offset > file_size {
                // Without a size table the count is all there is, and may be anything.
                break;
            }
        }
    }
    Some(samples)
}

fn chunk_run(chunks: &mut Bytes<'_>) -> Option<(u32, u32)> {
    let run = (chunks.u32()?, chunks.u32()?);
    chunks.u32()?;
    Some(run)
}

struct Sizes<'a> {
    fixed: Option<u32>,
    left: u32,
    table: Bytes<'a>,
    bits: u8,
    /// The other half of a byte that holds two 4-bit sizes.
    half: Option<u8>,
}

impl<'a> Sizes<'a> {
    fn of(stbl: Bytes<'a>) -> Option<Self> {
        if let Some(mut table) = child(stbl, b"stsz") {
            table.full()?;
            let fixed = table.u32()?;
            let left = table.u32()?;
            return Some(Self { fixed: (fixed != 0).then_some(fixed), left, table, bits: 32, half: None });
        }
        // 8.7.3.3: compact sizes.
        let mut table = child(stbl, b"stz2")?;
        table.full()?;
        let bits = (table.u32()? & 0xff) as u8;
        let left = table.u32()?;
        Some(Self { fixed: None, left, table, bits, half: None })
    }

    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        match (self.fixed, self.bits) {
            (Some(fixed), _) => Some(fixed),
            (None, 32) => self.table.u32(),
            (None, 16) => self.table.u16().map(u32::from),
            (None, 8) => self.table.u8().map(u32::from),
            (None, 4) => match self.half.take() {
                Some(half) => Some(u32::from(half)),
                None => {
                    let both = self.table.u8()?;
                    self.half = Some(both & 15);
                    Some(u32::from(both >> 4))
                }
            },
            _ => None,
        }
    }
}

/// Defaults for a track's fragments (8.8.3).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

impl Defaults {
    /// Those in `mvex` for this track.
    pub(super) fn of(mvex: Bytes<'_>, track: u32) -> Option<Self> {
        boxes(mvex.0).filter(|(kind, _)| kind == b"trex").find_map(|(_, trex)| {
            let mut trex = trex.skip(4)?;
            if trex.u32()? != track {
                return None;
            }
            trex.u32()?;
            Some(Self { duration: trex.u32()?, size: trex.u32()?, flags: trex.u32()? })
        })
    }
}

/// Appends the samples of one `moof` box that began at `start`. `dts` is the decoding time reached so far.
/// `None` where the box is damaged; what came before stays.
pub(super) fn from_fragment(
    moof: Bytes<'_>,
    start: u64,
    track: u32,
    defaults: Defaults,
    dts: &mut i64,
    samples: &mut Vec<Sample>,
) -> Option<()> {
    // Where a later run or track fragment goes on if it does not say (8.8.7, 8.8.8).
    let mut at = start;
    for (_, traf) in boxes(moof.0).filter(|(kind, _)| kind == b"traf") {
        let mut tfhd = child(traf, b"tfhd")?;
        let (_, flags) = tfhd.full()?;
        if tfhd.u32()? != track {
            continue;
        }
        let mut optional = |bit: u32| if flags & bit != 0 { tfhd.u32().map(Some) } else { Some(None) };
        let base = match optional(0x1)? {
            Some(high) => (u64::from(high) << 32) | u64::from(optional(0x1)??),
            None if flags & 0x2_0000 != 0 => start,
            None => at,
        };
        optional(0x2)?;
        let defaults = Defaults {
            duration: optional(0x8)?.unwrap_or(defaults.duration),
            size: optional(0x10)?.unwrap_or(defaults.size),
            flags: optional(0x20)?.unwrap_or(defaults.flags),
        };
        if let Some(mut tfdt) = child(traf, b"tfdt") {
            let (version, _) = tfdt.full()?;
            *dts = tfdt.word(version)?.cast_signed();
        }
        at = base;
        for (_, trun) in boxes(traf.0).filter(|(kind, _)| kind == b"trun") {
            at = run(trun, base, at, defaults, dts, samples)?;
        }
    }
    Some(())
}

/// Appends the samples of one `trun` box and returns where its data ends.
fn run(
    mut trun: Bytes<'_>,
    base: u64,
    mut at: u64,
    defaults: Defaults,
    dts: &mut i64,
    samples: &mut Vec<Sample>,
) -> Option<u64> {
    let (_, flags) = trun.full()?;
    let count = trun.u32()?;
    if flags & 0x1 != 0 {
        at = base.checked_add_signed(i64::from(trun.i32()?))?;
    }
    let mut first_flags = if flags & 0x4 != 0 { Some(trun.u32()?) } else { None };
    for _ in 0..count {
        let mut optional = |bit: u32| if flags & bit != 0 { trun.u32().map(Some) } else { Some(None) };
        let duration = optional(0x100)?.unwrap_or(defaults.duration);
        let size = optional(0x200)?.unwrap_or(defaults.size);
        let own_flags = optional(0x400)?;
        let composition = optional(0x800)?.unwrap_or(0).cast_signed();
        if samples.len() >= MOST || (size == 0 && duration == 0) {
            return None;
        }
        let sample_flags = own_flags.or(first_flags.take()).unwrap_or(defaults.flags);
        samples.push(Sample {
            offset: at,
            size,
            pts: dts.saturating_add(i64::from(composition)),
            // `sample_is_non_sync_sample` (8.8.3.1).
            sync: sample_flags & 0x1_0000 == 0,
        });
        at = at.checked_add(u64::from(size))?;
        *dts = dts.saturating_add(i64::from(duration));
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_box(kind: &[u8; 4], words: &[u32]) -> Vec<u8> {
        let mut bytes = (12 + 4 * words.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        bytes
    }

    fn table() -> Vec<u8> {
        [
            full_box(b"stts", &[1, 4, 10]),
            full_box(b"ctts", &[3, 1, 10, 1, 20, 2, 0]),
            full_box(b"stss", &[2, 1, 4]),
            full_box(b"stsc", &[2, 1, 2, 1, 2, 1, 1]),
            full_box(b"stsz", &[0, 4, 5, 6, 7, 8]),
            full_box(b"stco", &[3, 100, 200, 300]),
        ]
        .concat()
    }

    #[test]
    fn sample_tables_give_place_and_time() {
        let samples = from_table(Bytes(&table()), 1000).unwrap();
        let sample = |offset, size, pts, sync| Sample { offset, size, pts, sync };
        assert_eq!(
            samples,
            [
                sample(100, 5, 10, true),
                sample(105, 6, 30, false),
                sample(200, 7, 20, false),
                sample(300, 8, 30, true)
            ]
        );
    }

    #[test]
    fn tables_of_unequal_length_end_at_the_shortest() {
        let whole = table();
        for cut in 0..whole.len() {
            let samples = from_table(Bytes(&whole[..cut]), 1000).unwrap();
            assert!(samples.len() <= 4);
        }
        let endless = [full_box(b"stsc", &[1, 1, u32::MAX, 1]), full_box(b"stsz", &[1, u32::MAX])];
        let endless = [endless.concat(), full_box(b"stco", &[1, 0])].concat();
        assert!(from_table(Bytes(&endless), 1000).unwrap().len() < 1100);
    }
}
