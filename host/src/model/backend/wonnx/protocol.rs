//! What host and worker say to each other: frames of a kind, a length and as many bytes, little endian, over
//! the worker's standard input and output.

use std::io::{self, Read, Write};

/// What a worker says first. Whatever stands before it on its standard output, a driver printed.
pub(super) const GREETING: &[u8] = b"\ntransom gpu-worker 1\n";
/// How much is read in search of the greeting.
pub(super) const MOST_BEFORE: usize = 1 << 20;
/// Bytes of the largest frame.
const MOST: u64 = 2 << 30;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// To the worker: say which adapters there are. Back: their list as JSON.
    Adapters,
    /// To the worker: [`Load`]. Back: nothing.
    Load,
    /// To the worker: a tensor for each input. Back: one for each wanted output.
    Run,
    /// Back: why it could not be done; the worker goes on.
    Refused,
    /// Back: why it could not be done; the worker ends.
    Lost,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Kind::Adapters, Kind::Load, Kind::Run, Kind::Refused, Kind::Lost]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
}

impl Frame {
    pub(super) fn text(kind: Kind, text: &str) -> Self {
        Frame { kind, bytes: text.as_bytes().to_vec() }
    }

    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&[self.kind as u8])?;
        to.write_all(&(self.bytes.len() as u64).to_le_bytes())?;
        to.write_all(&self.bytes)?;
        to.flush()
    }

    /// The next frame; none: the other side has closed.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut kind = [0];
        if from.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let kind = Kind::from_byte(kind[0]).ok_or_else(|| wrong("a frame of no known kind"))?;
        let mut length = [0; 8];
        from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > MOST {
            return Err(wrong("a frame that is too long"));
        }
        // Grows with what comes, not with what is announced.
        let mut bytes = Vec::new();
        if from.take(length).read_to_end(&mut bytes)? as u64 != length {
            return Err(wrong("a frame that is cut off"));
        }
        Ok(Some(Frame { kind, bytes }))
    }
}

/// A graph for the worker.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    /// The rewritten ONNX file.
    pub(super) file: Vec<u8>,
    /// Its outputs to compute, in order.
    pub(super) wanted: Vec<String>,
    /// Its inputs that are the same in every run.
    pub(super) fed: Vec<(String, Vec<f32>)>,
    /// Its inputs that come with every run, in order.
    pub(super) taken: Vec<String>,
}

/// Numbers of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Numbers {
    F32(Vec<f32>),
    I32(Vec<i32>),
}

/// Puts values one after the other.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    fn count(&mut self, count: usize) {
        self.bytes.extend_from_slice(&(count as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    fn blob(&mut self, blob: &[u8]) {
        self.count(blob.len());
        self.bytes.extend_from_slice(blob);
    }

    pub(super) fn floats(&mut self, values: &[f32]) {
        self.bytes.push(0);
        self.count(values.len());
        self.bytes.reserve(values.len() * 4);
        for value in values {
            self.bytes.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) fn integers(&mut self, values: impl ExactSizeIterator<Item = i32>) {
        self.bytes.push(1);
        self.count(values.len());
        self.bytes.reserve(values.len() * 4);
        for value in values {
            self.bytes.extend_from_slice(&value.to_le_bytes());
        }
    }
}

/// Takes values off again.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn count(&mut self) -> Option<usize> {
        let bytes = self.take(8)?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
    }

    fn blob(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        self.take(count)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.blob()?.to_vec()).ok()
    }

    /// The next tensor's numbers.
    pub(super) fn numbers(&mut self) -> Option<Numbers> {
        let kind = self.take(1)?[0];
        let count = self.count()?;
        let (words, _) = self.take(count.checked_mul(4)?)?.as_chunks::<4>();
        Some(match kind {
            0 => Numbers::F32(words.iter().map(|word| f32::from_le_bytes(*word)).collect()),
            1 => Numbers::I32(words.iter().map(|word| i32::from_le_bytes(*word)).collect()),
            _ => return None,
        })
    }
}

impl Load {
    pub(super) fn frame(&self) -> Frame {
        let mut to = Writer::default();
        to.blob(&self.file);
        to.count(self.wanted.len());
        self.wanted.iter().for_each(|name| to.text(name));
        to.count(self.fed.len());
        for (name, values) in &self.fed {
            to.text(name);
            to.floats(values);
        }
        to.count(self.taken.len());
        self.taken.iter().for_each(|name| to.text(name));
        Frame { kind: Kind::Load, bytes: to.bytes }
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader { bytes };
        let file = from.blob()?.to_vec();
        let wanted = (0..from.count()?).map(|_| from.text()).collect::<Option<_>>()?;
        let mut fed = Vec::new();
        for _ in 0..from.count()? {
            let name = from.text()?;
            let Numbers::F32(values) = from.numbers()? else { return None };
            fed.push((name, values));
        }
        let taken = (0..from.count()?).map(|_| from.text()).collect::<Option<_>>()?;
        Some(Load { file, wanted, fed, taken })
    }
}
