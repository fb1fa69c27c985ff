use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Quota, Storage, StorageError};

const PLENTY: Quota = Quota { bytes: 64 << 20, entries: 100_000 };

type Model = BTreeMap<String, Vec<u8>>;

/// A state folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("transom-storage-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn plugin(&self) -> PathBuf {
        self.0.join("apps/people-counter/counter")
    }

    fn file(&self) -> PathBuf {
        self.plugin().join("storage.redb")
    }

    fn open(&self, quota: Quota) -> Storage {
        Storage::open(&self.plugin(), quota).unwrap()
    }

    fn refusal(&self) -> String {
        Storage::open(&self.plugin(), PLENTY).unwrap_err().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// xorshift64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    /// Below 2 to the power of `end`, the small ones as often as the large ones.
    fn size(&mut self, end: usize) -> usize {
        let bits = self.below(end);
        self.below(1 << bits)
    }
}

/// How often a test tries at random; more where the environment says so.
fn rounds(default: usize) -> usize {
    std::env::var("TRANSOM_STORAGE_ROUNDS").map_or(default, |rounds| rounds.parse().unwrap())
}

fn contents(storage: &Storage) -> Result<Model, StorageError> {
    let mut all = Model::new();
    for key in storage.list("", None, 1000)? {
        let value = storage.get(&key)?.unwrap();
        all.insert(key, value);
    }
    Ok(all)
}

fn bytes_of(model: &Model) -> u64 {
    model.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
}

#[expect(clippy::needless_pass_by_value, reason = "reads as an assertion of the call")]
fn is_quota<T>(outcome: Result<T, StorageError>) -> bool {
    matches!(outcome, Err(StorageError::QuotaBytes(_) | StorageError::QuotaEntries(_)))
}

#[expect(clippy::needless_pass_by_value, reason = "reads as an assertion of the call")]
fn is_bad<T>(outcome: Result<T, StorageError>) -> bool {
    matches!(outcome, Err(StorageError::BadArgument(_)))
}

#[test]
fn what_was_put_is_there_after_opening_again() {
    let scratch = Scratch::new("again");
    let storage = scratch.open(PLENTY);
    assert_eq!(storage.get("a"), Ok(None));
    storage.put("a", b"1").unwrap();
    storage.put("b", b"").unwrap();
    storage.put("a", b"22").unwrap();
    storage.put("c", &[7; 1 << 20]).unwrap();
    assert_eq!(storage.delete("b"), Ok(true));
    assert_eq!(storage.delete("b"), Ok(false));
    drop(storage);
    let storage = scratch.open(PLENTY);
    assert_eq!(storage.get("a"), Ok(Some(b"22".to_vec())));
    assert_eq!(storage.get("b"), Ok(None));
    assert_eq!(storage.get("c").unwrap().unwrap(), vec![7; 1 << 20]);
    assert_eq!(storage.report().entries, 2);
    assert_eq!(storage.report().bytes, 3 + 1 + (1 << 20));
}

#[test]
fn the_report_counts_what_changed_and_what_was_refused() {
    let scratch = Scratch::new("report");
    let storage = scratch.open(Quota { bytes: 10, entries: 10 });
    storage.put("a", b"1").unwrap();
    storage.put("a", b"2").unwrap();
    storage.delete("a").unwrap();
    storage.delete("a").unwrap();
    assert!(is_quota(storage.put("a", &[0; 10])));
    assert!(is_bad(storage.put("", b"")));
    let report = storage.report();
    assert_eq!((report.writes, report.refused, report.bytes, report.entries), (3, 1, 0, 0));
}

#[test]
fn a_key_is_1_to_256_bytes_without_control_characters() {
    let scratch = Scratch::new("keys");
    let storage = scratch.open(PLENTY);
    let long = "k".repeat(257);
    let umlauts = "ä".repeat(129);
    let huge = "x".repeat(10 << 20);
    for key in ["", "\0", "a\0b", "a\nb", "\x7f", "a\u{85}", &long, &umlauts, &huge] {
        assert!(is_bad(storage.get(key)), "{key:.20?}");
        assert!(is_bad(storage.put(key, b"x")), "{key:.20?}");
        assert!(is_bad(storage.delete(key)), "{key:.20?}");
    }
    for key in [" ", "ä", &long[1..], &umlauts[2..], "\u{202e}"] {
        storage.put(key, b"x").unwrap();
        assert_eq!(storage.get(key), Ok(Some(b"x".to_vec())));
    }
    assert_eq!(storage.report().entries, 5);
}

