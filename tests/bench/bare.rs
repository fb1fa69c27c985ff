//! The peer for calls: the same component under wasmtime as it comes, with the plainest host functions that
//! do the work. No deadline, no memory meter, no cap on what crosses, no stamps, no counters; single
//! [`Guards`] can be had, to see what each costs.

use std::collections::BTreeMap;

use wasmtime::component::{Component, HasData, Linker, Resource, ResourceTable};
use wasmtime::{Config, Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use transom::plugin::{Limits, Param, ParamValue};

use crate::app::guest;
use crate::ready::{LABELS, Scenes};
use bindings::transom::app::{events, frames, http, log, marks, metrics, models, storage};

#[allow(missing_docs, unreachable_pub, reason = "generated")]
mod bindings {
    wasmtime::component::bindgen!({ path: "../wit", world: "plugin" });

    pub use exports::transom::app::lifecycle::{Camera, ModelInfo, Param, ParamValue};
}

/// The component, started and configured.
pub(crate) struct Bare {
    store: Store<Host>,
    exports: bindings::Plugin,
}

/// What of Transom's own guards the peer has; none by default.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Guards {
    /// The component's code looks at the engine's epoch, which nobody advances.
    pub(crate) epochs: bool,
    /// wasmtime's meters of memory, of handles and of the bytes that cross.
    pub(crate) meters: bool,
}

struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
    /// Answers in turn, one a frame.
    scenes: Vec<Vec<models::Detection>>,
    frame: usize,
    watched: bool,
    events: Vec<events::Event>,
    boxes: Vec<(frames::Region, String, marks::Color)>,
    metrics: BTreeMap<String, f64>,
}

impl Bare {
    /// Starts a guest whose model is to answer with these `scenes`.
    pub(crate) fn start(
        component: &str,
        params: &[Param],
        scenes: &Scenes,
        watched: bool,
        guards: Guards,
    ) -> Self {
        let mut config = Config::new();
        // As Transom does; without it every call costs two to four times as much.
        config.concurrency_support(false);
        config.epoch_interruption(guards.epochs);
        let engine = Engine::new(&config).expect("the engine starts");
        let component = Component::from_file(&engine, guest(component)).expect("the guest compiles");
        let mut linker = Linker::<Host>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).expect("WASI is linked");
        bindings::Plugin::add_to_linker::<Host, Host>(&mut linker, |host| host)
            .expect("the imports are linked");
        let region = |r: transom::frame::Region| frames::Region { l: r.l, t: r.t, w: r.w, h: r.h };
        let detection = |d: &transom::plugin::Detection| models::Detection {
            label: d.label,
            score: d.score,
            box_: region(d.box_.into()),
        };
        let limits = Limits::default();
        let memory = usize::try_from(limits.memory_bytes).expect("a limit fits");
        let host = Host {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
            limits: StoreLimitsBuilder::new().memory_size(memory).build(),
            scenes: scenes.iter().map(|scene| scene.iter().map(detection).collect()).collect(),
            frame: 0,
            watched,
            events: Vec::new(),
            boxes: Vec::new(),
            metrics: BTreeMap::new(),
        };
        let models =
            [bindings::ModelInfo { name: "detector".to_owned(), labels: LABELS.map(str::to_owned).to_vec() }];
        let cameras = [bindings::Camera {
            name: "camera".to_owned(),
            stream: 0,
            title: "Camera".to_owned(),
            max_fps: 0.0,
        }];
        let value = |value: &ParamValue| match value {
            ParamValue::Float(value) => bindings::ParamValue::Float(*value),
            ParamValue::Integer(value) => bindings::ParamValue::Integer(*value),
            ParamValue::Text(value) => bindings::ParamValue::Text(value.clone()),
            ParamValue::Boolean(value) => bindings::ParamValue::Boolean(*value),
        };
        let params: Vec<_> = params
            .iter()
            .map(|param| bindings::Param { name: param.name.clone(), value: value(&param.value) })
            .collect();
        let mut store = Store::new(&engine, host);
        if guards.epochs {
            store.set_epoch_deadline(1);
        }
        if guards.meters {
            store.limiter(|host| &mut host.limits);
            store.set_hostcall_fuel(usize::try_from(limits.call_bytes).expect("a limit fits"));
            store.set_max_component_handles(limits.handles as usize);
        }
        let exports =
            bindings::Plugin::instantiate(&mut store, &component, &linker).expect("the guest starts");
        let configured =
            exports.transom_app_lifecycle().call_configure(&mut store, &params, &cameras, &models);
        configured.expect("no trap").expect("the guest takes its params");
        Self { store, exports }
    }

    /// Hands over a frame, forgets what was said, and says how many events that were.
    pub(crate) fn on_frame(&mut self, sequence: u32, media_time_us: i64) -> usize {
        let info = frames::FrameInfo {
            camera: 0,
            sequence,
            media_time_us,
            captured_at_us: 1_700_000_000_000_000,
            width: 768,
            height: 432,
        };
        self.store.data_mut().frame = sequence as usize;
        let frame = Resource::new_borrow(0);
        let answer = self.exports.transom_app_lifecycle().call_on_frame(&mut self.store, frame, info);
        answer.expect("no trap").expect("no complaint");
        let host = self.store.data_mut();
        let events = host.events.len();
        host.events.clear();
        host.boxes.clear();
        events
    }
}

