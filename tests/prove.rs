//! The proof an owner can run: every attack of the hostile suite is stopped.

use crate::support::{file, finish, summary, ungranted, wait};

#[test]
fn every_attack_of_the_suite_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("prove.json");
    // No repository, no home, no toolchain: nothing but the binary.
    let mut command = ungranted(["prove", "--report"]);
    command.arg(&report).current_dir(folder.path()).env_clear();
    let done = wait(command.spawn().unwrap(), std::time::Duration::from_secs(1800));
    assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
    let report = summary(&report);
    let attacks = report["attacks"].as_array().unwrap();
    let files = std::fs::read_dir(file("tests/hostile")).unwrap().count();
    assert_eq!(attacks.len(), files);
    assert!(files >= 100, "{files}");
    for attack in attacks {
        assert!(attack["escaped"].is_null(), "{attack:#}");
    }
    // The neighbour was there all the time. How fast it was is a figure, not a promise of this test.
    assert!(attacks.iter().all(|attack| attack["neighbour"]["frames"].as_u64().unwrap() > 0), "{report:#}");
}

#[test]
fn attacks_are_listed_and_chosen_by_name() {
    let done = finish(&mut ungranted(["prove", "--list"]));
    assert_eq!(done.stdout.lines().count(), std::fs::read_dir(file("tests/hostile")).unwrap().count());
    let done = finish(&mut ungranted(["prove", "trap-in-stop"]));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(done.stdout.contains("1 of 1 attacks stopped"), "{}", done.stdout);
    let done = finish(&mut ungranted(["prove", "no-such-attack"]));
    assert_eq!(done.code(), 2, "{}", done.stderr);
}