#[test]
fn a_key_names_nothing_but_its_value() {
    let scratch = Scratch::new("paths");
    let storage = scratch.open(PLENTY);
    let keys = ["../../etc/passwd", "..", ".", "/", "/etc/passwd", "storage.redb", "a/b", "a\\b", "%2e%2e/x"];
    for key in keys {
        assert_eq!(storage.get(key), Ok(None));
        storage.put(key, key.as_bytes()).unwrap();
    }
    for key in keys {
        assert_eq!(storage.get(key), Ok(Some(key.as_bytes().to_vec())));
    }
    let names = |path: &Path| -> Vec<_> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names(&scratch.plugin()), ["storage.redb"]);
    assert_eq!(names(&scratch.0), ["apps"]);
}

#[test]
fn a_value_is_at_most_1_mib() {
    let scratch = Scratch::new("values");
    let storage = scratch.open(PLENTY);
    storage.put("a", &[1; 1 << 20]).unwrap();
    assert!(is_bad(storage.put("a", &[2; (1 << 20) + 1])));
    assert_eq!(storage.get("a").unwrap().unwrap(), vec![1; 1 << 20]);
}

#[test]
fn the_quota_counts_bytes_of_keys_and_values() {
    let scratch = Scratch::new("bytes");
    let storage = scratch.open(Quota { bytes: 10, entries: 10 });
    storage.put("ab", &[0; 8]).unwrap();
    assert!(is_quota(storage.put("c", b"")));
    // Overwriting counts the difference.
    storage.put("ab", &[0; 3]).unwrap();
    storage.put("cd", &[0; 3]).unwrap();
    assert!(is_quota(storage.put("ab", &[0; 4])));
    assert_eq!(storage.get("ab"), Ok(Some(vec![0; 3])));
    assert_eq!(storage.report().bytes, 10);
    storage.delete("cd").unwrap();
    storage.put("ab", &[0; 8]).unwrap();
    drop(storage);
    let storage = scratch.open(Quota { bytes: 10, entries: 10 });
    assert!(is_quota(storage.put("c", b"")));
    assert_eq!(storage.report().bytes, 10);
}

#[test]
fn the_quota_counts_entries() {
    let scratch = Scratch::new("entries");
    let quota = Quota { bytes: 1000, entries: 2 };
    let storage = scratch.open(quota);
    storage.put("a", b"1").unwrap();
    storage.put("b", b"1").unwrap();
    assert!(is_quota(storage.put("c", b"")));
    storage.put("a", b"22").unwrap();
    drop(storage);
    let storage = scratch.open(quota);
    assert!(is_quota(storage.put("c", b"")));
    storage.delete("a").unwrap();
    storage.put("c", b"").unwrap();
    assert!(is_quota(storage.put("a", b"")));
}

#[test]
fn a_quota_of_nothing_keeps_nothing() {
    let scratch = Scratch::new("nothing");
    assert!(is_quota(scratch.open(Quota { bytes: 0, entries: 10 }).put("a", b"")));
    assert!(is_quota(scratch.open(Quota { bytes: 10, entries: 0 }).put("a", b"")));
}

