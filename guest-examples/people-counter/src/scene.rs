//! What one camera sees: who is followed, who was counted, who went over the line.

use transom_sdk::line::{Crossings, Direction, Line};
use transom_sdk::tracker::{Settings, Track, Tracker};
use transom_sdk::{Color, Detection, Event, Point, marks, metrics};

#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) people: u32,
    pub(crate) entered: u32,
    pub(crate) left: u32,
}

impl Totals {
    pub(crate) fn plus(self, other: Totals) -> Totals {
        Totals {
            people: self.people + other.people,
            entered: self.entered + other.entered,
            left: self.left + other.left,
        }
    }
}

pub(crate) struct Scene {
    tracker: Tracker,
    crossings: Crossings,
    totals: Totals,
}

impl Scene {
    pub(crate) fn new(threshold: f32, line: Line) -> Scene {
        let settings = Settings { high_score: threshold, ..Settings::default() };
        Scene { tracker: Tracker::new(settings), crossings: Crossings::new(line), totals: Totals::default() }
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// Takes the people found in a frame; counts, publishes and draws.
    pub(crate) fn look(&mut self, time_us: i64, people: &[Detection]) -> Result<(), String> {
        let Scene { tracker, crossings, totals } = self;
        tracker.update(time_us, people);
        for &track in tracker.ended() {
            crossings.forget(track);
        }
        for track in tracker.tracks().iter().filter(|track| track.is_seen()) {
            if track.is_new() {
                totals.people += 1;
                metrics::add("people", 1.0);
                // Somebody may go over the line before being confirmed: start where they came from.
                crossings.update(track.id(), track.first());
                person_counted(track, totals)?;
            }
            if let Some(direction) = crossings.update(track.id(), track.region()) {
                match direction {
                    Direction::In => totals.entered += 1,
                    Direction::Out => totals.left += 1,
                }
                metrics::add(direction.as_str(), 1.0);
                line_crossed(track, direction, totals)?;
            }
        }
        if marks::watched() {
            self.draw();
        }
        Ok(())
    }

    fn draw(&self) {
        let Totals { people, entered, left } = self.totals;
        for track in self.tracker.tracks().iter().filter(|track| track.is_seen()) {
            marks::rectangle(track.region(), &track.id().to_string(), Color::of(track.id()));
        }
        let Line { a, b } = self.crossings.line();
        marks::line(a, b, Color::WHITE);
        marks::label(beside(a, b, 1.0), &format!("in {entered}"), Color::WHITE);
        marks::label(beside(a, b, -1.0), &format!("out {left}"), Color::WHITE);
        marks::label(Point { x: 0.02, y: 0.02 }, &format!("people {people}"), Color::WHITE);
    }
}

/// Where a short label stands beside the middle of the arrow from `a` to `b`: on its right-hand side, where
/// `in` leads to, or with -1.0 for `side` on its left.
fn beside(a: Point, b: Point, side: f32) -> Point {
    /// Half of what a short label takes of the picture, about.
    const HALF: Point = Point { x: 0.03, y: 0.025 };
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let away = side * 0.045 / dx.hypot(dy).max(f32::EPSILON);
    Point { x: (a.x + b.x) / 2.0 - dy * away - HALF.x, y: (a.y + b.y) / 2.0 + dx * away - HALF.y }
}

fn person_counted(track: &Track, totals: &Totals) -> Result<(), String> {
    Event::new("person-counted")
        .number("total", totals.people)
        .number("track", track.id())
        .detection("person", &track.detection(), Some(track.id()))
        .publish()?;
    Ok(())
}

fn line_crossed(track: &Track, direction: Direction, totals: &Totals) -> Result<(), String> {
    Event::new("line-crossed")
        .text("direction", direction.as_str())
        .number("in", totals.entered)
        .number("out", totals.left)
        .number("track", track.id())
        .detection("person", &track.detection(), Some(track.id()))
        .publish()?;
    Ok(())
}
