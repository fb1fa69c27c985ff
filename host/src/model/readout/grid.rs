//! Cells of feature maps: where each lies in the input.

use crate::base::{Error, Result};

/// A feature map: a cell for every so many pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    /// Pixels a cell, both ways.
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Cells of the levels before.
    pub(super) first: usize,
}

impl Level {
    pub(super) fn cells(&self) -> usize {
        self.rows * self.columns
    }
}

/// The levels of an input, a cell also for what is left at its edges.
pub(super) fn levels((width, height): (f32, f32), strides: &[usize]) -> Vec<Level> {
    let (width, height) = (width as usize, height as usize);
    let mut first = 0;
    let level = |stride: &usize| {
        let (rows, columns) = (height.div_ceil(*stride), width.div_ceil(*stride));
        let level = Level { stride: *stride, rows, columns, first };
        first += level.cells();
        level
    };
    strides.iter().map(level).collect()
}

/// Cells of all levels.
pub(super) fn cells(levels: &[Level]) -> usize {
    levels.iter().map(Level::cells).sum()
}

/// The levels whose cells are `count` together: those of `strides` where `model.toml` says them, else the
/// first of `usual` that fits. `what` is the output, for what is wrong.
pub(super) fn matching(
    input: (f32, f32),
    strides: Option<&[usize]>,
    usual: &[&[usize]],
    count: usize,
    what: &str,
) -> Result<Vec<Level>> {
    let tried: Vec<&[usize]> = strides.map_or_else(|| usual.to_vec(), |strides| vec![strides]);
    for strides in &tried {
        let levels = levels(input, strides);
        if cells(&levels) == count {
            return Ok(levels);
        }
    }
    let counted: Vec<String> = tried
        .iter()
        .map(|strides| format!("{} for strides {strides:?}", cells(&levels(input, strides))))
        .collect();
    let (width, height) = input;
    Err(Error::model(format!(
        "{what}, which is {count} boxes, but an input of {width}x{height} pixels has {}; check `width`, `height` and `strides` in model.toml",
        counted.join(", ")
    )))
}

/// A box that others are measured from: centre and size, in fractions of the input.
pub(super) type Prior = [f32; 4];

/// A box for each anchor of each cell.
pub(super) fn priors((width, height): (f32, f32), levels: &[Level], anchors: &[Vec<[f32; 2]>]) -> Vec<Prior> {
    let mut priors = Vec::new();
    for (level, anchors) in levels.iter().zip(anchors) {
        let stride = level.stride as f32;
        for cell in 0..level.cells() {
            let (row, column) = (cell / level.columns, cell % level.columns);
            let x = (column as f32 + 0.5) * stride / width;
            let y = (row as f32 + 0.5) * stride / height;
            priors.extend(anchors.iter().map(|[w, h]| [x, y, w / width, h / height]));
        }
    }
    priors
}

/// A box measured from a prior (Liu et al. 2016, SSD, section 2.2; variances as in weiliu89/caffe,
/// `DecodeBBox`): corners in fractions of the input.
pub(super) fn decoded(offsets: [f32; 4], prior: Prior, variances: [f32; 4]) -> [f32; 4] {
    let x = prior[0] + offsets[0] * variances[0] * prior[2];
    let y = prior[1] + offsets[1] * variances[1] * prior[3];
    let w = prior[2] * (offsets[2] * variances[2]).exp();
    let h = prior[3] * (offsets[3] * variances[3]).exp();
    super::nms::centred(x, y, w, h)
}