#[test]
fn under_a_quota_that_became_smaller_all_is_there_but_nothing_grows() {
    let scratch = Scratch::new("smaller");
    let storage = scratch.open(PLENTY);
    for key in ["a", "b", "c"] {
        storage.put(key, &[1; 9]).unwrap();
    }
    drop(storage);
    let storage = scratch.open(Quota { bytes: 12, entries: 2 });
    assert_eq!(storage.get("c"), Ok(Some(vec![1; 9])));
    assert!(is_quota(storage.put("a", &[2; 10])));
    assert!(is_quota(storage.put("d", b"")));
    storage.put("a", &[2; 9]).unwrap();
    storage.put("b", &[2; 8]).unwrap();
    assert!(is_quota(storage.put("b", &[2; 9])));
    assert_eq!(storage.delete("c"), Ok(true));
    assert_eq!(storage.delete("a"), Ok(true));
    storage.put("d", b"12").unwrap();
    assert!(is_quota(storage.put("d", b"123")));
}

#[test]
fn a_list_is_in_order_of_bytes_and_comes_in_pages() {
    let scratch = Scratch::new("list");
    let storage = scratch.open(PLENTY);
    let mut keys: Vec<String> = (0..25).map(|n| format!("p/{n:02}")).collect();
    keys.extend(["p".into(), "p0".into(), "q".into(), "o".into(), "ä".into(), "Z".into()]);
    for key in &keys {
        storage.put(key, b"").unwrap();
    }
    keys.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert_eq!(storage.list("", None, 1000).unwrap(), keys);
    let mut pages = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = storage.list("p/", after.as_deref(), 10).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        assert!(page.len() == 10 || page.len() == 5);
        pages.extend(page);
    }
    assert_eq!(pages, (0..25).map(|n| format!("p/{n:02}")).collect::<Vec<_>>());
    // `after` need not be there, nor begin with the prefix.
    assert_eq!(storage.list("p/", Some("p/075"), 2).unwrap(), ["p/08", "p/09"]);
    assert_eq!(storage.list("p/", Some("A"), 1).unwrap(), ["p/00"]);
    assert_eq!(storage.list("p/", Some("z"), 1).unwrap(), [""; 0]);
    assert_eq!(storage.list("p", Some("p"), 1).unwrap(), ["p/00"]);
    assert_eq!(storage.list("x", None, 1).unwrap(), [""; 0]);
    assert_eq!(storage.list(&"p".repeat(5 << 20), Some("\0"), 1).unwrap(), [""; 0]);
    assert!(is_bad(storage.list("", None, 0)));
    assert!(is_bad(storage.list("", None, 1001)));
}

#[test]
fn a_list_is_at_most_1000_keys() {
    let scratch = Scratch::new("long-list");
    let storage = scratch.open(PLENTY);
    for n in 0..1001 {
        storage.put(&format!("{n:04}"), b"").unwrap();
    }
    assert_eq!(storage.list("", None, 1000).unwrap().len(), 1000);
    assert_eq!(storage.list("", Some("0999"), 1000).unwrap(), ["1000"]);
}

