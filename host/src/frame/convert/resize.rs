//! Planes change size: each drawn sample is a weighted sum of samples along one axis, then along the other.
//!
//! A sum of whole rows is a plain loop that fills vector registers. For sums along the row, 16 rows at a time
//! are laid out so that the samples of a column lie side by side, where it is the same loop.

mod axis;

#[cfg(test)]
mod tests;

use axis::{Axis, Cut};

use super::Window;
use crate::base::widest;

/// Rows that are summed along the row together; 4 x 4, for [`stand`] and [`lie`].
const LANES: usize = 16;

/// Samples of a row that are summed together. Of half as many the compiler makes code half as fast.
const RUN: usize = 64;

/// More weights than this are summed in 32 bits. In 16, each product is cut by up to 1/128 of a sample.
const FEW: usize = 16;

/// What is summed, and what sums become. As all 16 bits of a signed number, so that a product is one
/// multiply-high instruction: 256ths, less 128.
trait Sample: Copy + Default {
    fn centred(self) -> i16;
    /// From 128ths, less 128.
    fn of(sum: i16) -> Self;
}

impl Sample for u8 {
    #[inline(always)]
    fn centred(self) -> i16 {
        i16::from((self ^ 128) as i8) << 8
    }

    #[inline(always)]
    fn of(sum: i16) -> u8 {
        ((sum + 64) >> 7) as u8 ^ 128
    }
}

/// Between the two axes: nothing is rounded yet.
impl Sample for i16 {
    #[inline(always)]
    fn centred(self) -> i16 {
        self
    }

    #[inline(always)]
    fn of(sum: i16) -> i16 {
        sum << 1
    }
}

/// Resizes one plane after another, keeping its working memory and the weights of the last one.
#[derive(Default)]
pub(super) struct Plane {
    columns: Axis,
    rows: Axis,
    /// Two bands of rows, one of them standing or on its way.
    bands: [Vec<u8>; 2],
    /// The same of rows that have been summed.
    summed: [Vec<i16>; 2],
    /// Between the two axes.
    half: Vec<i16>,
}

impl Plane {
    /// Of the working memory.
    pub(super) fn bytes(&self) -> usize {
        let summed = self.summed.iter().chain([&self.half]).map(Vec::capacity).sum::<usize>();
        self.bands.iter().map(Vec::capacity).sum::<usize>() + summed * size_of::<i16>()
    }

    /// Brings `window` of the plane `from` (`from_size` samples, rows without padding) to `to_size` in `to`.
    /// An axis that grows is interpolated, one that shrinks averaged. The window lies inside the plane.
    pub(super) fn resize(
        &mut self,
        from: &[u8],
        from_size: (u32, u32),
        window: Window,
        grow: [bool; 2],
        to_size: (u32, u32),
        to: &mut Vec<u8>,
    ) {
        self.columns.set(Cut::new(window.left, window.width, from_size.0, to_size.0, grow[0]));
        self.rows.set(Cut::new(window.top, window.height, from_size.1, to_size.1, grow[1]));
        let Plane { columns, rows, bands, summed, half } = self;
        let stride = from_size.0 as usize;
        let from = &from[rows.cut.first * stride + columns.cut.first..];
        widest(
            #[inline(always)]
            || {
                // Columns cost more than rows: they come where there are fewer rows.
                if columns.is_plain() {
                    sum_rows(rows, from, stride, columns.cut.drawn, to);
                } else if rows.cut.drawn <= rows.cut.samples {
                    sum_columns(
                        columns,
                        rows.cut.drawn,
                        #[inline(always)]
                        |y, row| sum_row(rows.of(y), from, stride, row),
                        summed,
                        to,
                    );
                } else {
                    sum_columns(
                        columns,
                        rows.cut.samples,
                        #[inline(always)]
                        |y, row| row.copy_from_slice(&from[y * stride..][..row.len()]),
                        bands,
                        half,
                    );
                    sum_rows(rows, half, columns.cut.drawn, columns.cut.drawn, to);
                }
            },
        );
    }
}

/// Draws the rows of `to`, `width` samples each, from those of `from`, which begin every `stride` samples.
#[inline(always)]
fn sum_rows<S: Sample>(axis: &Axis, from: &[S], stride: usize, width: usize, to: &mut Vec<u8>) {
    to.resize(axis.cut.drawn * width, 0);
    for (y, row) in to.chunks_exact_mut(width).enumerate() {
        sum_row(axis.of(y), from, stride, row);
    }
}

#[inline(always)]
fn sum_row<S: Sample, T: Sample>((first, weights): (usize, &[i16]), from: &[S], stride: usize, to: &mut [T]) {
    let (from, to) = sum_runs::<S, T, RUN>(weights, &from[first * stride..], stride, to);
    let (from, to) = sum_runs::<S, T, 8>(weights, from, stride, to);
    sum_runs::<S, T, 1>(weights, from, stride, to);
}

