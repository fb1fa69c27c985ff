//! Compressed access units become pictures, in display order, each with its own time and number.
//!
//! Owns openh264 and knows its moods; knows nothing of where units come from or who looks at pictures.
//! What cannot be decoded is counted and waited out until the next IDR picture, never guessed at.

mod engine;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use h264_reader::nal::sps::SeqParameterSet;

use crate::base::{Clock, Error, Result, thread_cpu};
use crate::frame::h264::{self, Delay, OrderCount, Parameters, Place, Reorder, Stream};
use crate::frame::{AccessUnit, Color, Planes, Pool};

use engine::{Engine, Outcome};
pub use report::{Counters, DecoderReport};

/// A decoded picture on its way to becoming a frame.
pub struct Picture {
    /// Pixels, cropped to what is shown.
    pub planes: Planes,
    /// Presentation time, as its access unit said.
    pub pts_us: i64,
    /// Microseconds since 1970-01-01T00:00:00Z, as its access unit said.
    pub captured_at_us: i64,
    /// How Y, U and V become red, green and blue.
    pub color: Color,
    /// Number of its access unit in display order, from 0, over all units received that are to be shown:
    /// leaving others undecoded does not change it.
    pub sequence: u64,
    /// Who wants it: the bits its unit came with.
    pub takers: u64,
}

/// Decodes one stream on the calling thread.
pub struct Decoder {
    pool: Pool,
    clock: Clock,
    counters: Arc<Counters>,
    parameters: Parameters,
    /// The sequence parameter set in force and what it says.
    stream: Option<(SeqParameterSet, Stream)>,
    engine: Option<Engine>,
    order: OrderCount,
    reorder: Reorder<Waiting>,
    waits_for_key: bool,
    sequence: u64,
    last_pts_us: i64,
}

/// A unit between decoding and its turn to be shown.
struct Waiting {
    pts_us: i64,
    captured_at_us: i64,
    shown: bool,
    takers: u64,
    picture: Option<(Planes, Color)>,
}

