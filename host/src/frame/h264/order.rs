//! Display order: picture order counts (8.2.1) and the short wait that sorts by them (C.4.5.3).

use h264_reader::nal::sps::{PicOrderCntType, SeqParameterSet};

use super::PictureHead;

/// A picture's place in display order: pictures between two IDR pictures are a period; within one, the
/// lower picture order count is shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the period, counting up.
    pub period: u64,
    /// PicOrderCnt() of the picture.
    pub count: i64,
}

/// Derives each picture's place from its head, in decoding order.
#[derive(Debug, Default)]
pub struct OrderCount {
    period: u64,
    /// Most and least significant part of the last reference picture's count (type 0).
    msb: i64,
    lsb: i64,
    /// FrameNumOffset and frame_num of the last picture (types 1 and 2).
    offset: i64,
    frame_num: i64,
}

impl OrderCount {
    /// The place of the next picture in decoding order. Frames only: fields are refused before.
    pub fn place(&mut self, head: &PictureHead, sps: &SeqParameterSet) -> Place {
        if head.key {
            *self = Self { period: self.period + 1, ..Self::default() };
        }
        let frame_num = i64::from(head.frame_num);
        if frame_num < self.frame_num {
            self.offset += 1 << sps.log2_max_frame_num();
        }
        self.frame_num = frame_num;
        let count = match &sps.pic_order_cnt {
            PicOrderCntType::TypeZero { log2_max_pic_order_cnt_lsb_minus4 } => {
                self.type_zero(head, 1 << (log2_max_pic_order_cnt_lsb_minus4 + 4))
            }
            PicOrderCntType::TypeOne {
                offset_for_non_ref_pic,
                offset_for_top_to_bottom_field,
                offsets_for_ref_frame,
                ..
            } => {
                let top = self.type_one(head, *offset_for_non_ref_pic, offsets_for_ref_frame) + head.order.0;
                top.min(top + i64::from(*offset_for_top_to_bottom_field) + head.order.1)
            }
            PicOrderCntType::TypeTwo => 2 * (self.offset + frame_num) - i64::from(!head.reference),
        };
        if head.resets {
            // 8.2.1: behind memory management control operation 5 counting starts from this picture.
            *self = Self { period: self.period + 1, ..Self::default() };
            return Place { period: self.period, count: 0 };
        }
        Place { period: self.period, count }
    }

    /// 8.2.1.1.
    fn type_zero(&mut self, head: &PictureHead, max_lsb: i64) -> i64 {
        let lsb = head.order.0;
        let msb = if lsb < self.lsb && self.lsb - lsb >= max_lsb / 2 {
            self.msb + max_lsb
        } else if lsb > self.lsb && lsb - self.lsb > max_lsb / 2 {
            self.msb - max_lsb
        } else {
            self.msb
        };
        if head.reference {
            (self.msb, self.lsb) = (msb, lsb);
        }
        msb + lsb + head.order.1.min(0)
    }

    /// 8.2.1.2, without the deltas the slice carries.
    fn type_one(&self, head: &PictureHead, non_reference: i32, offsets: &[i32]) -> i64 {
        let cycle = offsets.len() as i64;
        let mut number = if cycle == 0 { 0 } else { self.offset + self.frame_num };
        if !head.reference && number > 0 {
            number -= 1;
        }
        let mut expected = 0;
        if number > 0 {
            let per_cycle: i64 = offsets.iter().copied().map(i64::from).sum();
            let within = ((number - 1) % cycle) as usize;
            expected = ((number - 1) / cycle).saturating_mul(per_cycle)
                + offsets[..=within].iter().copied().map(i64::from).sum::<i64>();
        }
        expected + if head.reference { 0 } else { i64::from(non_reference) }
    }
}

/// How long pictures wait to be put in display order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// At most this many pictures are decoded ahead of one they are shown after; 0: each is shown at once.
    Pictures(usize),
    /// The stream does not say. A picture is shown as soon as its count follows the last one's, and at the
    /// latest when `at_most` later ones have come.
    Unstated {
        /// The decoded picture buffer's size by the stream's level.
        at_most: usize,
    },
}

/// Sorts pictures from decoding into display order with the shortest wait the stream allows.
pub struct Reorder<T> {
    delay: Delay,
    waiting: Vec<(Place, T)>,
    last: Option<Place>,
    newest_period: u64,
    pushed: usize,
    odd_counts: bool,
    bidirectional: bool,
}

/// Pictures to look at before trusting what has not been seen among them.
const EVIDENCE: usize = 8;

impl<T> Reorder<T> {
    /// An empty one.
    pub fn new(delay: Delay) -> Self {
        Self {
            delay,
            waiting: Vec::new(),
            last: None,
            newest_period: 0,
            pushed: 0,
            odd_counts: false,
            bidirectional: false,
        }
    }

