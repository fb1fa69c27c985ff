//! What is in the messages between host and worker: a graph, then tensors, little endian.

use crate::model::worker::{Kind, Message};

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
    pub(super) fn message(&self) -> Message {
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
        Message { kind: Kind::Load, bytes: to.bytes }
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
