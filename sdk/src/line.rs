//! Counts who crosses a line, and which way.
//!
//! A line is the arrow from `a` to `b`. Going over it from its left-hand to its right-hand side, as seen on
//! the screen, is [`Direction::In`]; the other way is [`Direction::Out`]. So with `a` at the left and `b` at
//! the right edge of the picture, whoever comes down the picture goes in.

use std::collections::BTreeMap;

use crate::{Point, Region};

/// How far beyond the line a foot must be to count as over it, as a part of the box's height: about twice
/// what a detector's lower edges tremble by.
const MARGIN: f32 = 0.05;

/// Which way a line was crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the arrow's left-hand side to its right-hand side.
    In,
    /// From its right-hand side to its left-hand side.
    Out,
}

impl Direction {
    /// `in` or `out`.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// An arrow across the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Where it starts.
    pub a: Point,
    /// Where its head is.
    pub b: Point,
}

impl Line {
    /// Reads `ax,ay,bx,by` in fractions of the picture; the message says what is wrong with it.
    pub fn parse(text: &str) -> Result<Line, String> {
        let numbers: Vec<f32> = text
            .split(',')
            .map_while(|part| part.trim().parse().ok())
            .filter(|v: &f32| v.is_finite())
            .collect();
        let [ax, ay, bx, by] = numbers[..] else {
            return Err(format!(
                "line `{text}` is not four numbers; write it as `ax,ay,bx,by`, such as `0,0.5,1,0.5`"
            ));
        };
        if text.split(',').count() != 4 {
            return Err(format!("line `{text}` has more than four numbers; write it as `ax,ay,bx,by`"));
        }
        if (ax, ay) == (bx, by) {
            return Err(format!("line `{text}` has no length; its two points must differ"));
        }
        Ok(Line { a: Point { x: ax, y: ay }, b: Point { x: bx, y: by } })
    }

    /// Distance from the endless line through `a` and `b`: positive on the right-hand side.
    fn beyond(&self, p: Point) -> f32 {
        let (dx, dy) = (self.b.x - self.a.x, self.b.y - self.a.y);
        // y points down, so a positive cross product lies clockwise of the arrow: to its right.
        (dx * (p.y - self.a.y) - dy * (p.x - self.a.x)) / dx.hypot(dy)
    }

    /// Whether the step from `p` to `q`, which lie on different sides, goes over between `a` and `b`.
    fn is_between_ends(&self, p: Point, q: Point) -> bool {
        let (before, after) = (self.beyond(p), self.beyond(q));
        let part = before / (before - after);
        let at = Point { x: p.x + part * (q.x - p.x), y: p.y + part * (q.y - p.y) };
        let (dx, dy) = (self.b.x - self.a.x, self.b.y - self.a.y);
        let along = (dx * (at.x - self.a.x) + dy * (at.y - self.a.y)) / (dx * dx + dy * dy);
        (0.0..=1.0).contains(&along)
    }
}

/// What is remembered of a track.
#[derive(Debug, Clone, Copy)]
struct Walk {
    foot: Point,
    /// The side on which it was last clear of the margin: positive right, negative left, 0 not yet.
    side: i8,
    /// Whether its last step over the endless line went between the ends.
    between_ends: bool,
}

/// Watches tracks go over one line.
///
/// A crossing is counted when a foot (the middle of a box's lower edge) is clear of the line by a margin on
/// one side, having been clear of it on the other, and the last step over went between the line's ends. So
/// trembling on the line counts nothing, turning back on it counts nothing, and going round its end counts
/// nothing; in, out and in again counts three times.
#[derive(Debug, Clone)]
pub struct Crossings {
    line: Line,
    walks: BTreeMap<u32, Walk>,
}

impl Crossings {
    /// Watches a line.
    pub fn new(line: Line) -> Crossings {
        Crossings { line, walks: BTreeMap::new() }
    }

    /// The line.
    pub fn line(&self) -> Line {
        self.line
    }

    /// Takes where a track is now. Give it what was seen, and not what was foretold: a thing that is
    /// hidden has not crossed yet.
    pub fn update(&mut self, track: u32, region: Region) -> Option<Direction> {
        let foot = region.foot();
        let beyond = self.line.beyond(foot);
        let walk = self.walks.entry(track).or_insert(Walk { foot, side: 0, between_ends: false });
        if (self.line.beyond(walk.foot) < 0.0) != (beyond < 0.0) {
            walk.between_ends = self.line.is_between_ends(walk.foot, foot);
        }
        walk.foot = foot;
        let side = match beyond {
            d if d > MARGIN * region.h => 1,
            d if d < -MARGIN * region.h => -1,
            _ => return None,
        };
        let before = std::mem::replace(&mut walk.side, side);
        match (before, side) {
            (-1, 1) if walk.between_ends => Some(Direction::In),
            (1, -1) if walk.between_ends => Some(Direction::Out),
            _ => None,
        }
    }

