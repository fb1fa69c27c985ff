//! The host's side of `wit/`, generated.

#![allow(missing_docs, unreachable_pub, reason = "generated; the documentation is in wit/")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    imports: { default: trappable },
    with: {
        "transom:app/frames.frame": super::guest::FrameHandle,
        "transom:app/models.model": super::guest::ModelHandle,
    },
});

pub use exports::transom::app::lifecycle::{Camera, ModelInfo, Param, ParamValue};
