//! Ways to break the rewrite, for the tests that show what each part of it is for. Outside of tests nothing
//! is ever broken.

/// A part of the rewrite that a test can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(test), allow(dead_code, reason = "only tests break things"))]
pub(in super::super) enum Fault {
    /// Convolutions keep having no bias.
    Bias,
    /// 3x3 convolutions keep their `auto_pad` and pads.
    MatrixPads,
    /// `Concat` is taken to join along the first axis.
    ConcatAxis,
    /// `Pad` keeps its pads behind.
    PadEnds,
    /// Weights of a matrix product are not turned.
    GemmTurn,
    /// Bounds of `Clip` are given as they are.
    ClipBounds,
    /// `auto_pad` is taken for none.
    AutoPad,
    /// What is before the axis of an old `Softmax` is not taken together.
    SoftmaxAxis,
    /// Nearest neighbours are taken as wonnx takes them.
    NearestMap,
    /// Constants are not filled up to whole vectors.
    Fill,
    /// Writing beyond the end is allowed.
    Reach,
    /// Nothing is folded into convolutions: slower, not wrong.
    Fold,
    /// Slices are refused.
    Slice,
    /// `LeakyRelu` may follow a convolution directly.
    LeakyApart,
    /// `Softplus` is left to wonnx.
    Softplus,
    /// Loops may be as long as they come.
    Rounds,
}

/// What is broken: nothing, outside of tests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    #[cfg(test)]
    pub(super) one: Option<Fault>,
}

impl Faults {
    #[cfg(test)]
    pub(super) fn broken(self, fault: Fault) -> bool {
        self.one == Some(fault)
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "the same call in tests and outside")]
    pub(super) fn broken(self, _: Fault) -> bool {
        false
    }
}
