//! Convolutions that rten is slow at, and max pooling: each output is made of a small window of few input
//! channels, so there is no matrix to multiply.
//!
//! rten 0.27 runs depthwise convolutions one scalar at a time: 12 of FastestDet's 17 ms. Here the input is
//! padded once and, for a stride of s, split into s x s phases, after which every tap of the window is one
//! long run of neighbours, whatever the stride, and runs become vector instructions.

use std::cell::RefCell;
use std::collections::HashMap;

use rten_onnx::onnx::{AttributeProto, DataType, NodeProto, TensorProto};
use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use crate::base::widest;

/// Input channels up to which a convolution of all of them counts as few: the first layer of a network.
const FEW_CHANNELS: usize = 4;

/// Outputs computed at a time, so that what they read stays in the first-level cache.
const RUN: usize = 1024;

/// Outputs computed past the end of a run rather than one by one: four vectors of the widest kind.
const PAST: usize = 64;

/// A convolution or max pooling over two axes.
pub(super) struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Top, left, bottom, right.
    pads: [usize; 4],
    work: Work,
    /// Whether what is negative becomes 0, which is the node behind many convolutions.
    relu: bool,
}

enum Work {
    /// Weights are outputs x inputs a group x kernel.
    Conv {
        weights: Vec<f32>,
        bias: Vec<f32>,
        groups: usize,
    },
    Max,
}

impl Window {
    /// A node that is better run here than by rten; none for all others, and for what is not understood.
    pub(super) fn of(node: &NodeProto, constants: &HashMap<&str, &TensorProto>) -> Option<Window> {
        let ints = |name: &str| Some(&attribute(node, name)?.ints[..]);
        let pair = |name: &str| match ints(name) {
            None | Some([]) => Some([1, 1]),
            Some(&[a, b]) => Some([usize::try_from(a).ok()?, usize::try_from(b).ok()?]),
            Some(_) => None,
        };
        if node.domain.as_deref().is_some_and(|domain| !domain.is_empty())
            || attribute(node, "auto_pad").is_some_and(|auto| auto.s.as_deref() != Some("NOTSET"))
            || attribute(node, "ceil_mode").is_some_and(|ceil| ceil.i.unwrap_or(0) != 0)
            || pair("dilations")? != [1, 1]
            || node.output.iter().filter(|name| !name.is_empty()).count() != 1
        {
            return None;
        }
        let stride = pair("strides")?;
        let pads = match ints("pads") {
            None | Some([]) => [0; 4],
            Some(&[t, l, b, r]) => {
                let pad = |pad: i64| usize::try_from(pad).ok().filter(|pad| *pad < 64);
                [pad(t)?, pad(l)?, pad(b)?, pad(r)?]
            }
            Some(_) => return None,
        };
        let (kernel, work) = match node.op_type.as_deref()? {
            "MaxPool" => (pair("kernel_shape")?, Work::Max),
            "Conv" => conv(node, constants)?,
            _ => return None,
        };
        let small = |side: usize| (1..=16).contains(&side);
        // Where padding reaches over the window, a maximum may have nothing to be of.
        let within = pads[0].max(pads[2]) < kernel[0] && pads[1].max(pads[3]) < kernel[1];
        let good = kernel.into_iter().chain(stride).all(small) && within;
        good.then_some(Window { kernel, stride, pads, work, relu: false })
    }

    /// Takes the `Relu` behind it into its own work.
    pub(super) fn with_relu(&mut self) {
        self.relu = true;
    }

    /// Runs over a contiguous NCHW tensor, into memory of an earlier run if there is any. `None` where the
    /// shape does not suit.
    pub(super) fn run(
        &self,
        shape: &[usize],
        input: &[f32],
        mut output: Vec<f32>,
    ) -> Option<(Vec<usize>, Vec<f32>)> {
        let &[1, channels, height, width] = shape else { return None };
        let [kernel_h, kernel_w] = self.kernel;
        let [top, left, bottom, right] = self.pads;
        let outputs =
            |size: usize, kernel: usize, stride: usize| Some(size.checked_sub(kernel)? / stride + 1);
        let rows = outputs(height + top + bottom, kernel_h, self.stride[0])?;
        let columns = outputs(width + left + right, kernel_w, self.stride[1])?;
        let (made, groups, pad) = match &self.work {
            Work::Max => (channels, channels, f32::NEG_INFINITY),
            Work::Conv { bias, groups, weights } => {
                let per_group = weights.len() / (bias.len() * kernel_h * kernel_w);
                if channels != groups * per_group {
                    return None;
                }
                (bias.len(), *groups, 0.0)
            }
        };
        let phases = Phases::new(self, [rows, columns]);
        let (taken, given) = (channels / groups, made / groups);
        let taps = phases.taps(taken, self);
        output.resize(made * rows * columns, 0.0);
        SPLIT.with_borrow_mut(|split| {
            split.clear();
            split.resize(taken * phases.size() + PAST, 0.0);
            for group in 0..groups {
                for channel in 0..taken {
                    let from = &input[(group * taken + channel) * height * width..][..height * width];
                    let to = &mut split[channel * phases.size()..][..phases.size()];
                    phases.fill(to, from, [height, width], [top, left], pad);
                }
                let output = &mut output[group * given * rows * columns..][..given * rows * columns];
                Group { window: self, phases: &phases, taps: &taps, split, output, first: group * given }
                    .dispatch();
            }
        });
        Some((vec![1, made, rows, columns], output))
    }
}