impl Decoder {
    /// A decoder whose pictures live in `pool`.
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            clock: Clock::system(),
            counters: Arc::default(),
            parameters: Parameters::default(),
            stream: None,
            engine: None,
            order: OrderCount::default(),
            reorder: Reorder::new(Delay::Pictures(0)),
            waits_for_key: true,
            sequence: 0,
            last_pts_us: i64::MIN,
        }
    }

    /// What this decoder counts, readable from any thread while it works.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// What this decoder has done so far.
    pub fn report(&self) -> DecoderReport {
        self.counters.report()
    }

    /// The stream as its parameter sets describe it; `None` before the first IDR picture.
    pub fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref().map(|(_, stream)| stream)
    }

    /// Takes the next access unit and hands the pictures whose turn has come to `out`.
    ///
    /// The bits of `takers` mean what the caller likes and come back with the picture. Where there are none
    /// nobody wants it: a unit that no other picture is predicted from is not decoded at all, any other is
    /// decoded but not copied. Damaged units are no error: they are counted, and nothing is decoded until
    /// the next IDR picture.
    ///
    /// # Errors
    /// Where the stream is of a kind that cannot be decoded, named from its parameter sets. A later unit
    /// may bring other parameter sets.
    pub fn decode(&mut self, unit: &AccessUnit, takers: u64, out: &mut dyn FnMut(Picture)) -> Result<()> {
        if unit.discontinuity {
            self.flush(out);
            self.engine = None;
            self.waits_for_key = true;
        }
        let Some(slice) = self.read_parameters(&unit.data) else {
            // Parameter sets or messages alone, or a unit cut off before its slice.
            return Ok(());
        };
        if self.waits_for_key && !unit.key {
            self.counters.waited_for_key.add(1);
            self.pass(unit);
            return Ok(());
        }
        let Some((head, sps)) = self.parameters.picture(slice) else {
            self.lose(unit, out);
            // Kinds of video that cannot be decoded may have slices that cannot be read either.
            let stream = self.parameters.first_sps().and_then(Stream::of);
            return refuse(stream.and_then(|stream| stream.unsupported()));
        };
        let place = self.order.place(&head, sps);
        if head.key && self.stream.as_ref().is_none_or(|(known, _)| known != sps) {
            let sps = sps.clone();
            self.adopt(sps, out);
        }
        refuse(self.stream().and_then(Stream::unsupported))?;
        self.waits_for_key = false;

        let wanted = takers != 0 && unit.shown;
        let picture = if !wanted && !head.reference {
            self.counters.skipped.add(1);
            None
        } else {
            match self.decode_now(unit, wanted)? {
                Outcome::Picture(picture) => picture,
                Outcome::Damaged => {
                    self.lose(unit, out);
                    return Ok(());
                }
            }
        };
        self.hold(place, head.bidirectional, unit, takers, picture);
        while let Some(next) = self.reorder.pop() {
            self.emit(next, out);
        }
        Ok(())
    }

    /// Hands out every picture still waiting for its turn: at the end of a stream.
    pub fn flush(&mut self, out: &mut dyn FnMut(Picture)) {
        while let Some(next) = self.reorder.drain() {
            self.emit(next, out);
        }
    }

    /// Takes in the parameter sets in front of a unit's first slice and returns that slice.
    fn read_parameters<'a>(&mut self, data: &'a [u8]) -> Option<&'a [u8]> {
        h264::nal_units(data).find(|nal| {
            self.parameters.observe(nal);
            h264::is_slice(nal)
        })
    }

    /// Starts anew with another sequence parameter set: another size, perhaps another order.
    fn adopt(&mut self, sps: SeqParameterSet, out: &mut dyn FnMut(Picture)) {
        self.flush(out);
        self.engine = None;
        self.stream = Stream::of(&sps).map(|stream| (sps, stream));
        self.reorder = Reorder::new(self.stream().map_or(Delay::Pictures(0), |stream| stream.delay));
    }

    fn decode_now(&mut self, unit: &AccessUnit, wanted: bool) -> Result<Outcome> {
        let engine = match &mut self.engine {
            Some(engine) => engine,
            none => none.insert(Engine::new()?),
        };
        let Some((_, stream)) = &self.stream else { return Ok(Outcome::Damaged) };
        let (wall, cpu) = (self.clock.now(), thread_cpu());
        let outcome = engine.decode(&unit.data, stream, wanted.then_some(&self.pool));
        self.counters.time.record(self.clock.now().saturating_sub(wall), thread_cpu().saturating_sub(cpu));
        if matches!(outcome, Outcome::Picture(_)) {
            self.counters.decoded.add(1);
        }
        Ok(outcome)
    }

    fn hold(
        &mut self,
        place: Place,
        bidirectional: bool,
        unit: &AccessUnit,
        takers: u64,
        picture: Option<(Planes, Color)>,
    ) {
        let &AccessUnit { pts_us, captured_at_us, shown, .. } = unit;
        let waiting = Waiting { pts_us, captured_at_us, shown, takers, picture };
        if self.reorder.push(place, bidirectional, waiting).is_err() {
            self.counters.late.add(1);
            self.pass(unit);
        }
    }

    /// A damaged unit: what is decoded already is still good, what follows is not until the next IDR picture.
    fn lose(&mut self, unit: &AccessUnit, out: &mut dyn FnMut(Picture)) {
        self.flush(out);
        self.counters.corrupt.add(1);
        self.waits_for_key = true;
        self.engine = None;
        self.pass(unit);
    }

    /// Counts a unit that has no place in display order.
    fn pass(&mut self, unit: &AccessUnit) {
        self.sequence += u64::from(unit.shown);
    }

    fn emit(&mut self, mut next: Waiting, out: &mut dyn FnMut(Picture)) {
        // In display order times go up. Where a container gave them in decoding order (AVI, or MP4 without
        // composition offsets) the earliest belongs here, as ffmpeg's decoder reorders them.
        for other in self.reorder.iter_mut().filter(|other| other.shown && next.shown) {
            if other.pts_us < next.pts_us {
                std::mem::swap(&mut other.pts_us, &mut next.pts_us);
                std::mem::swap(&mut other.captured_at_us, &mut next.captured_at_us);
            }
        }
        if !next.shown {
            return;
        }
        let sequence = self.sequence;
        self.sequence += 1;
        if let Some((planes, color)) = next.picture {
            let Waiting { pts_us, captured_at_us, takers, .. } = next;
            // Two pictures of one time, as jittery cameras send them, still come one after the other.
            let pts_us = pts_us.max(self.last_pts_us.saturating_add(1));
            self.last_pts_us = pts_us;
            out(Picture { planes, pts_us, captured_at_us, color, sequence, takers });
        }
    }
}

/// An error where there is a reason for one.
fn refuse(why: Option<String>) -> Result<()> {
    why.map_or(Ok(()), |why| Err(Error::source(why)))
}
