//! ISO base media boxes (ISO/IEC 14496-12), read from memory. Only what playing H.264 video needs; every
//! length is checked, no table is believed beyond the bytes that are there.
//!
//! An own reader, as `re_mp4` loops for ever on a box of size 0, panics on tables of unequal length and
//! passes over edit lists; recordings come from strangers.

/// Bytes read from the front.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn skip(mut self, count: usize) -> Option<Self> {
        self.take(count)?;
        Some(self)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Version and flags of a full box (4.2).
    pub(super) fn full(&mut self) -> Option<(u8, u32)> {
        let word = self.u32()?;
        Some(((word >> 24) as u8, word & 0xff_ffff))
    }

    /// A 32-bit or, from version 1 on, 64-bit number.
    pub(super) fn word(&mut self, version: u8) -> Option<u64> {
        if version == 0 { self.u32().map(u64::from) } else { self.u64() }
    }
}

/// A box's four letters.
pub(super) type Kind = [u8; 4];

/// The boxes in `data`, one behind the other, up to the first that does not fit.
pub(super) fn boxes(data: &[u8]) -> impl Iterator<Item = (Kind, Bytes<'_>)> {
    let mut rest = Bytes(data);
    std::iter::from_fn(move || {
        let all = rest.0.len() as u64;
        let (kind, size, head) = header(&mut rest)?;
        let body = if size == 0 { all - head } else { size.checked_sub(head)? };
        Some((kind, Bytes(rest.take(usize::try_from(body).ok()?)?)))
    })
}

/// Reads a box's header: its letters, its size (0: to the end of the file) and the header's own.
pub(super) fn header(bytes: &mut Bytes<'_>) -> Option<(Kind, u64, u64)> {
    let size = bytes.u32()?;
    let kind = bytes.take(4)?.try_into().ok()?;
    if size == 1 { Some((kind, bytes.u64()?, 16)) } else { Some((kind, u64::from(size), 8)) }
}

/// The first box of this kind in `data`.
pub(super) fn child<'a>(data: Bytes<'a>, kind: &Kind) -> Option<Bytes<'a>> {
    boxes(data.0).find(|(found, _)| found == kind).map(|(_, body)| body)
}

/// The box at the end of a path of boxes.
pub(super) fn descendant<'a>(data: Bytes<'a>, path: &[&Kind]) -> Option<Bytes<'a>> {
    path.iter().try_fold(data, |data, kind| child(data, kind))
}

/// One entry of an edit list (8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// How long it plays, in the movie's time scale; 0 in a fragmented file: to the end.
    pub(super) duration: u64,
    /// Where it starts in the media, in the track's time scale; `None`: nothing is shown for its duration.
    pub(super) start: Option<i64>,
}

/// The `trak` boxes' content that says what a track is.
pub(super) struct Track<'a> {
    pub(super) id: u32,
    pub(super) handler: Kind,
    pub(super) timescale: u32,
    pub(super) edits: Vec<Edit>,
    /// The sample description's letters, such as `avc1`.
    pub(super) codec: Kind,
    /// The `avcC` box of an H.264 track.
    pub(super) avcc: Option<Bytes<'a>>,
    /// The sample table.
    pub(super) table: Bytes<'a>,
}

impl<'a> Track<'a> {
    pub(super) fn read(trak: Bytes<'a>) -> Option<Self> {
        let mut tkhd = child(trak, b"tkhd")?;
        let (version, _) = tkhd.full()?;
        let id = tkhd.skip(if version == 0 { 8 } else { 16 })?.u32()?;
        let mdia = child(trak, b"mdia")?;
        let mut mdhd = child(mdia, b"mdhd")?;
        let (version, _) = mdhd.full()?;
        let timescale = mdhd.skip(if version == 0 { 8 } else { 16 })?.u32()?;
        let handler = child(mdia, b"hdlr")?.skip(8)?.take(4)?.try_into().ok()?;
        let table = descendant(mdia, &[b"minf", b"stbl"])?;
        let stsd = child(table, b"stsd").and_then(|stsd| stsd.skip(8));
        let entry = stsd.and_then(|stsd| boxes(stsd.0).next());
        let (codec, entry) = entry.unwrap_or((*b"none", Bytes(&[])));
        // 78 bytes of a visual sample entry come before its boxes (12.1.3).
        let avcc = entry.skip(78).and_then(|inner| child(inner, b"avcC"));
        let edits = descendant(trak, &[b"edts", b"elst"]).and_then(edits).unwrap_or_default();
        Some(Self { id, handler, timescale, edits, codec, avcc, table })
    }
}

fn edits(mut elst: Bytes<'_>) -> Option<Vec<Edit>> {
    let (version, _) = elst.full()?;
    let count = elst.u32()?;
    let mut edits = Vec::new();
    for _ in 0..count {
        let duration = elst.word(version)?;
        let start = if version == 0 { i64::from(elst.i32()?) } else { elst.u64()?.cast_signed() };
        elst.u32()?;
        edits.push(Edit { duration, start: (start >= 0).then_some(start) });
    }
    Some(edits)
}

/// What `avcC` holds (ISO/IEC 14496-15, 5.3.3.1): the size of the length in front of each NAL unit, and the
/// parameter sets.
pub(super) fn avcc(mut avcc: Bytes<'_>) -> Option<(usize, Vec<&[u8]>)> {
    if avcc.u8()? != 1 {
        return None;
    }
    avcc.take(3)?;
    let length_size = usize::from(avcc.u8()? & 3) + 1;
    let mut sets = Vec::new();
    for mask in [0x1f, 0xff] {
        for _ in 0..avcc.u8()? & mask {
            let length = avcc.u16()?;
            sets.push(avcc.take(usize::from(length))?);
        }
    }
    Some((length_size, sets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_do_not_fit_end_the_list() {
        let data = [0, 0, 0, 9, b'a', b'b', b'c', b'd', 7, 0, 0, 0, 99, b'e', b'f', b'g', b'h', 1];
        assert_eq!(boxes(&data).count(), 1);
        assert_eq!(boxes(&[0, 0, 0, 3, b'a', b'b', b'c', b'd', 0, 0]).count(), 0);
        let endless = [0, 0, 0, 0, b'a', b'b', b'c', b'd', 1, 2, 3];
        assert_eq!(boxes(&endless).map(|(_, body)| body.0.len()).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn an_avcc_cut_off_anywhere_is_refused() {
        let whole = [1, 0x42, 0, 30, 0xff, 0xe1, 0, 2, 0x67, 0x42, 1, 0, 1, 0x68];
        let (length_size, sets) = avcc(Bytes(&whole)).unwrap();
        assert_eq!((length_size, sets), (4, vec![&[0x67, 0x42][..], &[0x68]]));
        for cut in 0..whole.len() {
            assert!(avcc(Bytes(&whole[..cut])).is_none(), "cut at {cut}");
        }
    }
}
