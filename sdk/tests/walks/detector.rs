//! A detector that errs.

use transom_sdk::{Detection, Point, Region};

/// A small generator (Knuth's MMIX constants), so that a failing seed fails everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
        random.unit();
        random
    }

    /// 0.0 ..< 1.0.
    pub(crate) fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Mean 0, standard deviation 1 (sum of twelve).
    pub(crate) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

/// Somebody in the picture as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    /// The part inside the picture.
    pub(crate) region: Region,
    /// How much of the body is neither hidden nor outside, 0.0 ..= 1.0.
    pub(crate) visible: f32,
}

/// What a detector gets wrong.
pub(crate) struct Detector {
    pub(crate) random: Random,
    pub(crate) fps: f32,
    /// Standard deviation of every edge, as a part of the size.
    pub(crate) tremble: f32,
    /// How often somebody in plain sight is not found.
    pub(crate) missed: f32,
    /// How often a frame holds a thing that is none.
    pub(crate) ghosts: f32,
    /// How unevenly frames come, as a part of the time between them.
    pub(crate) uneven: f32,
}

impl Detector {
    pub(crate) fn new(seed: u64, fps: f32) -> Detector {
        let random = Random::new(seed + 1_000);
        Detector { random, fps, tremble: 0.03, missed: 0.05, ghosts: 0.01, uneven: 0.0 }
    }

    pub(crate) fn next_frame_us(&mut self) -> i64 {
        let off = self.uneven * self.random.between(-1.0, 1.0);
        (1e6 / self.fps * (1.0 + off)) as i64
    }

    /// What is found: with a low score whoever is half hidden, and not at all whom 80 % is hidden of.
    pub(crate) fn find(&mut self, bodies: &[Body]) -> Vec<Detection> {
        let mut found = Vec::new();
        for body in bodies {
            if body.visible < 0.2 || self.random.unit() < self.missed {
                continue;
            }
            let score = match body.visible {
                v if v < 0.5 => self.random.between(0.15, 0.45),
                _ => self.random.between(0.55, 0.95),
            };
            found.push(Detection { label: 0, score, region: self.trembled(body.region) });
        }
        if self.random.unit() < self.ghosts {
            let centre = Point { x: self.random.between(0.1, 0.9), y: self.random.between(0.3, 0.7) };
            let h = self.random.between(0.15, 0.4);
            found.push(Detection { label: 0, score: 0.6, region: Region::around(centre, 0.2 * h, h) });
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found
    }

    /// Edges at the edge of the picture do not tremble: the detector's boxes are cut there.
    fn trembled(&mut self, body: Region) -> Region {
        let mut off = |at: f32, size: f32| {
            let by = self.tremble * size * self.random.normal();
            if at <= 0.0 || at >= 1.0 { at } else { (at + by).clamp(0.0, 1.0) }
        };
        let (l, t) = (off(body.l, body.w), off(body.t, body.h));
        let (r, b) = (off(body.right(), body.w), off(body.bottom(), body.h));
        Region { l, t, w: (r - l).max(0.001), h: (b - t).max(0.001) }
    }
}
