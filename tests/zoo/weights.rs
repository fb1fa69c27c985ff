//! Fills a compact structure of the zoo with its weights, as `fill.py` does and to the same bits; the rules
//! are told there. Walks the protocol buffer itself: what is not a rule is copied as it lies.

/// A whole ONNX file, and every float tensor with values of its own in it.
pub(crate) struct Filled {
    /// The file.
    pub(crate) onnx: Vec<u8>,
    /// Name, then values, of each float tensor: initializers first, then constants. `expected.json` has its
    /// sha256.
    pub(crate) tensors: Vec<u8>,
}

/// Fills a compact file.
pub(crate) fn fill(compact: &[u8]) -> Result<Filled, String> {
    let (mut initializers, mut constants) = (Vec::new(), Vec::new());
    let onnx = rewrite(compact, &mut |field, graph| {
        (field == 7).then(|| {
            rewrite(graph, &mut |field, inside| match field {
                1 => Some(rewrite(inside, &mut |field, attribute| {
                    (field == 5).then(|| {
                        rewrite(attribute, &mut |field, tensor| {
                            (field == 5).then(|| fill_tensor(tensor, &mut constants))
                        })
                    })
                })),
                5 => Some(fill_tensor(inside, &mut initializers)),
                _ => None,
            })
        })
    })?;
    initializers.extend(constants);
    Ok(Filled { onnx, tensors: initializers })
}

/// One field of a message: its number, how it lies on the wire, and what it holds.
struct Field<'a> {
    number: u64,
    wire: u64,
    /// Of a varint: its value.
    value: u64,
    /// Of anything else: its bytes.
    bytes: &'a [u8],
    /// Key and all.
    whole: &'a [u8],
}

/// Takes the next field off a message.
fn next<'a>(message: &mut &'a [u8]) -> Result<Field<'a>, String> {
    let start = *message;
    let key = varint(message)?;
    let (mut value, wire) = (0, key & 7);
    let length = match wire {
        0 => {
            value = varint(message)?;
            0
        }
        1 => 8,
        2 => usize::try_from(varint(message)?).map_err(|_| "too long")?,
        5 => 4,
        other => return Err(format!("wire type {other}")),
    };
    let (bytes, rest) = message.split_at_checked(length).ok_or("cut short")?;
    *message = rest;
    Ok(Field { number: key >> 3, wire, value, bytes, whole: &start[..start.len() - rest.len()] })
}

fn varint(message: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().ok_or("cut short")?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a varint without end".to_owned())
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// What becomes of a field that holds bytes: another message, or nothing where it stays.
type Change<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Option<Result<Vec<u8>, String>>;

fn rewrite(mut message: &[u8], change: Change<'_>) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(message.len());
    while !message.is_empty() {
        let field = next(&mut message)?;
        match (field.wire == 2).then(|| change(field.number, field.bytes)).flatten() {
            Some(changed) => put_bytes(&mut out, field.number, &changed?),
            None => out.extend(field.whole),
        }
    }
    Ok(out)
}

fn fill_tensor(tensor: &[u8], seen: &mut Vec<u8>) -> Result<Vec<u8>, String> {
    let (mut dims, mut numbers) = (Vec::new(), Vec::new());
    let (mut name, mut rule, mut raw, mut element) = (&[][..], &[][..], &[][..], 0);
    let mut rest = tensor;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let field = next(&mut rest)?;
        match (field.number, field.wire) {
            (1, 0) => dims.push(field.value as usize),
            (1, _) => {
                let mut packed = field.bytes;
                while !packed.is_empty() {
                    dims.push(varint(&mut packed)? as usize);
                }
            }
            (2, _) => element = field.value,
            (4, _) => numbers.extend(field.bytes.chunks_exact(4).map(f32_of)),
            (8, _) => name = field.bytes,
            (9, _) => raw = field.bytes,
            (12, _) => rule = field.bytes,
            _ => {}
        }
        if !matches!(field.number, 4 | 9 | 12) {
            out.extend(field.whole);
        }
    }
    let count = dims.iter().product();
    let made = match rule {
        b"uniform" => uniform(name, count, &numbers),
        b"filter" => filter(name, count, dims.first().copied().unwrap_or(1), &numbers),
        b"ramps" => ramps(count, &numbers),
        _ => {
            if element == 1 && !raw.is_empty() {
                seen.extend(name);
                seen.extend(raw);
            }
            return Ok(tensor.to_vec());
        }
    };
    let made = made.ok_or_else(|| format!("`{}`: numbers missing", String::from_utf8_lossy(name)))?;
    let raw: Vec<u8> = made.iter().flat_map(|value| value.to_le_bytes()).collect();
    seen.extend(name);
    seen.extend(&raw);
    put_bytes(&mut out, 9, &raw);
    Ok(out)
}