#[test]
fn folders_and_file_are_the_hosts_alone() {
    let scratch = Scratch::new("modes");
    drop(scratch.open(PLENTY));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in scratch.plugin().ancestors().take(4) {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    assert_eq!(mode(&scratch.file()), 0o600);
}

#[test]
fn a_link_in_place_of_a_folder_or_the_file_is_refused() {
    for name in [
        "apps",
        "apps/people-counter",
        "apps/people-counter/counter",
        "apps/people-counter/counter/storage.redb",
    ] {
        let (scratch, elsewhere) = (Scratch::new("link"), Scratch::new("link-elsewhere"));
        let storage = elsewhere.open(PLENTY);
        storage.put("theirs", b"1").unwrap();
        drop(storage);
        let link = scratch.0.join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        for target in [elsewhere.0.join(name), elsewhere.0.join("dangling")] {
            symlink(&target, &link).unwrap();
            assert!(scratch.refusal().contains("it is a link"), "{name}: {}", scratch.refusal());
            assert!(scratch.refusal().contains(link.to_str().unwrap()), "{name}: {}", scratch.refusal());
            fs::remove_file(&link).unwrap();
        }
        assert_eq!(fs::read_dir(&elsewhere.0).unwrap().count(), 1);
        drop(scratch.open(PLENTY));
    }
}

#[test]
fn the_state_folder_itself_may_be_a_link() {
    let (scratch, elsewhere) = (Scratch::new("state-link"), Scratch::new("state-elsewhere"));
    fs::create_dir_all(&elsewhere.0).unwrap();
    symlink(&elsewhere.0, &scratch.0).unwrap();
    scratch.open(PLENTY).put("a", b"1").unwrap();
    assert_eq!(elsewhere.open(PLENTY).get("a"), Ok(Some(b"1".to_vec())));
    fs::remove_file(&scratch.0).unwrap();
}

#[test]
fn a_folder_that_leads_up_or_is_too_short_is_refused() {
    for folder in ["a/b", "state/apps/../../etc", "/"] {
        let error = Storage::open(Path::new(folder), PLENTY).unwrap_err();
        assert!(error.message().contains("it is not `STATE/apps/APP/PLUGIN`"), "{error}");
    }
}

#[test]
fn something_else_under_the_name_of_the_file_is_refused() {
    let scratch = Scratch::new("else");
    fs::create_dir_all(scratch.file()).unwrap();
    assert!(scratch.refusal().contains("Is a directory"), "{}", scratch.refusal());
    fs::remove_dir(scratch.file()).unwrap();
    for content in ["", "x", &"words ".repeat(10_000)] {
        fs::write(scratch.file(), content).unwrap();
        assert!(
            scratch.refusal().contains("storage.redb`: the storage file is damaged"),
            "{}",
            scratch.refusal()
        );
        assert_eq!(fs::read_to_string(scratch.file()).unwrap(), content);
    }
}

#[test]
fn a_second_opener_is_refused_by_name() {
    let scratch = Scratch::new("second");
    let storage = scratch.open(PLENTY);
    storage.put("a", b"1").unwrap();
    assert!(scratch.refusal().ends_with(
        "counter/storage.redb`: the storage is open already; stop the other `transom` that runs this app"
    ));
    let output = child("open", &scratch).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("the storage is open already"), "{said}");
    // Also where the lock of the folder does not reach: redb's own.
    fs::create_dir_all(scratch.0.join("apps/people-counter/other")).unwrap();
    fs::hard_link(scratch.file(), scratch.0.join("apps/people-counter/other/storage.redb")).unwrap();
    let error = Storage::open(&scratch.0.join("apps/people-counter/other"), PLENTY).unwrap_err();
    assert!(error.message().contains("the storage is open already"), "{error}");
    storage.put("a", b"2").unwrap();
    drop(storage);
    assert_eq!(scratch.open(PLENTY).get("a"), Ok(Some(b"2".to_vec())));
}

#[test]
fn a_storage_that_failed_is_nobody_elses_and_opens_again() {
    let scratch = Scratch::new("failed");
    let storage = scratch.open(PLENTY);
    storage.put("a", b"1").unwrap();
    storage.state.lock().unwrap().database = None;
    assert!(scratch.refusal().contains("the storage is open already"), "{}", scratch.refusal());
    assert_eq!(storage.get("a"), Ok(Some(b"1".to_vec())));
    assert_eq!(storage.report().bytes, 2);
    // What the plugin is told names no path.
    storage.state.lock().unwrap().database = None;
    fs::write(scratch.file(), "junk").unwrap();
    let Err(StorageError::Failed(said)) = storage.put("a", b"2") else { panic!("it is damaged") };
    assert!(said.contains("the storage file is damaged") && !said.contains("transom-storage-"), "{said}");
}

#[test]
fn a_file_left_unfinished_is_made_anew() {
    let scratch = Scratch::new("unfinished");
    fs::create_dir_all(scratch.plugin()).unwrap();
    let unfinished = scratch.plugin().join("storage.redb.new");
    fs::write(&unfinished, "half").unwrap();
    scratch.open(PLENTY).put("a", b"1").unwrap();
    assert!(!unfinished.exists());
    // A link there would have the host cut a file elsewhere to nothing.
    fs::remove_file(scratch.file()).unwrap();
    let elsewhere = scratch.0.join("elsewhere");
    fs::write(&elsewhere, "theirs").unwrap();
    symlink(&elsewhere, &unfinished).unwrap();
    assert!(scratch.refusal().contains("it is a link"), "{}", scratch.refusal());
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "theirs");
}

