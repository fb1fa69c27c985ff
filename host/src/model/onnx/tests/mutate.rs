//! Breaks files, the same way each time.

/// Numbers that only look random (Marsaglia's xorshift64*).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to less than `below`; 0 where that is 0.
    pub(super) fn roll(&mut self, below: usize) -> usize {
        (self.next() % below.max(1) as u64) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.roll(length);
        start..(start + 1 + self.roll(64)).min(length)
    }
}

/// Lengths, keys and sizes at which readers go wrong.
const ODD: [&[u8]; 12] = [
    b"\x00",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\x80\x80\x80\x80\x08",
    b"\x0a\x00",
    b"\x2a\x00",
    b"\x32\x00",
    b"\x00\x00\xc0\x7f",
    b"\x3a\x02\x0a\x00",
];

/// Changes `bytes` once or a few times; `others` is where pieces come from.
pub(super) fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..=dice.roll(4) {
        let length = bytes.len();
        match dice.roll(9) {
            0 => bytes.truncate(dice.roll(length + 1)),
            1 | 2 => {
                let at = dice.roll(length);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.roll(8);
                }
            }
            3 => {
                let (at, odd) = (dice.roll(length + 1), ODD[dice.roll(ODD.len())]);
                bytes.splice(at..at, odd.iter().copied());
            }
            4 => {
                let (at, odd) = (dice.roll(length + 1), ODD[dice.roll(ODD.len())]);
                let end = (at + odd.len()).min(length);
                bytes.splice(at..end, odd.iter().copied());
            }
            5 => {
                let range = dice.range(length);
                bytes.drain(range);
            }
            6 => {
                let again = bytes[dice.range(length)].to_vec();
                let at = dice.roll(length + 1);
                bytes.splice(at..at, again);
            }
            7 => {
                let other = &others[dice.roll(others.len())];
                let piece = other[dice.range(other.len())].to_vec();
                let at = dice.roll(length + 1);
                bytes.splice(at..at, piece);
            }
            _ => again(dice, bytes),
        }
    }
}

/// A field of the file, or of the graph in it, a second time.
fn again(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let mut fields = Vec::new();
    let (mut from, mut to) = (0, bytes.len());
    for _ in 0..=dice.roll(3) {
        fields =
            spans(&bytes[from..to]).into_iter().map(|(a, b, c)| (a + from, b + from, c + from)).collect();
        let Some((_, inner, end)) = fields.get(dice.roll(fields.len())) else { break };
        (from, to) = (*inner, *end);
    }
    if let Some((start, _, end)) = fields.get(dice.roll(fields.len())) {
        let field = bytes[*start..*end].to_vec();
        bytes.splice(*end..*end, field);
    }
}

/// Start, start of the contents and end of each field with a length.
fn spans(bytes: &[u8]) -> Vec<(usize, usize, usize)> {
    fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
        let mut value = 0;
        for place in 0..9 {
            let byte = *bytes.get(*at)?;
            *at += 1;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() && found.len() < 10_000 {
        let start = at;
        let Some(key) = varint(bytes, &mut at) else { break };
        match key & 7 {
            0 if varint(bytes, &mut at).is_some() => {}
            1 => at += 8,
            5 => at += 4,
            2 => {
                let Some(length) = varint(bytes, &mut at) else { break };
                let Some(end) = at.checked_add(length as usize).filter(|end| *end <= bytes.len()) else {
                    break;
                };
                found.push((start, at, end));
                at = end;
            }
            _ => break,
        }
    }
    found
}