thread_local! {
    /// The input in phases; made anew by every run, kept by each lane.
    static SPLIT: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// The output channels, `first` and those behind it, that share the inputs `split`.
struct Group<'a> {
    window: &'a Window,
    phases: &'a Phases,
    taps: &'a [usize],
    split: &'a [f32],
    output: &'a mut [f32],
    first: usize,
}

impl SimdOp for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Group { window, phases, taps, split, output, first } = self;
        let [rows, columns] = phases.made;
        let step = (RUN / phases.columns).max(1);
        let mut run = vec![0.0; step * phases.columns + PAST];
        for y in (0..rows).step_by(step) {
            let count = step.min(rows - y);
            let length = (count - 1) * phases.columns + columns;
            let from = &split[y * phases.columns..];
            for (channel, output) in output.chunks_exact_mut(rows * columns).enumerate() {
                match &window.work {
                    Work::Max => highest(isa, &mut run, length, from, taps, window.relu),
                    Work::Conv { weights, bias, .. } => {
                        let channel = first + channel;
                        let weights = &weights[channel * taps.len()..][..taps.len()];
                        weigh(isa, &mut run, length, from, taps, weights, bias[channel], window.relu);
                    }
                }
                let made = run.chunks(phases.columns);
                for (to, made) in output[y * columns..][..count * columns].chunks_exact_mut(columns).zip(made)
                {
                    to.copy_from_slice(&made[..columns]);
                }
            }
        }
    }
}

/// Fills `length` of `run` with `bias` and what the taps find times their weights. Four vectors at a time
/// stay in registers while all taps pass.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "one inner loop, called from one place")]
fn weigh<I: Isa>(
    isa: I,
    run: &mut [f32],
    length: usize,
    from: &[f32],
    taps: &[usize],
    weights: &[f32],
    bias: f32,
    relu: bool,
) {
    let ops = isa.f32();
    let lanes = ops.len();
    let floor = ops.splat(if relu { 0.0 } else { f32::NEG_INFINITY });
    for at in (0..length).step_by(4 * lanes) {
        let mut sums = [ops.splat(bias); 4];
        for (tap, weight) in taps.iter().zip(weights) {
            let samples = ops.load_many::<4>(&from[tap + at..]);
            let weight = ops.splat(*weight);
            for vector in 0..4 {
                sums[vector] = ops.mul_add(samples[vector], weight, sums[vector]);
            }
        }
        for (vector, sum) in sums.into_iter().enumerate() {
            ops.store(ops.max(sum, floor), &mut run[at + vector * lanes..]);
        }
    }
}

/// Fills `length` of `run` with the highest that the taps find.
#[inline(always)]
fn highest<I: Isa>(isa: I, run: &mut [f32], length: usize, from: &[f32], taps: &[usize], relu: bool) {
    let ops = isa.f32();
    let lanes = ops.len();
    for at in (0..length).step_by(4 * lanes) {
        let mut most = [ops.splat(if relu { 0.0 } else { f32::NEG_INFINITY }); 4];
        for tap in taps {
            let samples = ops.load_many::<4>(&from[tap + at..]);
            for vector in 0..4 {
                most[vector] = ops.max(samples[vector], most[vector]);
            }
        }
        for (vector, most) in most.into_iter().enumerate() {
            ops.store(most, &mut run[at + vector * lanes..]);
        }
    }
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))
}

