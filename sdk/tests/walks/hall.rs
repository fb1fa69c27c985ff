//! A hall with people who walk through it.

use transom_sdk::line::Line;
use transom_sdk::{Point, Region};

use crate::counter::{Count, Counter};
use crate::detector::{Body, Detector, Random};

/// How far down the picture the line is; it is level.
const LINE: f32 = 0.6;

/// The line to cross.
pub(crate) fn line() -> Line {
    Line { a: Point { x: 0.0, y: LINE }, b: Point { x: 1.0, y: LINE } }
}

/// Counts the walkers until the last has left.
pub(crate) fn count(walkers: &[Walker], mut detector: Detector) -> Count {
    let mut counter = Counter::new(line());
    let end_s = walkers.iter().map(|w| w.starts_s + w.takes_s).fold(0.0, f32::max);
    let mut time_us = 0;
    while time_us < (1e6 * end_s) as i64 {
        counter.look(time_us, &detector.find(&bodies(walkers, time_us as f32 / 1e6)));
        time_us += detector.next_frame_us();
    }
    counter.count()
}

/// What should be counted.
pub(crate) fn truth(walkers: &[Walker]) -> Count {
    let crossing = |w: &&Walker| (w.from.y < LINE) != (w.to.y < LINE);
    let entered = walkers.iter().filter(crossing).filter(|w| w.to.y > LINE).count() as u32;
    let crossed = walkers.iter().filter(crossing).count() as u32;
    Count { people: walkers.len() as u32, entered, left: crossed - entered }
}

/// Somebody who walks from one place to another; places are those of the feet.
#[derive(Debug, Clone)]
pub(crate) struct Walker {
    pub(crate) from: Point,
    pub(crate) to: Point,
    pub(crate) starts_s: f32,
    pub(crate) takes_s: f32,
}

/// Height of somebody whose feet are there: larger nearer to the camera, as in a hall.
fn height(foot: Point) -> f32 {
    0.12 + 0.35 * foot.y
}

/// Widths are fractions of the picture's width: a 16:9 picture, a person 0.4 as wide as high.
const WIDTH: f32 = 0.4 * 9.0 / 16.0;

impl Walker {
    /// From one side of the picture to the other, in either direction, at 0.7 ..= 2.0 m/s.
    pub(crate) fn through(random: &mut Random, starts_s: f32) -> Walker {
        let mut from = Point { x: -0.05, y: random.between(0.45, 0.95) };
        let mut to = Point { x: 1.05, y: random.between(0.45, 0.95) };
        for y in [&mut from.y, &mut to.y] {
            if (*y - LINE).abs() < 0.1 {
                *y += 0.15; // neither along the line nor over it at the edge of the picture
            }
        }
        if random.unit() < 0.5 {
            std::mem::swap(&mut from, &mut to);
        }
        // A person is 1.7 m high; so is the way measured.
        let metre = (height(from) + height(to)) / 2.0 / 1.7 * 9.0 / 16.0;
        Walker { from, to, starts_s, takes_s: 1.1 / metre / random.between(0.7, 2.0) }
    }

    fn at(&self, seconds: f32) -> Option<Region> {
        let part = (seconds - self.starts_s) / self.takes_s;
        if !(0.0..=1.0).contains(&part) {
            return None;
        }
        let foot = Point {
            x: self.from.x + part * (self.to.x - self.from.x),
            y: self.from.y + part * (self.to.y - self.from.y),
        };
        let h = height(foot);
        Some(Region { l: foot.x - WIDTH * h / 2.0, t: foot.y - h, w: WIDTH * h, h })
    }
}

/// Who is in the picture, and how much of them whoever is nearer leaves to be seen.
fn bodies(walkers: &[Walker], seconds: f32) -> Vec<Body> {
    let whole: Vec<Region> = walkers.iter().filter_map(|w| w.at(seconds)).collect();
    let seen = |body: &Region| {
        let region = cut(body)?;
        let nearer = whole.iter().filter(|other| other.bottom() > body.bottom());
        let hidden = nearer.map(|other| covered(&region, other)).fold(0.0, f32::max);
        let inside = region.w * region.h / (body.w * body.h);
        Some(Body { region, visible: inside * (1.0 - hidden) })
    };
    whole.iter().filter_map(seen).collect()
}

/// The part inside the picture.
fn cut(body: &Region) -> Option<Region> {
    let (l, t) = (body.l.max(0.0), body.t.max(0.0));
    let region = Region { l, t, w: body.right().min(1.0) - l, h: body.bottom().min(1.0) - t };
    region.is_valid().then_some(region)
}

fn covered(body: &Region, by: &Region) -> f32 {
    let w = (body.right().min(by.right()) - body.l.max(by.l)).max(0.0);
    let h = (body.bottom().min(by.bottom()) - body.t.max(by.t)).max(0.0);
    w * h / (body.w * body.h)
}
