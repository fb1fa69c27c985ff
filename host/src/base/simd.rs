//! Plain loops, compiled for the widest vectors of the CPU they meet.

use rten_simd::{Isa, SimdOp};

/// Runs `work` compiled for AVX-512, AVX2 or the baseline, whichever this CPU has: a release build is for
/// the oldest CPU of its architecture, and its loops would be two to eight times slower than need be.
///
/// The closure must be `#[inline(always)]`, and so must what it calls: only code that lands in this
/// function's copies is compiled for them. Costs a few nanoseconds a call; give it a row, not a pixel.
#[inline]
pub fn widest<T>(work: impl FnOnce() -> T) -> T {
    Widest(work).dispatch()
}

struct Widest<F>(F);

impl<T, F: FnOnce() -> T> SimdOp for Widest<F> {
    type Output = T;

    #[inline(always)]
    fn eval<I: Isa>(self, _isa: I) -> T {
        (self.0)()
    }
}