impl HasData for Host {
    type Data<'a> = &'a mut Host;
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl frames::Host for Host {}

impl frames::HostFrame for Host {
    fn read(
        &mut self,
        _: Resource<frames::Frame>,
        _: Option<frames::Region>,
        _: frames::Shape,
    ) -> Result<Vec<u8>, frames::FrameError> {
        Ok(Vec::new())
    }

    fn jpeg(
        &mut self,
        _: Resource<frames::Frame>,
        _: Option<frames::Region>,
        _: u32,
        _: u8,
    ) -> Result<Vec<u8>, frames::FrameError> {
        Ok(Vec::new())
    }

    fn drop(&mut self, _: Resource<frames::Frame>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl models::Host for Host {}

impl models::HostModel for Host {
    fn open(&mut self, _: String) -> Result<Resource<models::Model>, models::ModelError> {
        Ok(Resource::new_own(0))
    }

    fn labels(&mut self, _: Resource<models::Model>) -> Vec<String> {
        LABELS.map(str::to_owned).to_vec()
    }

    fn detect(
        &mut self,
        _: Resource<models::Model>,
        _: Resource<frames::Frame>,
        _: Option<frames::Region>,
        _: Option<f32>,
    ) -> Result<Vec<models::Detection>, models::ModelError> {
        Ok(self.scenes[self.frame % self.scenes.len()].clone())
    }

    fn classify(
        &mut self,
        _: Resource<models::Model>,
        _: Resource<frames::Frame>,
        _: Option<frames::Region>,
        _: u32,
    ) -> Result<Vec<models::ClassScore>, models::ModelError> {
        Ok(Vec::new())
    }

    fn keypoints(
        &mut self,
        _: Resource<models::Model>,
        _: Resource<frames::Frame>,
        _: Option<frames::Region>,
        _: Option<f32>,
    ) -> Result<Vec<models::Pose>, models::ModelError> {
        Ok(Vec::new())
    }

    fn points(&mut self, _: Resource<models::Model>) -> Vec<String> {
        Vec::new()
    }

    fn embed(
        &mut self,
        _: Resource<models::Model>,
        _: Resource<frames::Frame>,
        _: Option<frames::Region>,
    ) -> Result<Vec<f32>, models::ModelError> {
        Ok(Vec::new())
    }

    fn segment(
        &mut self,
        _: Resource<models::Model>,
        _: Resource<frames::Frame>,
        _: Option<frames::Region>,
    ) -> Result<models::ClassMap, models::ModelError> {
        Err(models::ModelError::Busy)
    }

    fn infer(
        &mut self,
        _: Resource<models::Model>,
        _: Resource<frames::Frame>,
        _: Option<frames::Region>,
    ) -> Result<Vec<models::Tensor>, models::ModelError> {
        Ok(Vec::new())
    }

    fn drop(&mut self, _: Resource<models::Model>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl events::Host for Host {
    fn publish(&mut self, event: events::Event) -> Result<(), events::EventError> {
        self.events.push(event);
        Ok(())
    }
}

impl marks::Host for Host {
    fn watched(&mut self) -> bool {
        self.watched
    }

    fn box_(&mut self, at: frames::Region, caption: String, color: marks::Color) {
        self.boxes.push((at, caption, color));
    }

    fn line(&mut self, _: marks::Point, _: marks::Point, _: marks::Color) {}

    fn polygon(&mut self, _: Vec<marks::Point>, _: marks::Color) {}

    fn label(&mut self, _: marks::Point, _: String, _: marks::Color) {}
}

impl metrics::Host for Host {
    fn add(&mut self, name: String, value: f64) {
        *self.metrics.entry(name).or_default() += value;
    }

    fn set(&mut self, name: String, value: f64) {
        self.metrics.insert(name, value);
    }
}

impl log::Host for Host {
    fn write(&mut self, _: log::Level, _: String) {}
}

impl storage::Host for Host {
    fn get(&mut self, _: String) -> Result<Option<Vec<u8>>, storage::StorageError> {
        Ok(None)
    }

    fn put(&mut self, _: String, _: Vec<u8>) -> Result<(), storage::StorageError> {
        Ok(())
    }

    fn delete(&mut self, _: String) -> Result<bool, storage::StorageError> {
        Ok(false)
    }

    fn list(&mut self, _: String, _: Option<String>, _: u32) -> Result<Vec<String>, storage::StorageError> {
        Ok(Vec::new())
    }
}

impl http::Host for Host {
    fn send(&mut self, _: http::Request) -> Result<http::Response, http::HttpError> {
        Err(http::HttpError::Busy)
    }
}