#[test]
fn a_file_overwritten_again_and_again_stays_small() {
    let scratch = Scratch::new("growth");
    let storage = scratch.open(Quota { bytes: 1 << 20, entries: 1000 });
    let rounds = rounds(1000);
    for n in 0..rounds {
        storage.put("value", &vec![n as u8; 10 << 10]).unwrap();
    }
    let length = fs::metadata(scratch.file()).unwrap().len();
    eprintln!("{rounds} overwrites of 10 KiB: {length} bytes");
    assert!(length <= 4 << 20, "{length}");
    // Values of all sizes, the quota full most of the time.
    let mut random = Random(1);
    for _ in 0..rounds {
        let value = vec![1; random.size(21)];
        let _ = storage.put(&format!("{}", random.below(1000)), &value);
    }
    let length = fs::metadata(scratch.file()).unwrap().len();
    eprintln!("{rounds} puts of all sizes in 1 MiB: {length} bytes, {:?}", storage.report());
    assert!(length <= 8 << 20, "{length}");
    drop(storage);
    eprintln!("closed: {} bytes", fs::metadata(scratch.file()).unwrap().len());
}

/// What the file of the next two tests holds.
fn some_contents() -> Model {
    let mut random = Random(5);
    (0..60).map(|n| (format!("key-{n}"), vec![n as u8; random.size(15)])).collect()
}

/// The file as it is after a clean end, and as a kill leaves it.
fn images(name: &str) -> [Vec<u8>; 2] {
    let scratch = Scratch::new(name);
    let storage = scratch.open(PLENTY);
    for n in 0..20 {
        storage.put(&format!("gone-{n}"), &[n; 5000]).unwrap();
    }
    for (key, value) in some_contents() {
        storage.put(&key, &value).unwrap();
    }
    for n in 0..20 {
        storage.delete(&format!("gone-{n}")).unwrap();
    }
    let killed = fs::read(scratch.file()).unwrap();
    drop(storage);
    [fs::read(scratch.file()).unwrap(), killed]
}

/// How a damaged file opened: not at all with words, or right. Anything else is `wrong`.
#[derive(Debug, Default)]
struct Damages {
    refused: u32,
    right: u32,
    wrong: Vec<String>,
}

impl Damages {
    fn judge(&mut self, scratch: &Scratch, image: &[u8], expected: &Model, what: String) {
        fs::write(scratch.file(), image).unwrap();
        match Storage::open(&scratch.plugin(), PLENTY) {
            Err(error) => {
                assert!(error.message().contains("storage.redb`: the storage file"), "{error}");
                self.refused += 1;
                // It stays so: what was refused once is not taken for whole, less something, the next time.
                if let Ok(storage) = Storage::open(&scratch.plugin(), PLENTY)
                    && contents(&storage).as_ref() != Ok(expected)
                {
                    self.wrong.push(format!("{what}, then {error}"));
                }
            }
            Ok(storage) => {
                let right = contents(&storage).as_ref() == Ok(expected)
                    && storage.report().bytes == bytes_of(expected)
                    && storage.put("new", &[3; 9000]).is_ok()
                    && storage.delete("new") == Ok(true)
                    && contents(&storage).as_ref() == Ok(expected);
                if right { self.right += 1 } else { self.wrong.push(what) }
            }
        }
    }
}