fn conv(node: &NodeProto, constants: &HashMap<&str, &TensorProto>) -> Option<([usize; 2], Work)> {
    let floats = |index: usize| floats(constants.get(node.input.get(index)?.as_str())?);
    let (dims, weights) = floats(1)?;
    let &[made, per_group, kernel_h, kernel_w] = &dims[..] else { return None };
    let groups = attribute(node, "group").map_or(Some(1), |group| usize::try_from(group.i?).ok())?;
    let depthwise = per_group == 1 && groups == made;
    let first = groups == 1 && per_group <= FEW_CHANNELS && kernel_h * kernel_w > 1;
    if !(depthwise || first) || weights.is_empty() {
        return None;
    }
    let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
        None => vec![0.0; made],
        Some(_) => floats(2)?.1,
    };
    (bias.len() == made).then_some(([kernel_h, kernel_w], Work::Conv { weights, bias, groups }))
}

/// Sizes and values of a constant of 32-bit floats held in the model file.
fn floats(tensor: &TensorProto) -> Option<(Vec<usize>, Vec<f32>)> {
    if tensor.data_type != Some(DataType::FLOAT) || !tensor.external_data.is_empty() {
        return None;
    }
    let dims: Option<Vec<usize>> = tensor.dims.iter().map(|size| usize::try_from(*size).ok()).collect();
    let values = match &tensor.raw_data {
        Some(raw) => raw
            .borrow()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect(),
        None => tensor.float_data.clone(),
    };
    let dims = dims?;
    (dims.iter().try_fold(1_usize, |size, axis| size.checked_mul(*axis)) == Some(values.len()))
        .then_some((dims, values))
}

/// A padded channel split so that a tap's inputs for neighbouring outputs are neighbours: sample `y`, `x`
/// goes to place `y / stride`, `x / stride` of phase `y % stride`, `x % stride`.
struct Phases {
    stride: [usize; 2],
    rows: usize,
    columns: usize,
    /// Rows and columns of output.
    made: [usize; 2],
}

impl Phases {
    fn new(window: &Window, made: [usize; 2]) -> Self {
        let [rows, columns] = [0, 1].map(|axis| made[axis] + (window.kernel[axis] - 1) / window.stride[axis]);
        Phases { stride: window.stride, rows, columns, made }
    }

    /// Samples of all phases of a channel.
    fn size(&self) -> usize {
        self.stride[0] * self.stride[1] * self.rows * self.columns
    }

    /// Where in `channels` channels each weight finds the sample for the first output.
    fn taps(&self, channels: usize, window: &Window) -> Vec<usize> {
        let mut taps = Vec::with_capacity(channels * window.kernel[0] * window.kernel[1]);
        for channel in 0..channels {
            for y in 0..window.kernel[0] {
                for x in 0..window.kernel[1] {
                    let phase = y % self.stride[0] * self.stride[1] + x % self.stride[1];
                    let place = y / self.stride[0] * self.columns + x / self.stride[1];
                    taps.push(channel * self.size() + phase * self.rows * self.columns + place);
                }
            }
        }
        taps
    }

    fn fill(&self, to: &mut [f32], from: &[f32], size: [usize; 2], before: [usize; 2], pad: f32) {
        let [height, width] = size;
        widest(
            #[inline(always)]
            || {
                for (phase, plane) in to.chunks_exact_mut(self.rows * self.columns).enumerate() {
                    let (phase_y, phase_x) = (phase / self.stride[1], phase % self.stride[1]);
                    // First place whose sample is no padding, and the column of that sample.
                    let first = before[1].saturating_sub(phase_x).div_ceil(self.stride[1]).min(self.columns);
                    let column =
                        first * self.stride[1] + phase_x - before[1].min(first * self.stride[1] + phase_x);
                    for (place, row) in plane.chunks_exact_mut(self.columns).enumerate() {
                        let y = (place * self.stride[0] + phase_y).wrapping_sub(before[0]);
                        if y >= height {
                            row.fill(pad);
                            continue;
                        }
                        row[..first].fill(pad);
                        let samples = from[y * width..][..width].get(column..).unwrap_or_default();
                        let row = &mut row[first..];
                        let count = samples.len().div_ceil(self.stride[1]).min(row.len());
                        match self.stride[1] {
                            1 => row[..count].copy_from_slice(&samples[..count]),
                            2 => {
                                // Written as pairs, so that it becomes vector instructions.
                                for (to, pair) in row.iter_mut().zip(samples.chunks_exact(2)) {
                                    *to = pair[0];
                                }
                                if samples.len() % 2 == 1 && count == samples.len().div_ceil(2) {
                                    row[count - 1] = samples[samples.len() - 1];
                                }
                            }
                            stride => {
                                for (to, sample) in row.iter_mut().zip(samples.iter().step_by(stride)) {
                                    *to = *sample;
                                }
                            }
                        }
                        row[count..].fill(pad);
                    }
                }
            },
        );
    }
}
