use super::*;
use crate::{Point, Region};

fn found(x: f32, y: f32, score: f32) -> Detection {
    Detection { label: 0, score, region: Region::around(Point { x, y }, 0.06, 0.3) }
}

/// Frames 100 ms apart, one list of detections each.
fn follow(tracker: &mut Tracker, frames: impl IntoIterator<Item = Vec<Detection>>) {
    for detections in frames {
        let time_us = tracker.time_us.map_or(0, |before| before + 100_000);
        tracker.update(time_us, &detections);
    }
}

fn standing(frames: usize, score: f32) -> Vec<Vec<Detection>> {
    vec![vec![found(0.5, 0.5, score)]; frames]
}

#[test]
fn a_track_is_confirmed_by_hits_and_time() {
    let mut tracker = Tracker::new(Settings::default());
    follow(&mut tracker, standing(2, 0.8));
    assert!(tracker.tracks().is_empty());
    follow(&mut tracker, standing(1, 0.8));
    assert!(tracker.tracks()[0].is_new());
    assert_eq!((tracker.tracks()[0].id(), tracker.tracks()[0].born_us()), (1, 0));
    follow(&mut tracker, standing(1, 0.8));
    assert!(!tracker.tracks()[0].is_new());
}

#[test]
fn weak_detections_keep_a_track_and_never_begin_one() {
    let mut tracker = Tracker::new(Settings::default());
    follow(&mut tracker, standing(50, 0.3));
    assert_eq!(tracker.total(), 0);
    follow(&mut tracker, standing(5, 0.8));
    follow(&mut tracker, standing(100, 0.3));
    assert!(tracker.tracks()[0].is_seen());
    assert_eq!(tracker.total(), 1);
}

#[test]
fn a_walker_hidden_for_a_second_and_a_half_keeps_the_number() {
    let mut tracker = Tracker::new(Settings::default());
    let walk = |frame: usize| vec![found(0.2 + 0.012 * frame as f32, 0.5, 0.8)];
    follow(&mut tracker, (0..20).map(walk));
    follow(&mut tracker, vec![Vec::new(); 15]);
    assert!(!tracker.tracks()[0].is_seen());
    follow(&mut tracker, (35..45).map(walk));
    assert_eq!(tracker.total(), 1);
    assert!(tracker.tracks()[0].is_seen());
}

#[test]
fn a_thing_gone_for_longer_is_another_one_when_it_comes_back() {
    let mut tracker = Tracker::new(Settings::default());
    follow(&mut tracker, standing(5, 0.8));
    follow(&mut tracker, vec![Vec::new(); 21]);
    assert_eq!(tracker.ended(), [1]);
    assert!(tracker.tracks().is_empty());
    follow(&mut tracker, standing(5, 0.8));
    assert_eq!(tracker.tracks()[0].id(), 2);
}

#[test]
fn two_who_pass_each_other_keep_their_numbers() {
    let mut tracker = Tracker::new(Settings::default());
    let pass = |frame: usize| {
        let way = 0.015 * frame as f32;
        vec![found(0.2 + way, 0.5, 0.8), found(0.8 - way, 0.52, 0.8)]
    };
    follow(&mut tracker, (0..40).map(pass));
    let at = |id: u32| tracker.tracks().iter().find(|track| track.id() == id).unwrap().region().centre().x;
    assert_eq!(tracker.total(), 2);
    assert!(at(1) > 0.7 && at(2) < 0.3);
}

#[test]
fn whoever_comes_in_over_somebody_leaving_is_somebody_else() {
    let mut tracker = Tracker::new(Settings::default());
    let cut = |x: f32| {
        let Region { l, t, w, h } = Region::around(Point { x, y: 0.5 }, 0.06, 0.3);
        let region = Region { l: l.max(0.0), t, w: l + w - l.max(0.0), h };
        (region.w > 0.02).then_some(Detection { label: 0, score: 0.8, region })
    };
    follow(&mut tracker, (0..60).map(|frame| Vec::from_iter(cut(0.4 - 0.01 * frame as f32))));
    follow(&mut tracker, (0..40).map(|frame| Vec::from_iter(cut(-0.02 + 0.01 * frame as f32))));
    assert_eq!(tracker.total(), 2);
}

#[test]
fn a_second_box_around_the_same_thing_is_not_a_second_thing() {
    let mut tracker = Tracker::new(Settings::default());
    let double = vec![found(0.5, 0.5, 0.8), found(0.505, 0.51, 0.6)];
    follow(&mut tracker, vec![double; 20]);
    assert_eq!(tracker.total(), 1);
}

#[test]
fn things_of_different_labels_are_not_matched() {
    let mut tracker = Tracker::new(Settings::default());
    follow(&mut tracker, standing(5, 0.8));
    let car = Detection { label: 2, ..found(0.5, 0.5, 0.8) };
    follow(&mut tracker, vec![vec![car]; 5]);
    let labels: Vec<u32> = tracker.tracks().iter().map(Track::label).collect();
    assert_eq!(labels, [0, 2]);
}

#[test]
fn when_time_runs_backwards_following_starts_afresh() {
    let mut tracker = Tracker::new(Settings::default());
    follow(&mut tracker, standing(30, 0.8));
    tracker.update(0, &[found(0.5, 0.5, 0.8)]);
    assert_eq!(tracker.ended(), [1]);
    follow(&mut tracker, standing(5, 0.8));
    assert_eq!(tracker.tracks()[0].id(), 2);
}

#[test]
fn two_frames_of_the_same_time_end_nothing() {
    let mut tracker = Tracker::new(Settings::default());
    for time_us in [0, 100_000, 200_000, 300_000, 300_000, 250_000, 400_000] {
        tracker.update(time_us, &[found(0.5, 0.5, 0.8)]);
    }
    assert!(tracker.tracks()[0].is_seen());
    assert_eq!(tracker.total(), 1);
}

#[test]
fn tracks_are_bounded_and_odd_numbers_are_passed_over() {
    let mut tracker = Tracker::new(Settings { max_tracks: 10, ..Settings::default() });
    let mut many: Vec<Detection> = (0..1_000)
        .map(|i| Detection { label: i % 7, ..found((i % 50) as f32 / 50.0, (i / 50) as f32 / 20.0, 0.9) })
        .collect();
    many[0].region.l = f32::NAN;
    many[1].region.w = -1.0;
    many[2].score = f32::NAN;
    follow(&mut tracker, vec![many; 10]);
    assert_eq!(tracker.tracks.len(), 10);
    assert!(tracker.tracks().iter().all(|track| track.region().is_valid()));
}