#[test]
fn a_damaged_file_opens_right_or_not_at_all() {
    let scratch = Scratch::new("damage");
    let rounds = rounds(100);
    let expected = some_contents();
    drop(scratch.open(PLENTY));
    for (image, end) in images("damage-images").iter().zip(["clean", "killed"]) {
        let mut damages = Damages::default();
        damages.judge(&scratch, image, &expected, "whole".to_owned());
        assert_eq!(damages.right, 1);
        let mut random = Random(11);
        for round in 0..rounds {
            let mut damaged = image.clone();
            let at = random.below(damaged.len());
            let what = match round % 5 {
                0 => {
                    damaged[at] ^= 1 << random.below(8);
                    "bit"
                }
                1 => {
                    let end = (at + 1 + random.below(64)).min(damaged.len());
                    damaged[at..end].fill_with(|| random.below(256) as u8);
                    "run"
                }
                2 => {
                    let page = at / 4096 * 4096;
                    damaged[page..page + 4096].fill(0);
                    "zero page"
                }
                3 => {
                    damaged.truncate(if random.below(2) == 0 { at } else { at / 4096 * 4096 });
                    "truncate"
                }
                _ => {
                    let from = random.below(damaged.len() / 4096) * 4096;
                    damaged.copy_within(from..from + 4096, at / 4096 * 4096);
                    "page over page"
                }
            };
            damages.judge(&scratch, &damaged, &expected, format!("{what} at {at}"));
        }
        eprintln!("{end}: {damages:?}");
        assert!(damages.wrong.is_empty(), "{end}: {damages:?}");
    }
}

#[test]
fn a_flipped_bit_in_the_header_is_refused_or_harmless() {
    let scratch = Scratch::new("header");
    let rounds = rounds(64);
    let expected = some_contents();
    drop(scratch.open(PLENTY));
    for (image, end) in images("header-images").iter().zip(["clean", "killed"]) {
        let mut damages = Damages::default();
        // redb 4.4, docs/design.md: 320 bytes of header, of which byte 9 says which of two commits counts.
        for bit in (9 * 8..10 * 8).chain((0..320 * 8).step_by(2560_usize.div_ceil(rounds))) {
            // After a kill, a commit that was not answered looks the same as one that this bit took back.
            if (end, bit) != ("killed", 9 * 8) {
                let mut damaged = image.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                damages.judge(&scratch, &damaged, &expected, format!("byte {} bit {}", bit / 8, bit % 8));
            }
        }
        eprintln!("{end}: {damages:?}");
        assert!(damages.wrong.is_empty(), "{end}: {damages:?}");
    }
}

#[test]
fn reading_and_closing_a_file_damaged_while_open_is_no_panic() {
    let scratch = Scratch::new("damage-open");
    let storage = scratch.open(PLENTY);
    // More than redb keeps in memory.
    for key in ["x", "y", "z"] {
        storage.put(key, &[1; 1 << 20]).unwrap();
    }
    drop(storage);
    let image = fs::read(scratch.file()).unwrap();
    let mut random = Random(3);
    for _ in 0..rounds(4) {
        fs::write(scratch.file(), &image).unwrap();
        let storage = scratch.open(PLENTY);
        let junk: Vec<u8> = (0..image.len() - 4096).map(|_| random.below(256) as u8).collect();
        let file = fs::OpenOptions::new().write(true).open(scratch.file()).unwrap();
        file.write_all_at(&junk, 4096).unwrap();
        assert!(matches!(storage.get("y"), Err(StorageError::Failed(_))));
        assert!(matches!(storage.get("y"), Err(StorageError::Failed(_))));
        fs::write(scratch.file(), &image).unwrap();
        assert!(storage.get("y").unwrap().unwrap() == [1; 1 << 20]);
        file.write_all_at(&junk, 4096).unwrap();
    }
}

/// The change number `n` of the child that is killed, done to `model`: the key, and its value or none.
fn change(n: u64, model: &mut Model) -> (String, Option<Vec<u8>>) {
    let mut random = Random(n * 7919 + 1);
    random.below(1);
    let key = format!("key-{}", random.below(9));
    if random.below(5) == 0 {
        model.remove(&key);
        return (key, None);
    }
    let length = random.size(17);
    let value = vec![random.below(256) as u8; length];
    model.insert(key.clone(), value.clone());
    (key, Some(value))
}

/// This test binary again, doing `what` on the storage in `scratch`: see [`child_process`].
fn child(what: &str, scratch: &Scratch) -> Command {
    let name = format!("{}::child_process", module_path!().split_once("::").unwrap().1);
    // A write over the limit of a file's size is an error only where the signal is ignored: setrlimit(2).
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh"]);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", &name, "--nocapture"]);
    command.env("TRANSOM_STORAGE_CHILD", what).env("TRANSOM_STORAGE_FOLDER", scratch.plugin());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// No test of its own: what [`child`] runs. Says what it has done on stdout, a line each.
