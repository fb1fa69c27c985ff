//! The worker's side: does what comes on standard input until that closes. What it does may panic, hang, crash
//! or print; nothing of that reaches the host but a reason.

use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::message::{GREETING, Kind, Message};
use crate::base::{Error, Result, panic_message};

/// wonnx walks a graph by calling itself.
const STACK: usize = 256 << 20;

/// Where a worker's answers go. Cheap to clone.
#[derive(Clone)]
pub(in crate::model) struct Answers(Arc<Mutex<File>>);

impl Answers {
    /// Sends a message. Where that fails, the host has gone, and the closed input ends the worker.
    pub(in crate::model) fn send(&self, message: &Message) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = message.write(&mut *file);
    }
}

/// Answers every message with bytes of the same kind, or with why not. A panic ends the worker.
///
/// # Errors
/// [`Kind::Internal`](crate::base::Kind::Internal) where the system does not let it begin.
pub(in crate::model) fn serve(
    mut answer: impl FnMut(Message, &Answers) -> Result<Vec<u8>, String> + Send + 'static,
) -> Result<()> {
    let internal = |error: &dyn std::fmt::Display| Error::internal(format!("the worker: {error}"));
    // A crash leaves no picture of the memory behind.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|error| internal(&error))?;
    // Standard output is kept for answers; what drivers print there goes where errors go.
    let output = rustix::io::dup(rustix::stdio::stdout()).map_err(|error| internal(&error))?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr()).map_err(|error| internal(&error))?;
    let mut output = File::from(output);
    output.write_all(GREETING).map_err(|error| internal(&error))?;
    let answers = Answers(Arc::new(Mutex::new(output)));
    // What a panic says is in the answer.
    std::panic::set_hook(Box::new(|_| {}));
    let (give, take) = mpsc::sync_channel(1);
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    // Reads on while the work goes on or hangs: the host's end must end this process too.
    thread("requests")
        .spawn(move || {
            let mut input = io::stdin().lock();
            while let Ok(Some(message)) = Message::read(&mut input) {
                if give.send(message).is_err() {
                    break;
                }
            }
            std::process::exit(0);
        })
        .map_err(|error| internal(&error))?;
    let work = thread("work").stack_size(STACK).spawn(move || {
        while let Ok(request) = take.recv() {
            let kind = request.kind;
            match catch_unwind(AssertUnwindSafe(|| answer(request, &answers))) {
                Ok(Ok(bytes)) => answers.send(&Message { kind, bytes }),
                Ok(Err(why)) => answers.send(&Message::text(Kind::Refused, &why)),
                Err(panic) => {
                    // What a device is like after a panic, nobody knows.
                    answers.send(&Message::text(Kind::Lost, &short(panic_message(&*panic))));
                    return;
                }
            }
        }
    });
    // A worker that cannot be joined panicked outside of an answer; the host sees it end.
    let _ = work.map_err(|error| internal(&error))?.join();
    Ok(())
}

/// The first lines of what a library says: those of a validation error say what matters.
pub(in crate::model) fn short(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(8).collect();
    let mut text = lines.join("; ");
    if let Some((end, _)) = text.char_indices().nth(600) {
        text.truncate(end);
    }
    text
}