/// Draws `COUNT` samples at once as often as there are so many, and gives what is left.
#[inline(always)]
fn sum_runs<'a, S: Sample, T: Sample, const COUNT: usize>(
    weights: &[i16],
    from: &'a [S],
    stride: usize,
    to: &'a mut [T],
) -> (&'a [S], &'a mut [T]) {
    let (runs, rest) = to.as_chunks_mut::<COUNT>();
    let done = runs.len() * COUNT;
    for (at, run) in runs.iter_mut().enumerate() {
        *run = sum(
            weights,
            #[inline(always)]
            |row| from[row * stride + at * COUNT..].first_chunk().unwrap(),
        );
    }
    (&from[done..], rest)
}

/// Draws the columns of `to` from `rows` rows that `row` fills.
#[inline(always)]
fn sum_columns<S: Sample, T: Sample>(
    axis: &Axis,
    rows: usize,
    mut row: impl FnMut(usize, &mut [S]),
    [band, other]: &mut [Vec<S>; 2],
    to: &mut Vec<T>,
) {
    let Cut { samples, drawn, .. } = axis.cut;
    band.resize(samples * LANES, S::default());
    other.resize(samples * LANES, S::default());
    let mut drawn_band = vec![T::default(); drawn * LANES];
    let mut drawn_other = vec![T::default(); drawn * LANES];
    // Whole bands; what the last one has too much is cut off.
    to.resize(rows.next_multiple_of(LANES) * drawn, T::default());
    for (index, to) in to.chunks_exact_mut(drawn * LANES).enumerate() {
        for (y, band) in (index * LANES..rows).zip(band.chunks_exact_mut(samples)) {
            row(y, band);
        }
        stand(band, other);
        stand(other.as_chunks::<4>().0, band.as_chunks_mut::<4>().0);
        let columns = band.as_chunks::<LANES>().0;
        for (x, to) in drawn_band.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let (first, weights) = axis.of(x);
            // All the same, but two of them loops whose length the compiler knows.
            *to = match weights.len() {
                2 => sum_side_by_side(&weights[..2], &columns[first..]),
                3 => sum_side_by_side(&weights[..3], &columns[first..]),
                _ => sum_side_by_side(weights, &columns[first..]),
            };
        }
        lie(drawn_band.as_chunks::<4>().0, drawn_other.as_chunks_mut::<4>().0);
        lie(&drawn_other, to);
    }
    to.truncate(rows * drawn);
}

#[inline(always)]
fn sum_side_by_side<S: Sample, T: Sample>(weights: &[i16], columns: &[[S; LANES]]) -> [T; LANES] {
    sum(
        weights,
        #[inline(always)]
        |at| &columns[at],
    )
}

/// Sums, side by side, of samples times their weights.
#[inline(always)]
fn sum<'a, S: Sample + 'a, T: Sample, const COUNT: usize>(
    weights: &[i16],
    samples: impl Fn(usize) -> &'a [S; COUNT],
) -> [T; COUNT] {
    if weights.len() > FEW {
        let mut sums = [1 << 15; COUNT];
        for (at, weight) in weights.iter().enumerate() {
            for (sum, sample) in sums.iter_mut().zip(samples(at)) {
                *sum -= i32::from(sample.centred()) * i32::from(*weight);
            }
        }
        return sums.map(
            #[inline(always)]
            |sum| T::of((sum >> 16) as i16),
        );
    }
    let mut sums = [0; COUNT];
    for (at, weight) in weights.iter().enumerate() {
        for (sum, sample) in sums.iter_mut().zip(samples(at)) {
            *sum -= ((i32::from(sample.centred()) * i32::from(*weight)) >> 16) as i16;
        }
    }
    sums.map(T::of)
}

/// Takes one value from each quarter in turn. Done to [`LANES`] rows, and again to fours of samples, it lays
/// the samples of each column side by side, in an order that [`lie`] undoes.
#[inline(always)]
fn stand<T: Copy>(from: &[T], to: &mut [T]) {
    let (a, b) = from.split_at(from.len() / 2);
    let ((a, b), (c, d)) = (a.split_at(a.len() / 2), b.split_at(b.len() / 2));
    for ((((to, a), b), c), d) in to.as_chunks_mut().0.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *to = [*a, *b, *c, *d];
    }
}

/// The inverse of [`stand`].
#[inline(always)]
fn lie<T: Copy>(from: &[T], to: &mut [T]) {
    let half = from.len() / 2;
    let (a, b) = to.split_at_mut(half);
    let ((a, b), (c, d)) = (a.split_at_mut(half / 2), b.split_at_mut(half / 2));
    for ((((from, a), b), c), d) in from.as_chunks().0.iter().zip(a).zip(b).zip(c).zip(d) {
        [*a, *b, *c, *d] = *from;
    }
}
