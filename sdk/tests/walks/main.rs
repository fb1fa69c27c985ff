//! People who walk past a camera are counted, each once, at any frame rate: in a simulated hall, and by the
//! true boxes of the project's clip, with the errors of a detector.

mod clip;
mod counter;
mod detector;
mod hall;

use counter::Count;
use detector::{Detector, Random};
use hall::Walker;

const RATES: [f32; 5] = [5.0, 8.0, 12.5, 25.0, 30.0];

/// Walks ten people past a camera, one every `gap_s` seconds; gives what was counted and the truth.
fn walk(seed: u64, gap_s: f32, detector: Detector) -> (Count, Count) {
    let mut random = Random::new(seed);
    let walkers: Vec<Walker> =
        (0..10).map(|i| Walker::through(&mut random, 1.0 + gap_s * i as f32)).collect();
    (hall::count(&walkers, detector), hall::truth(&walkers))
}

fn sure(seed: u64, fps: f32) -> Detector {
    Detector { ghosts: 0.0, ..Detector::new(seed, fps) }
}

#[test]
fn people_one_after_another_are_counted_at_any_frame_rate() {
    for fps in RATES {
        for seed in 0..100 {
            let (counted, truth) = walk(seed, 16.0, sure(seed, fps));
            assert_eq!(counted, truth, "seed {seed} at {fps} frames a second");
        }
    }
}

#[test]
fn frames_that_come_unevenly_change_nothing() {
    for seed in 0..100 {
        let (counted, truth) = walk(seed, 16.0, Detector { uneven: 0.8, ..sure(seed, 10.0) });
        assert_eq!(counted, truth, "seed {seed}");
    }
}

/// Several at once, most of them meeting at one of two doors, with ghosts. What is lost is mostly somebody
/// who comes in hidden by somebody who goes out; no tracker of boxes alone can tell them apart.
#[test]
fn a_crowd_is_counted_nearly() {
    for fps in RATES {
        let (mut counted, mut truth) = (Count::default(), Count::default());
        for seed in 0..100 {
            let (one_counted, one_truth) = walk(seed, 3.0, Detector::new(seed, fps));
            counted = counted.plus(one_counted);
            truth = truth.plus(one_truth);
        }
        let near = |a: u32, b: u32| (f64::from(a) / f64::from(b) - 1.0).abs() < 0.05;
        assert!(near(counted.people, truth.people), "{counted:?}, not {truth:?}, at {fps} frames a second");
        assert!(near(counted.entered, truth.entered), "{counted:?}, not {truth:?}, at {fps} frames a second");
        assert!(near(counted.left, truth.left), "{counted:?}, not {truth:?}, at {fps} frames a second");
    }
}

#[test]
fn ghosts_in_an_empty_hall_are_nobody() {
    for fps in RATES {
        for seed in 0..20 {
            let mut detector = Detector { ghosts: 0.03, ..Detector::new(seed, fps) };
            let mut counter = counter::Counter::new(hall::line());
            for frame in 0..1_000 {
                counter.look((frame as f32 / fps * 1e6) as i64, &detector.find(&[]));
            }
            assert_eq!(counter.count(), Count::default(), "seed {seed} at {fps} frames a second");
        }
    }
}

/// 18 people, several at once, through a door and over every edge of the picture. Boxes that tremble may leave
/// one of them uncounted, but nobody crosses unseen.
#[test]
fn the_people_of_the_clip_are_counted() {
    for step in [1, 2, 3] {
        for seed in 0..20 {
            let detector = sure(seed, 25.0 / step as f32);
            let (counted, truth) = clip::count(step, detector);
            let (entered, left) = (counted.entered, counted.left);
            assert_eq!((entered, left), (truth.entered, truth.left), "seed {seed}, every frame of {step}");
            assert!(
                counted.people.abs_diff(truth.people) <= 1,
                "seed {seed}, every frame of {step}: {counted:?}"
            );
        }
    }
}