    /// Forgets a track that ended.
    pub fn forget(&mut self, track: u32) {
        self.walks.remove(&track);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the left to the right edge at half height: down is in.
    fn level() -> Crossings {
        Crossings::new(Line::parse("0.2,0.5,0.8,0.5").unwrap())
    }

    /// A box 0.2 high whose foot is there: the margin is 0.01.
    fn at(x: f32, y: f32) -> Region {
        Region { l: x - 0.05, t: y - 0.2, w: 0.1, h: 0.2 }
    }

    fn walk(crossings: &mut Crossings, feet: &[(f32, f32)]) -> Vec<Direction> {
        feet.iter().filter_map(|&(x, y)| crossings.update(1, at(x, y))).collect()
    }

    #[test]
    fn left_to_right_of_the_arrow_is_in() {
        assert_eq!(walk(&mut level(), &[(0.5, 0.4), (0.5, 0.48), (0.5, 0.52)]), [Direction::In]);
        assert_eq!(walk(&mut level(), &[(0.5, 0.6), (0.5, 0.4)]), [Direction::Out]);
        // An arrow that points down the picture has its right-hand side at the picture's left.
        let mut down = Crossings::new(Line::parse("0.5,0,0.5,1").unwrap());
        assert_eq!(walk(&mut down, &[(0.6, 0.5), (0.4, 0.5)]), [Direction::In]);
    }

    #[test]
    fn trembling_on_the_line_counts_once_at_most() {
        let tremble = [(0.5, 0.495), (0.5, 0.504), (0.5, 0.497), (0.5, 0.506)];
        let mut feet = vec![(0.5, 0.45)];
        feet.extend(tremble);
        assert_eq!(walk(&mut level(), &feet), []);
        feet.push((0.5, 0.52));
        feet.extend(tremble);
        feet.push((0.5, 0.53));
        assert_eq!(walk(&mut level(), &feet), [Direction::In]);
    }

    #[test]
    fn turning_back_on_the_line_counts_nothing() {
        assert_eq!(walk(&mut level(), &[(0.5, 0.4), (0.5, 0.505), (0.5, 0.4)]), []);
    }

    #[test]
    fn every_true_change_of_sides_counts() {
        let feet = [(0.5, 0.4), (0.5, 0.6), (0.5, 0.4), (0.5, 0.6)];
        assert_eq!(walk(&mut level(), &feet), [Direction::In, Direction::Out, Direction::In]);
    }

    #[test]
    fn going_round_the_end_counts_nothing_and_coming_back_through_counts() {
        let mut crossings = level();
        assert_eq!(walk(&mut crossings, &[(0.5, 0.4), (0.9, 0.45), (0.9, 0.55), (0.5, 0.6)]), []);
        assert_eq!(walk(&mut crossings, &[(0.5, 0.4)]), [Direction::Out]);
    }

    #[test]
    fn a_step_over_a_slanting_line_is_judged_where_it_crosses() {
        let mut crossings = Crossings::new(Line::parse("0.2,0.2,0.6,0.6").unwrap());
        assert_eq!(walk(&mut crossings, &[(0.7, 0.3), (0.3, 0.7)]), [Direction::In]);
        assert_eq!(walk(&mut crossings, &[(0.6, 0.95), (0.95, 0.6)]), []);
    }

    #[test]
    fn a_track_that_begins_on_the_line_is_on_no_side_yet() {
        assert_eq!(walk(&mut level(), &[(0.5, 0.5), (0.5, 0.6)]), []);
    }

    #[test]
    fn tracks_are_told_apart_and_forgotten() {
        let mut crossings = level();
        assert_eq!(crossings.update(1, at(0.5, 0.4)), None);
        assert_eq!(crossings.update(2, at(0.5, 0.6)), None);
        crossings.forget(1);
        assert_eq!(crossings.update(1, at(0.5, 0.6)), None);
        assert_eq!(crossings.update(2, at(0.5, 0.4)), Some(Direction::Out));
    }

    #[test]
    fn a_line_that_cannot_be_read_says_how_to_write_one() {
        for bad in ["", "0,0.5,1", "0,0.5,1,x", "0,0.5,1,0.5,2", "0,0,0,0", "0,0.5,1,NaN"] {
            assert!(Line::parse(bad).unwrap_err().contains(&format!("`{bad}`")), "{bad}");
        }
        assert_eq!(Line::parse(" 0, .5 ,1,0.5").unwrap().a, Point { x: 0.0, y: 0.5 });
    }
}
