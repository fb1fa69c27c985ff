//! What `wit-bindgen` makes of `wit/`. The only unsafe code of this crate is generated here.
#![allow(unsafe_code, missing_docs, unreachable_pub, rust_2018_idioms, clippy::all)]

wit_bindgen::generate!({
    path: "../wit",
    world: "plugin",
    // An event borrows its texts: a hundred labels a frame cost no allocation.
    ownership: Borrowing { duplicate_if_necessary: false },
    // One type for a place in the picture, here and in the parts that never leave the plugin.
    with: {
        "transom:app/frames@0.1.0/region": crate::Region,
        "transom:app/marks@0.1.0/point": crate::Point,
        "transom:app/marks@0.1.0/color": crate::Color,
    },
    additional_derives: [PartialEq],
    pub_export_macro: true,
    export_macro_name: "export_lifecycle",
    default_bindings_module: "transom_sdk::bindings",
});

/// What a plugin that answers requests exports besides.
pub mod handler {
    wit_bindgen::generate!({
        path: "../wit",
        world: "handler",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_handler",
        default_bindings_module: "transom_sdk::bindings::handler",
    });
}