#[test]
fn child_process() {
    let Ok(what) = std::env::var("TRANSOM_STORAGE_CHILD") else { return };
    let folder = PathBuf::from(std::env::var("TRANSOM_STORAGE_FOLDER").unwrap());
    let say = |line: &str| {
        let mut out = std::io::stdout();
        out.write_all(format!("\n{line}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
    };
    let storage = match Storage::open(&folder, PLENTY) {
        Ok(storage) => storage,
        Err(error) => return say(&error.to_string()),
    };
    match what.split_once(' ') {
        Some(("changes", from)) => {
            for n in from.parse().unwrap().. {
                match change(n, &mut Model::new()) {
                    (key, Some(value)) => storage.put(&key, &value).unwrap(),
                    (key, None) => drop(storage.delete(&key).unwrap()),
                }
                say(&format!("did {n}"));
            }
        }
        Some(("full", more)) => {
            let resource = rustix::process::Resource::Fsize;
            let free = rustix::process::getrlimit(resource);
            let length = fs::metadata(folder.join("storage.redb")).unwrap().len();
            let full =
                rustix::process::Rlimit { current: Some(length + more.parse::<u64>().unwrap()), ..free };
            rustix::process::setrlimit(resource, full).unwrap();
            say(&format!(
                "full {:?}",
                (0..50).map(|n| storage.put("big", &vec![n; 1 << 20])).find(|o| o.is_err())
            ));
            say(&format!("old {:?} {:?}", storage.get("small"), storage.put("big", &[2; 1 << 20]).is_ok()));
            rustix::process::setrlimit(resource, free).unwrap();
            say(&format!("later {:?} {:?}", storage.put("big", &[3; 1 << 20]), storage.report()));
        }
        _ => {}
    }
}

#[test]
fn a_kill_at_any_point_leaves_what_was_answered() {
    let scratch = Scratch::new("kill");
    let rounds = rounds(25);
    let mut random = Random(77);
    let (mut model, mut next) = (Model::new(), 0);
    let mut in_flight = 0;
    for round in 0..rounds {
        if round % 10 == 0 {
            // Also while the folder and the file are made.
            let _ = fs::remove_dir_all(&scratch.0);
            (model, next) = (Model::new(), 0);
        }
        let mut process = child(&format!("changes {next}"), &scratch).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random.below(120_000) as u64));
        process.kill().unwrap();
        let mut said = String::new();
        process.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        process.wait().unwrap();
        for line in said.lines().filter(|line| line.starts_with("did ")) {
            assert_eq!(line, format!("did {next}"));
            change(next, &mut model);
            next += 1;
        }
        let storage = scratch.open(PLENTY);
        let found = contents(&storage).unwrap();
        if found != model {
            // The one in flight.
            change(next, &mut model);
            next += 1;
            in_flight += 1;
            assert!(found == model, "round {round}, change {next}");
        }
        assert_eq!(storage.report().bytes, bytes_of(&model));
        assert_eq!(storage.report().entries, model.len() as u64);
    }
    eprintln!("{rounds} kills, {next} changes in the last life, {in_flight} in flight were whole");
}

#[test]
fn a_full_disk_fails_the_put_and_later_ones_work() {
    let scratch = Scratch::new("full");
    scratch.open(PLENTY).put("small", b"1").unwrap();
    for more in [0, 4096, 100_000, 1_000_000, 1_500_000, 3_000_000] {
        let output = child(&format!("full {more}"), &scratch).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        eprintln!("{said}");
        assert!(said.contains("full Some(Err(Failed("), "{said}");
        assert!(said.contains("old Ok(Some([49])) false"), "{said}");
        assert!(said.contains("later Ok(()) "), "{said}");
        let storage = scratch.open(PLENTY);
        assert_eq!(storage.get("big").unwrap().unwrap(), vec![3; 1 << 20]);
        storage.delete("big").unwrap();
    }
}
