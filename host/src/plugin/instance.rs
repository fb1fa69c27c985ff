//! One life of a plugin: a store from its start to its end or its first fault.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::sync::exports::wasi::http::incoming_handler::Guest as Handler;

use super::bindings::Plugin as Exports;
use super::bindings::transom::app::frames::FrameInfo;
use super::engine::Program;
use super::fault::{DeadlinePassed, Fault, FaultKind};
use super::guest::{CLOSE, Guest, Present};
use super::ledger::{Ledger, Limit};
use super::ports::{Answer, Request};
use super::{Said, Setup};
use crate::frame::Frame;

/// `configure` may take this many call deadlines: it runs once and builds what the calls use.
const CONFIGURE_DEADLINES: u32 = 20;

pub(super) struct Instance {
    store: Store<Guest>,
    exports: Exports,
    handler: Option<Handler>,
    deadline: Duration,
}

impl Instance {
    /// Instantiates and configures. What it said meanwhile is in `said`, also on failure.
    pub(super) fn start(
        program: &Program,
        setup: &Arc<Setup>,
        ledger: &Arc<Ledger>,
        said: &mut Said,
    ) -> Result<Self, Fault> {
        let guest = Guest::new(Arc::clone(setup), Arc::clone(ledger), program.ticker.alarm());
        let mut store = Store::new(&program.engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(usize::try_from(setup.limits.call_bytes).unwrap_or(usize::MAX));
        store.set_max_component_handles(setup.limits.handles as usize);
        store.epoch_deadline_callback(|context| {
            let left = context.data().time_left();
            if left.is_zero() {
                return Err(DeadlinePassed.into());
            }
            Ok(UpdateDeadline::Continue(u64::from(left > CLOSE)))
        });
        store.set_epoch_deadline(1);
        let deadline = setup.limits.deadline;
        store.data_mut().begin_call(deadline * CONFIGURE_DEADLINES);
        let instantiated = program.pre.instantiate(&mut store).and_then(|instance| {
            let handler = program.handler.as_ref();
            let handler = handler.map(|handler| handler.load(&mut store, &instance)).transpose()?;
            Ok((program.exports.load(&mut store, &instance)?, handler))
        });
        let (exports, handler) = match instantiated {
            Ok(exports) => exports,
            Err(error) => {
                let mut nothing = Said::default();
                collect(&mut store, &mut nothing);
                return Err(fault(&store, "its start", &error));
            }
        };
        let mut instance = Self { store, exports, handler, deadline };
        let answer = instance.exports.transom_app_lifecycle().call_configure(
            &mut instance.store,
            &setup.params,
            &setup.cameras,
            &setup.models,
        );
        collect(&mut instance.store, said);
        match answer {
            Ok(Ok(())) => Ok(instance),
            Ok(Err(complaint)) => Err(Fault::configure(&complaint)),
            Err(error) => Err(fault(&instance.store, "`configure`", &error)),
        }
    }

    /// Calls `on-frame`. The inner error is the plugin's own complaint about this frame.
    pub(super) fn on_frame(
        &mut self,
        frame: &Arc<Frame>,
        camera: u32,
        said: &mut Said,
    ) -> Result<Result<(), String>, Fault> {
        let info = FrameInfo {
            camera,
            sequence: u32::try_from(frame.sequence & u64::from(u32::MAX)).unwrap_or(0),
            media_time_us: frame.media_time_us,
            captured_at_us: frame.captured_at_us,
            width: frame.width(),
            height: frame.height(),
        };
        let guest = self.store.data_mut();
        guest.begin_call(self.deadline);
        guest.present = Some(Present {
            camera: Arc::clone(&guest.streams[camera as usize]),
            frame: frame.sequence,
            media_time_us: frame.media_time_us,
            captured_at_us: frame.captured_at_us,
        });
        let answer = self.call_with(frame, info);
        self.store.data_mut().present = None;
        collect(&mut self.store, said);
        answer.map_err(|error| fault(&self.store, "`on-frame`", &error))
    }

    fn call_with(&mut self, frame: &Arc<Frame>, info: FrameInfo) -> wasmtime::Result<Result<(), String>> {
        let lent = self.store.data_mut().lend(frame)?;
        let borrowed = wasmtime::component::Resource::new_borrow(lent.rep());
        let lifecycle = self.exports.transom_app_lifecycle();
        let answer = lifecycle.call_on_frame(&mut self.store, borrowed, info);
        self.store.data_mut().take_back(lent)?;
        answer
    }

    /// Has the plugin answer a request, of whose answer `most` bytes are taken.
    pub(super) fn on_request(&mut self, request: Request, most: usize, said: &mut Said) -> Result<(), Fault> {
        let Request { head, answer, .. } = request;
        let Some(handler) = &self.handler else {
            // Ports are opened only for components that answer.
            answer.failed();
            return Ok(());
        };
        self.store.data_mut().begin_call(self.deadline);
        // Whoever comes first answers: the plugin, or the host in its place.
        let answer = Arc::new(Mutex::new(Some(answer)));
        let given = Arc::clone(&answer);
        let called = (|| {
            let mut http = self.store.data_mut().http();
            let request = http.new_incoming_request(Scheme::Http, head.map(Full::new))?;
            let out = http.new_response_outparam_from_callback(move |response| {
                let Some(answer) = taken(&given) else { return };
                match response {
                    // Taken whole before the client gets any of it: a slow one would hold up the plugin.
                    Ok(response) => {
                        drop(with_ambient_tokio_runtime(|| tokio::spawn(pass_on(response, most, answer))));
                    }
                    Err(_) => answer.failed(),
                }
            })?;
            handler.call_handle(&mut self.store, request, out)
        })();
        collect(&mut self.store, said);
        let called = called.map_err(|error| fault(&self.store, "its answer to a request", &error));
        if let Some(answer) = taken(&answer) {
            match &called {
                Err(Fault { kind: FaultKind::Deadline, .. }) => answer.too_late(),
                _ => answer.failed(),
            }
        }
        called
    }

    /// Calls `on-stop`.
    pub(super) fn on_stop(&mut self, said: &mut Said) -> Result<(), Fault> {
        self.store.data_mut().begin_call(self.deadline * CONFIGURE_DEADLINES);
        let answer = self.exports.transom_app_lifecycle().call_on_stop(&mut self.store);
        collect(&mut self.store, said);
        answer.map_err(|error| fault(&self.store, "`on-stop`", &error))
    }

    pub(super) fn guest(&self) -> &Guest {
        self.store.data()
    }
}

fn taken(answer: &Mutex<Option<Answer>>) -> Option<Answer> {
    answer.lock().unwrap_or_else(PoisonError::into_inner).take()
}

async fn pass_on(
    response: http::Response<wasmtime_wasi_http::p2::body::HyperOutgoingBody>,
    most: usize,
    answer: Answer,
) {
    let (head, body) = response.into_parts();
    // A status of three digits that HTTP gives no meaning to (RFC 9110 15) is no answer.
    let has_status = (200..600).contains(&head.status.as_u16());
    match Limited::new(body, most).collect().await {
        Ok(body) if has_status => answer.send(http::Response::from_parts(head, Full::new(body.to_bytes()))),
        _ => answer.failed(),
    }
}

/// After a call: moves what was said out of the store.
fn collect(store: &mut Store<Guest>, said: &mut Said) {
    let guest = store.data_mut();
    guest.end_call();
    said.events.append(&mut guest.said.events);
    said.marks.append(&mut guest.said.marks);
}

fn fault(store: &Store<Guest>, during: &str, error: &wasmtime::Error) -> Fault {
    let guest = store.data();
    if error.is::<DeadlinePassed>() {
        guest.ledger.refuse(Limit::Deadline, 1);
    }
    if let Some(limit) = Fault::broke(error) {
        guest.ledger.refuse(limit, 1);
    }
    Fault::of(guest, during, error)
}