fn f32_of(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The endless row of 24-bit numbers that a name stands for: splitmix64 from the name's FNV-1a.
fn draw(name: &[u8]) -> impl Iterator<Item = u64> {
    let hashed = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = name.iter().fold(0xcbf2_9ce4_8422_2325, hashed);
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) >> 40
    })
}

fn between(drawn: u64, low: f32, high: f32) -> f32 {
    low + (high - low) * (drawn as f32 * 2f32.powi(-24))
}

fn uniform(name: &[u8], count: usize, numbers: &[f32]) -> Option<Vec<f32>> {
    let (low, high) = (*numbers.first()?, *numbers.get(1)?);
    Some(draw(name).take(count).map(|drawn| between(drawn, low, high)).collect())
}

fn filter(name: &[u8], count: usize, rows: usize, numbers: &[f32]) -> Option<Vec<f32>> {
    let mut values = uniform(name, count, numbers)?;
    for row in values.chunks_exact_mut(count.checked_div(rows)?) {
        let (first, second) = row.split_at_mut(row.len().div_ceil(2));
        for (second, first) in second.iter_mut().zip(first) {
            *second = -*first;
        }
    }
    Some(values)
}

fn ramps(count: usize, mut numbers: &[f32]) -> Option<Vec<f32>> {
    let mut values = vec![0.0; count];
    while let [offset, base, loops, rest @ ..] = numbers {
        let (loops, rest) = rest.split_at_checked(3 * *loops as usize)?;
        numbers = rest;
        let mut places = vec![(*offset as usize, *base)];
        for one in loops.chunks_exact(3) {
            let steps = |(place, value): (usize, f32)| {
                (0..one[0] as usize).map(move |i| (place + i * one[1] as usize, value + i as f32 * one[2]))
            };
            places = places.into_iter().flat_map(steps).collect();
        }
        for (place, value) in places {
            *values.get_mut(place)? = value;
        }
    }
    Some(values)
}

/// What a fixed input holds, before it becomes a tensor's type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Noise.
    Random,
    /// Colours that change slowly, with finer changes upon them, as in a photograph.
    Picture,
}

impl Stream {
    /// The values of a `float32` input of this shape between `low` and `high`.
    pub(crate) fn floats(self, shape: &[usize], nhwc: bool, low: f32, high: f32) -> Vec<f32> {
        self.drawn(shape, nhwc).into_iter().map(|drawn| between(drawn, low, high)).collect()
    }

    /// The values of a `uint8` input of this shape.
    pub(crate) fn bytes(self, shape: &[usize], nhwc: bool) -> Vec<u8> {
        self.drawn(shape, nhwc).into_iter().map(|drawn| (drawn >> 16) as u8).collect()
    }

    fn drawn(self, shape: &[usize], nhwc: bool) -> Vec<u64> {
        if self == Stream::Random {
            return draw(b"random").take(shape.iter().product()).collect();
        }
        let (height, width) = if nhwc { (shape[1], shape[2]) } else { (shape[2], shape[3]) };
        let [coarse, middle, fine] = [8, 32, 128].map(Octave::new);
        let value = |row: usize, column: usize, colour: usize| {
            let at = |octave: &Octave| octave.at(row, height, column, width, colour);
            (at(&coarse) * 4 + at(&middle) * 3 + at(&fine)) >> 3
        };
        let mut drawn = Vec::with_capacity(height * width * 3);
        if nhwc {
            for row in 0..height {
                for column in 0..width {
                    drawn.extend((0..3).map(|colour| value(row, column, colour)));
                }
            }
        } else {
            for colour in 0..3 {
                for row in 0..height {
                    drawn.extend((0..width).map(|column| value(row, column, colour)));
                }
            }
        }
        drawn
    }
}

/// Seeded numbers at the corners of `cells` x `cells` cells.
struct Octave {
    cells: usize,
    corners: Vec<u64>,
}

impl Octave {
    fn new(cells: usize) -> Self {
        let name = format!("picture {cells}");
        let corners = draw(name.as_bytes()).take((cells + 1) * (cells + 1) * 3).collect();
        Octave { cells, corners }
    }

    /// The value at a pixel of a picture of `height` x `width`, linear between the corners.
    fn at(&self, row: usize, height: usize, column: usize, width: usize, colour: usize) -> u64 {
        let (y, x) = (row * self.cells * 256 / height, column * self.cells * 256 / width);
        let (down, across) = ((y & 255) as u64, (x & 255) as u64);
        let corner = |below: usize, right: usize| {
            self.corners[(((y >> 8) + below) * (self.cells + 1) + (x >> 8) + right) * 3 + colour]
        };
        let top = corner(0, 0) * (256 - across) + corner(0, 1) * across;
        let bottom = corner(1, 0) * (256 - across) + corner(1, 1) * across;
        (top * (256 - down) + bottom * down) >> 16
    }
}
