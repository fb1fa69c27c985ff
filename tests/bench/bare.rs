//! The peer for calls: the same component under wasmtime as it comes, with the plainest host functions that
//! do the work. No deadline, no memory meter, no cap on what crosses, no stamps, no counters.

use std::path::Path;

use wasmtime::component::{Component, HasData, Linker, Resource, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use bindings::transom::app::{events, frames, log, marks, metrics, models};

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

struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
    found: Vec<models::Detection>,
    labels: Vec<String>,
    watched: bool,
    events: Vec<events::Event>,
    boxes: Vec<(frames::Region, String, marks::Color)>,
}

impl Bare {
    pub(crate) fn start(
        component: &Path,
        found: &[transom::plugin::Detection],
        labels: &[&str],
        watched: bool,
    ) -> Self {
        let mut config = Config::new();
        // As Transom does; without it every call costs two to four times as much.
        config.concurrency_support(false);
        let engine = Engine::new(&config).expect("the engine starts");
        let component = Component::from_file(&engine, component).expect("the guest compiles");
        let mut linker = Linker::<Host>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).expect("WASI is linked");
        bindings::Plugin::add_to_linker::<Host, Host>(&mut linker, |host| host)
            .expect("the imports are linked");
        let region = |r: transom::frame::Region| frames::Region { l: r.l, t: r.t, w: r.w, h: r.h };
        let host = Host {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
            found: found
                .iter()
                .map(|d| models::Detection { label: d.label, score: d.score, box_: region(d.box_.into()) })
                .collect(),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            watched,
            events: Vec::new(),
            boxes: Vec::new(),
        };
        let models = [bindings::ModelInfo { name: "detector".to_owned(), labels: host.labels.clone() }];
        let cameras = [bindings::Camera {
            name: "camera".to_owned(),
            stream: 0,
            title: "Camera".to_owned(),
            max_fps: 0.0,
        }];
        let params =
            [bindings::Param { name: "threshold".to_owned(), value: bindings::ParamValue::Float(0.5) }];
        let mut store = Store::new(&engine, host);
        let exports =
            bindings::Plugin::instantiate(&mut store, &component, &linker).expect("the guest starts");
        let configured =
            exports.transom_app_lifecycle().call_configure(&mut store, &params, &cameras, &models);
        configured.expect("no trap").expect("the guest takes its params");
        Self { store, exports }
    }

    /// Hands over a frame and forgets what was said.
    pub(crate) fn on_frame(&mut self) {
        let info = frames::FrameInfo {
            camera: 0,
            sequence: 7,
            media_time_us: 280_000,
            captured_at_us: 1_700_000_000_000_000,
            width: 768,
            height: 432,
        };
        let frame = Resource::new_borrow(0);
        let answer = self.exports.transom_app_lifecycle().call_on_frame(&mut self.store, frame, info);
        answer.expect("no trap").expect("no complaint");
        let host = self.store.data_mut();
        assert_eq!(host.events.len(), 1);
        host.events.clear();
        host.boxes.clear();
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
        self.labels.clone()
    }

    fn detect(
        &mut self,
        _: Resource<models::Model>,
        _: Resource<frames::Frame>,
        _: Option<frames::Region>,
        _: Option<f32>,
    ) -> Result<Vec<models::Detection>, models::ModelError> {
        Ok(self.found.clone())
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
    fn add(&mut self, _: String, _: f64) {}

    fn set(&mut self, _: String, _: f64) {}
}

impl log::Host for Host {
    fn write(&mut self, _: log::Level, _: String) {}
}
