//! Where a thing is going: one coordinate at constant velocity.

/// Standard deviation of a detected edge, as a part of the thing's size (DeepSORT, arXiv:1703.07402:
/// 1/20 of the height).
const MEASURED: f32 = 0.05;
/// How fast the velocity wanders: its variance grows by this every second, in sizes squared a second
/// squared. DeepSORT's 1/160 of the height a frame comes to 1.05 at 30 frames a second; half of that loses
/// fewer people who pass each other (`tests/walks`), and lets somebody stop within a second.
const WANDER: f32 = 0.5;
/// Standard deviation of the velocity of a thing seen once, in sizes a second: a person walks two to four
/// widths a second.
const FIRST_VELOCITY: f32 = 2.0;

/// A Kalman filter for one coordinate, state position and velocity, with white-noise acceleration
/// (Bar-Shalom, Li, Kirubarajan 2001, section 6.2.2). The coordinates of a box are taken as independent,
/// as in SORT.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) position: f32,
    /// A second.
    pub(super) velocity: f32,
    /// Variance of the position, covariance, variance of the velocity.
    pp: f32,
    pv: f32,
    vv: f32,
}

impl Axis {
    /// A thing of that size seen once.
    pub(super) fn begin(position: f32, size: f32) -> Axis {
        let (p, v) = (MEASURED * size, FIRST_VELOCITY * size);
        Axis { position, velocity: 0.0, pp: p * p, pv: 0.0, vv: v * v }
    }

    /// Lets `seconds` pass.
    pub(super) fn advance(&mut self, seconds: f32, size: f32) {
        let (dt, q) = (seconds, WANDER * size * size);
        self.position += self.velocity * dt;
        self.pp += dt * (2.0 * self.pv + dt * (self.vv + q * dt / 3.0));
        self.pv += dt * (self.vv + q * dt / 2.0);
        self.vv += q * dt;
    }

    /// Takes a measured position.
    pub(super) fn correct(&mut self, measured: f32, size: f32) {
        let variance = self.pp + (MEASURED * size) * (MEASURED * size);
        let (kp, kv) = (self.pp / variance, self.pv / variance);
        let off = measured - self.position;
        self.position += kp * off;
        self.velocity += kv * off;
        self.vv -= kv * self.pv;
        self.pv *= 1.0 - kp;
        self.pp *= 1.0 - kp;
    }

    /// Standard deviation of where the next measurement falls around `position`.
    pub(super) fn spread(&self, size: f32) -> f32 {
        (self.pp + (MEASURED * size) * (MEASURED * size)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_walk_is_foretold_at_any_frame_rate() {
        for fps in [5.0_f32, 12.5, 30.0] {
            let mut axis = Axis::begin(0.2, 0.1);
            for frame in 1..(2.0 * fps) as i32 {
                axis.advance(1.0 / fps, 0.1);
                axis.correct(0.2 + 0.1 * frame as f32 / fps, 0.1);
            }
            assert!((axis.velocity - 0.1).abs() < 0.005, "{} at {fps}", axis.velocity);
            let seen = axis.position;
            axis.advance(1.0, 0.1);
            assert!((axis.position - seen - 0.1).abs() < 0.005);
        }
    }

    #[test]
    fn many_short_steps_spread_as_one_long_one() {
        let mut once = Axis::begin(0.0, 1.0);
        let mut often = once;
        once.advance(1.0, 1.0);
        for _ in 0..100 {
            often.advance(0.01, 1.0);
        }
        assert!((once.spread(1.0) - often.spread(1.0)).abs() < 1e-3);
    }
}