    /// Takes the next picture in decoding order. Gives it back where its turn has passed: a stream that
    /// understated its delay; from then on pictures wait longer.
    pub fn push(&mut self, place: Place, bidirectional: bool, item: T) -> Result<(), T> {
        self.pushed += 1;
        self.odd_counts |= place.count % 2 != 0;
        self.bidirectional |= bidirectional;
        self.newest_period = place.period;
        if self.last.is_some_and(|last| place <= last) {
            if let Delay::Pictures(pictures) = &mut self.delay {
                *pictures = (*pictures + 1).min(16);
            }
            return Err(item);
        }
        self.waiting.push((place, item));
        Ok(())
    }

    /// The next picture in display order, where none before it can come any more.
    pub fn pop(&mut self) -> Option<T> {
        let (at, next) = self.first()?;
        let ready = next.period < self.newest_period
            || match self.delay {
                Delay::Pictures(pictures) => self.waiting.len() > pictures,
                Delay::Unstated { at_most } => self.follows(next) || self.waiting.len() > at_most,
            };
        ready.then(|| self.take(at))
    }

    /// The next picture in display order of those that are left, whatever might have come.
    pub fn drain(&mut self) -> Option<T> {
        let (at, _) = self.first()?;
        Some(self.take(at))
    }

    /// Pictures waiting, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.waiting.iter_mut().map(|(_, item)| item)
    }

    fn first(&self) -> Option<(usize, Place)> {
        self.waiting.iter().enumerate().map(|(at, (place, _))| (at, *place)).min_by_key(|(_, place)| *place)
    }

    fn take(&mut self, at: usize) -> T {
        let (place, item) = self.waiting.remove(at);
        self.last = Some(place);
        item
    }

    /// Whether no picture can come between the last shown one and `next`, judged by what the stream did so
    /// far: encoders step the count by 2 a frame, some by 1, and few that use B pictures do so rarely.
    fn follows(&self, next: Place) -> bool {
        let Some(last) = self.last.filter(|last| last.period == next.period) else {
            // A period's first picture is its IDR picture, shown before all that follow it.
            return true;
        };
        if self.pushed >= EVIDENCE && !self.bidirectional {
            return true;
        }
        let step = if self.odd_counts || self.pushed < 3 { 1 } else { 2 };
        next.count - last.count <= step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Display order and, for each picture shown, how many had been decoded by then.
    fn shown(delay: Delay, counts: &[i64]) -> Vec<(i64, usize)> {
        let mut reorder = Reorder::new(delay);
        let mut out = Vec::new();
        let (mut period, mut highest) = (0, 0);
        for (decoded, count) in counts.iter().enumerate() {
            if *count == 0 {
                (period, highest) = (period + 1, 0);
            }
            let bidirectional = *count < highest;
            highest = highest.max(*count);
            let _ = reorder.push(Place { period, count: *count }, bidirectional, *count);
            while let Some(count) = reorder.pop() {
                out.push((count, decoded + 1));
            }
        }
        while let Some(count) = reorder.drain() {
            out.push((count, counts.len()));
        }
        out
    }

    #[test]
    fn a_stream_that_rules_out_reordering_is_not_delayed() {
        let order = shown(Delay::Pictures(0), &[0, 2, 4, 0, 2]);
        assert_eq!(order, [(0, 1), (2, 2), (4, 3), (0, 4), (2, 5)]);
    }

    #[test]
    fn b_pictures_come_in_display_order() {
        let order = shown(Delay::Pictures(2), &[0, 8, 4, 2, 6, 16, 12, 10, 14, 0]);
        let counts: Vec<i64> = order.iter().map(|(count, _)| *count).collect();
        assert_eq!(counts, [0, 2, 4, 6, 8, 10, 12, 14, 16, 0]);
    }

    #[test]
    fn an_unstated_delay_costs_nothing_once_counts_follow_each_other() {
        let order = shown(Delay::Unstated { at_most: 16 }, &[0, 2, 4, 6, 8]);
        assert_eq!(order, [(0, 1), (2, 3), (4, 3), (6, 4), (8, 5)]);
    }

    #[test]
    fn a_stream_that_understates_its_delay_loses_one_picture_and_waits_from_then_on() {
        let order = shown(Delay::Pictures(0), &[0, 4, 2, 8, 6, 12, 10]);
        let counts: Vec<i64> = order.iter().map(|(count, _)| *count).collect();
        assert_eq!(counts, [0, 4, 6, 8, 10, 12]);
    }

    #[test]
    fn an_unstated_delay_still_sorts_b_pictures_of_either_step() {
        let order = shown(Delay::Unstated { at_most: 4 }, &[0, 2, 1, 4, 3, 6, 5]);
        let counts: Vec<i64> = order.iter().map(|(count, _)| *count).collect();
        assert_eq!(counts, [0, 1, 2, 3, 4, 5, 6]);
        let order = shown(Delay::Unstated { at_most: 4 }, &[0, 8, 4, 2, 6, 16, 12, 10, 14]);
        let counts: Vec<i64> = order.iter().map(|(count, _)| *count).collect();
        assert_eq!(counts, [0, 2, 4, 6, 8, 10, 12, 14, 16]);
    }
}
