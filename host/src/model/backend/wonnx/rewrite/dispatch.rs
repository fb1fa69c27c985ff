//! How wonnx 0.5.1 spreads work over workgroups, and which shader it takes: what must be known of it to be
//! sure that a step is right. From its `compiler.rs`; `tests` holds these against what wonnx does.

use super::build::Window;

/// Workgroups along one direction; wonnx's `MAX_COMPUTE_WORKGROUPS_PER_DIMENSION`.
pub(super) const MOST_GROUPS: usize = 65535;
/// Buffers a shader may have: wgpu's default limit, which wonnx asks for.
pub(super) const MOST_BUFFERS: usize = 8;
/// Bytes of one buffer a shader may see: likewise.
pub(super) const MOST_BYTES: usize = 128 << 20;
/// Threads of one workgroup: likewise.
pub(super) const MOST_THREADS: usize = 256;
/// How often one thread goes round its loops, all together. Mesa's llvmpipe leaves a shader's loops without a
/// word after 65535 rounds (its `LP_MAX_TGSI_LOOP_ITERATIONS`); a card that gets no further for long is reset.
pub(super) const MOST_ROUNDS: usize = 65_000;
/// Places that one thread takes together, so that it is well within its rounds.
pub(super) const MOST_TOGETHER: usize = 16_384;

/// Threads of one workgroup for `items`, where the shader's workgroups are made as small as they can be.
pub(super) fn threads(items: usize) -> usize {
    if items > MOST_GROUPS { items.div_ceil(MOST_GROUPS) } else { 1 }
}

/// Threads that run for so many `items`.
pub(super) fn reached(items: usize) -> usize {
    let threads = threads(items);
    items.div_ceil(threads) * threads
}

/// Whether wonnx multiplies 3x3 matrices for this convolution.
pub(super) fn matrix_3(window: &Window, group: usize, outputs: usize) -> bool {
    window.kernel == [3, 3]
        && window.strides == [1, 1]
        && window.dilations == [1, 1]
        && group == 1
        && outputs.is_multiple_of(4)
}
