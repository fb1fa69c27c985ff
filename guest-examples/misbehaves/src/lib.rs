//! Does on request what a plugin must not do, so that the tests can see the host survive it.
//!
//! Params: `what` (text), one of the names below; `at` (integer), the frame it begins with, counted from 0
//! by the plugin itself; every later frame does it again. Models: only where `what` needs one.
//!
//! | `what` | does |
//! |---|---|
//! | `trap`, `error`, `loop`, `sleep`, `allocate`, `recurse` | panics, returns an error, never returns, sleeps a year, takes memory without end, overflows the stack |
//! | `trap-once` | panics at the frame whose number in its stream is `at`, and at no other |
//! | `configure-trap`, `configure-error`, `configure-loop`, `configure-sleep` | the same in `configure` |
//! | `stop-trap`, `stop-loop` | the same in `on-stop`; `stop-event` publishes a last event `stopped` there |
//! | `work` | computes for about 20 ms of every frame |
//! | `handles` | opens its first model again and again and keeps every handle |
//! | `unknown-model` | asks in `configure` for a model it was not given |
//! | `bad-events`, `large-events`, `many-events` | publishes what the host must refuse, and says so if it does not |
//! | `crossing` | hands the host 16 MiB at once |
//! | `marks`, `metrics`, `log`, `print` | draws, counts, logs and prints more, longer and worse than anybody wants |
//! | `paint` | covers the picture with magenta lines |
//! | `pixels` | reads the frame in many shapes, publishes sizes and a checksum; asks for shapes that must be refused |
//! | `nothing` | behaves |
//!
//! Where the host breaks a promise of the WIT, the plugin returns an error that begins with `broken:`.

mod floods;
mod pixels;

use transom_sdk::{Event, Frame, FrameInfo, Model, ModelError, Plugin, Setup};

struct Misbehaves {
    what: String,
    at: u64,
    frames: u64,
    model: Option<String>,
    kept: Vec<Model>,
}

impl Plugin for Misbehaves {
    fn configure(setup: Setup) -> Result<Self, String> {
        let what = setup.text("what")?.to_owned();
        let at = setup.integer("at")?;
        match what.as_str() {
            "configure-trap" => trap(),
            "configure-error" => return Err("told to refuse\nto start \u{1b}[31m".to_owned()),
            "configure-loop" => forever(),
            "configure-sleep" => sleep(),
            "unknown-model" => match Model::open("not-given") {
                Err(ModelError::UnknownModel(_)) => {}
                other => return Err(format!("broken: asked for a model not given, got {other:?}")),
            },
            _ => {}
        }
        let model = setup.models().first().map(|model| model.name.clone());
        Ok(Misbehaves { what, at: at.max(0) as u64, frames: 0, model, kept: Vec::new() })
    }

    fn on_frame(&mut self, frame: &Frame, info: &FrameInfo) -> Result<(), String> {
        self.frames += 1;
        // Its own count starts again with each of its lives.
        if self.frames <= self.at && self.what != "trap-once" {
            return Ok(());
        }
        match self.what.as_str() {
            "trap" => trap(),
            "trap-once" if u64::from(info.sequence) == self.at => trap(),
            "error" => Err(format!("told to fail at frame {}", self.frames - 1)),
            "loop" => forever(),
            "sleep" => {
                sleep();
                Ok(())
            }
            "allocate" => allocate(),
            "recurse" => {
                recurse(0);
                Ok(())
            }
            "work" => {
                work();
                Ok(())
            }
            "handles" => self.open_models(),
            "bad-events" => floods::bad_events(),
            "large-events" => floods::large_events(),
            "crossing" => floods::crossing(),
            "many-events" => floods::many_events(),
            "marks" => {
                floods::marks();
                Ok(())
            }
            "metrics" => {
                floods::metrics();
                Ok(())
            }
            "log" => {
                floods::log();
                Ok(())
            }
            "print" => {
                floods::print();
                Ok(())
            }
            "pixels" => pixels::read(frame, info),
            "paint" => {
                floods::paint();
                Ok(())
            }
            "nothing" | "trap-once" | "unknown-model" | "stop-trap" | "stop-loop" | "stop-event" => Ok(()),
            other => Err(format!("`{other}` is nothing this plugin can do")),
        }
    }

    fn on_stop(&mut self) {
        match self.what.as_str() {
            "stop-trap" => trap(),
            "stop-loop" => forever(),
            "stop-event" => {
                Event::new("stopped")
                    .integer("frames", self.frames as i64)
                    .publish()
                    .expect("one small event");
            }
            _ => {}
        }
    }
}

impl Misbehaves {
    /// 100,000 handles at the first frame, then as many again.
    fn open_models(&mut self) -> Result<(), String> {
        let name = self.model.as_deref().ok_or("`handles` needs a model")?;
        for _ in 0..100_000 {
            self.kept.push(Model::open(name)?);
        }
        Ok(())
    }
}

fn trap() -> ! {
    panic!("told to trap")
}

fn forever() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

fn work() {
    let began = std::time::Instant::now();
    let mut turns = 0_u64;
    while began.elapsed() < std::time::Duration::from_millis(20) {
        for _ in 0..10_000 {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
    }
}

fn sleep() {
    std::thread::sleep(std::time::Duration::from_secs(365 * 24 * 3600));
}

/// Writes to what it takes: memory that is only reserved would cost the host nothing.
fn allocate() -> Result<(), String> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

#[allow(unconditional_recursion, reason = "what it is for")]
fn recurse(depth: u64) -> u64 {
    let ballast = std::hint::black_box([depth; 64]);
    ballast[0].wrapping_add(recurse(ballast[63].wrapping_add(1)))
}

transom_sdk::export!(Misbehaves);
