//! What host and worker say to each other: a kind, a length and as many bytes, little endian.

use std::io::{self, Read, Write};

/// What a worker says first. Whatever stands before it on its standard output, a driver printed.
pub(super) const GREETING: &[u8] = b"\ntransom worker 1\n";
/// How much is read in search of the greeting.
pub(super) const MOST_BEFORE: usize = 1 << 20;
/// Bytes of the longest message.
const MOST: u64 = 2 << 30;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Kind {
    /// To a gpu worker: say which adapters there are. Back: their list as JSON.
    Adapters,
    /// To a gpu worker: a graph. Back: nothing.
    Load,
    /// To a gpu worker: a tensor for each input. Back: one for each wanted output.
    Run,
    /// To a trial worker: a model to be judged. Back: the verdict.
    Judge,
    /// Back, before an answer: the back end that is at work now.
    Doing,
    /// Back, before an answer: what is being done, for people.
    Progress,
    /// Back: why it could not be done; the worker goes on.
    Refused,
    /// Back: why it could not be done; the worker ends.
    Lost,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        use Kind::{Adapters, Doing, Judge, Load, Lost, Progress, Refused, Run};
        [Adapters, Load, Run, Judge, Doing, Progress, Refused, Lost]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) struct Message {
    pub(in crate::model) kind: Kind,
    pub(in crate::model) bytes: Vec<u8>,
}

impl Message {
    pub(in crate::model) fn text(kind: Kind, text: &str) -> Self {
        Message { kind, bytes: text.as_bytes().to_vec() }
    }

    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&[self.kind as u8])?;
        to.write_all(&(self.bytes.len() as u64).to_le_bytes())?;
        to.write_all(&self.bytes)?;
        to.flush()
    }

    /// The next message; none: the other side has closed.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut kind = [0];
        if from.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let kind = Kind::from_byte(kind[0]).ok_or_else(|| wrong("a message of no known kind"))?;
        let mut length = [0; 8];
        from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > MOST {
            return Err(wrong("a message that is too long"));
        }
        // Grows with what comes, not with what is announced.
        let mut bytes = Vec::new();
        if from.take(length).read_to_end(&mut bytes)? as u64 != length {
            return Err(wrong("a message that is cut off"));
        }
        Ok(Some(Message { kind, bytes }))
    }
}
