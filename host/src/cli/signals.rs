//! Ctrl-C and SIGTERM.

use crate::base::{Error, Result, Shutdown};

use super::terminal::say;

/// The first Ctrl-C or SIGTERM stops `shutdown`, to end in order; the second ends the process at once.
///
/// # Errors
/// [`Kind::Internal`](crate::base::Kind::Internal) where the system gives no signals.
pub(super) fn stop_on_signal(shutdown: &Shutdown) -> Result<()> {
    let fail = |error: std::io::Error| Error::internal(format!("signals cannot be received: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
    let shutdown = shutdown.clone();
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let pair =
                    signal(SignalKind::interrupt()).and_then(|a| Ok((a, signal(SignalKind::terminate())?)));
                let (mut interrupt, mut terminate) = match pair {
                    Ok(pair) => pair,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                drop(ready.send(Ok(())));
                for again in [false, true] {
                    tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
                    if again {
                        // 128 + SIGINT, as a shell reports a program that a signal ended.
                        std::process::exit(130);
                    }
                    shutdown.stop();
                    say("stopping; Ctrl-C again ends it at once");
                }
            });
        })
        .map_err(fail)?;
    is_ready.recv().map_err(|_| Error::internal("signals cannot be received"))?.map_err(fail)
}
