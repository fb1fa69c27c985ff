//! Which samples of an axis count for a drawn one, and how much.

/// One axis of a window, and how many samples are drawn of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Cut {
    /// The samples that the window touches: a neighbour of the region must not shine into it.
    pub(super) first: usize,
    pub(super) samples: usize,
    /// The window's edges, counted from the first of them.
    start: f64,
    end: f64,
    pub(super) drawn: usize,
    grow: bool,
}

impl Cut {
    pub(super) fn new(start: f64, length: f64, side: u32, drawn: u32, grow: bool) -> Cut {
        let side = f64::from(side);
        let first = start.floor().min(side - 1.0);
        let samples = ((start + length).ceil().min(side) - first).max(1.0);
        let start = start - first;
        let end = (start + length).min(samples);
        Cut { first: first as usize, samples: samples as usize, start, end, drawn: drawn as usize, grow }
    }

    /// The stretch of samples that is averaged for a drawn one. Where the axis grows it is one sample long,
    /// which makes the average of two neighbours their linear interpolation.
    fn stretch(&self, drawn: usize) -> (f64, f64) {
        let span = (self.end - self.start) / self.drawn as f64;
        let left = self.start + drawn as f64 * span;
        if !self.grow {
            return (left, left + span);
        }
        let middle = (left + span / 2.0 - 0.5).clamp(0.0, (self.samples - 1) as f64);
        (middle, middle + 1.0)
    }

    /// The samples that a stretch touches: the first, and the one after the last.
    fn touched(&self, (left, right): (f64, f64)) -> (usize, usize) {
        let first = (left as usize).min(self.samples - 1);
        let end = right as usize;
        let end = if end as f64 == right { end } else { end + 1 };
        (first, end.clamp(first + 1, self.samples))
    }
}

/// The weights for a cut. Averaging by how much of each sample is covered is OpenCV's `INTER_AREA`.
#[derive(Default)]
pub(super) struct Axis {
    pub(super) cut: Cut,
    /// Weights for each drawn sample: as many as the one that needs most.
    count: usize,
    /// The sample that a drawn one's first weight is for.
    firsts: Vec<usize>,
    /// In 32768ths and negative, for 16 bits hold -1 but not 1.
    weights: Vec<i16>,
}

impl Axis {
    /// Frame after frame has the same geometry: weights are kept until it changes.
    pub(super) fn set(&mut self, cut: Cut) {
        if self.cut == cut {
            return;
        }
        let touched = |drawn| cut.touched(cut.stretch(drawn));
        self.count = (0..cut.drawn).map(touched).map(|(first, end)| end - first).max().unwrap_or(1);
        self.firsts.clear();
        self.weights.clear();
        self.weights.resize(self.count * cut.drawn, 0);
        for (drawn, weights) in self.weights.chunks_exact_mut(self.count).enumerate() {
            let (left, right) = cut.stretch(drawn);
            let (touched, end) = cut.touched((left, right));
            let first = touched.min(cut.samples - self.count);
            self.firsts.push(first);
            // Differences of rounded sums, so that the sum of all weights is exact.
            let mut before = 0;
            for sample in touched..end {
                let part =
                    if sample + 1 == end { 1.0 } else { ((sample + 1) as f64 - left) / (right - left) };
                let sum = (part * 32768.0 + 0.5) as i32;
                weights[sample - first] = (before - sum) as i16;
                before = sum;
            }
        }
        self.cut = cut;
    }

    /// Whether every sample is drawn as it is.
    pub(super) fn is_plain(&self) -> bool {
        self.count == 1 && self.cut.drawn == self.cut.samples
    }

    #[inline(always)]
    pub(super) fn of(&self, drawn: usize) -> (usize, &[i16]) {
        (self.firsts[drawn], &self.weights[drawn * self.count..][..self.count])
    }
}
