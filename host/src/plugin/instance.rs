//! One life of a plugin: a store from its start to its end or its first fault.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Store, Trap, UpdateDeadline};

use super::bindings::Plugin as Exports;
use super::bindings::transom::app::frames::FrameInfo;
use super::engine::Program;
use super::fault::{DeadlinePassed, Fault, FaultKind, quoted};
use super::guest::{Guest, Present};
use super::{Said, Setup};
use crate::frame::Frame;

/// `configure` may take this many call deadlines: it runs once and builds what the calls use.
const CONFIGURE_DEADLINES: u32 = 20;

/// Bytes a plugin may hand over in one call into the host.
const HOSTCALL_BYTES: usize = 4 << 20;

/// Handles a component may hold of its own and the host's resources.
const MOST_HANDLES: usize = 1_000;

pub(super) struct Instance {
    store: Store<Guest>,
    exports: Exports,
    deadline: Duration,
}

impl Instance {
    /// Instantiates and configures. What it said meanwhile is in `said`, also on failure.
    pub(super) fn start(program: &Program, setup: &Arc<Setup>, said: &mut Said) -> Result<Self, Fault> {
        let mut store = Store::new(&program.engine, Guest::new(Arc::clone(setup), program.ticker.alarm()));
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(MOST_HANDLES);
        store.epoch_deadline_callback(|context| {
            if context.data().budget.is_spent() {
                return Err(DeadlinePassed.into());
            }
            Ok(UpdateDeadline::Continue(1))
        });
        store.set_epoch_deadline(1);
        let deadline = setup.limits.deadline;
        store.data_mut().begin_call(deadline * CONFIGURE_DEADLINES);
        let exports = match program.pre.instantiate(&mut store) {
            Ok(exports) => exports,
            Err(error) => return Err(fault_of(&store, "its start", &error)),
        };
        let mut instance = Self { store, exports, deadline };
        let answer = instance.exports.transom_app_lifecycle().call_configure(
            &mut instance.store,
            &setup.params,
            &setup.cameras,
            &setup.models,
        );
        instance.collect(said);
        match answer {
            Ok(Ok(())) => Ok(instance),
            Ok(Err(complaint)) => Err(Fault {
                kind: FaultKind::Configure,
                message: format!("it cannot work with what it was given: {}", quoted(&complaint)),
            }),
            Err(error) => Err(fault_of(&instance.store, "`configure`", &error)),
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
        self.collect(said);
        answer.map_err(|error| fault_of(&self.store, "`on-frame`", &error))
    }

    fn call_with(&mut self, frame: &Arc<Frame>, info: FrameInfo) -> wasmtime::Result<Result<(), String>> {
        let lent = self.store.data_mut().lend(frame)?;
        let borrowed = wasmtime::component::Resource::new_borrow(lent.rep());
        let lifecycle = self.exports.transom_app_lifecycle();
        let answer = lifecycle.call_on_frame(&mut self.store, borrowed, info);
        self.store.data_mut().take_back(lent)?;
        answer
    }

    /// Calls `on-stop`.
    pub(super) fn on_stop(&mut self, said: &mut Said) -> Result<(), Fault> {
        self.store.data_mut().begin_call(self.deadline * CONFIGURE_DEADLINES);
        let answer = self.exports.transom_app_lifecycle().call_on_stop(&mut self.store);
        self.collect(said);
        answer.map_err(|error| fault_of(&self.store, "`on-stop`", &error))
    }

    pub(super) fn guest(&self) -> &Guest {
        self.store.data()
    }

    /// After a call: moves what was said out of the store.
    fn collect(&mut self, said: &mut Said) {
        let guest = self.store.data_mut();
        guest.end_call();
        said.events.append(&mut guest.said.events);
        said.marks.append(&mut guest.said.marks);
    }
}

fn fault_of(store: &Store<Guest>, during: &str, error: &wasmtime::Error) -> Fault {
    let guest = store.data();
    if error.is::<DeadlinePassed>() {
        let deadline = guest.budget.deadline().as_millis();
        return Fault {
            kind: FaultKind::Deadline,
            message: format!("{during} ran longer than its deadline of {deadline} ms; it was stopped"),
        };
    }
    // An allocator that gets no memory ends in a trap of its own; the meter knows why.
    if guest.memory.refused() > 0 {
        let limit = guest.limits().memory_bytes;
        return Fault {
            kind: FaultKind::Memory,
            message: format!("{during} ran out of memory: its limit is {} MiB", limit >> 20),
        };
    }
    let cause = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => {
            "it stopped itself, as a panic does; its log may say why".to_owned()
        }
        Some(Trap::MemoryOutOfBounds) => {
            "it touched memory it does not have, as too deep a recursion does".to_owned()
        }
        Some(Trap::StackOverflow) => "its calls nest too deep".to_owned(),
        _ => error.root_cause().to_string(),
    };
    Fault { kind: FaultKind::Trap, message: format!("{during} trapped: {cause}") }
}
