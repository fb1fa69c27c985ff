//! The main job: the shipped app on the shipped clip.

use crate::support::{file, finish, summary, transom};

#[test]
fn people_are_counted_as_many_as_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("summary.json");
    let done = finish(transom(["run"]).arg(file("manifests/people-counter")).arg("--summary").arg(&report));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let truth: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(file("tests/clips/entrance.json")).unwrap()).unwrap();
    let events = done.events();
    let last = events.iter().find(|event| event["name"] == "summary").expect("the app sums up");
    for count in ["people", "in", "out"] {
        assert_eq!(last["data"][count], truth[count], "{count}");
    }
    // Each crossing is told when it happens, not only summed up right.
    let crossings: Vec<_> = events.iter().filter(|event| event["name"] == "line-crossed").collect();
    let mut told: Vec<(f64, &str)> = crossings
        .iter()
        .map(|event| {
            (event["media_time_us"].as_f64().unwrap() / 1e6, event["data"]["direction"].as_str().unwrap())
        })
        .collect();
    for crossing in truth["crossings"].as_array().unwrap() {
        let (time, direction) =
            (crossing["time_s"].as_f64().unwrap(), crossing["direction"].as_str().unwrap());
        let at = told.iter().position(|(when, way)| *way == direction && (when - time).abs() < 1.0);
        let at = at.unwrap_or_else(|| panic!("{direction} at {time} s was not told; left are {told:?}"));
        told.remove(at);
    }
    let summary = summary(&report);
    assert_eq!(summary["frames"]["received"], truth["frames"]);
    assert_eq!(summary["plugins"][0]["faults"], serde_json::json!({}));
    assert_eq!(summary["errors"], serde_json::json!([]));
}
