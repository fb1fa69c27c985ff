//! `Plugin`, and `export!` which makes it a component.

use std::cell::RefCell;
use std::thread::LocalKey;

use crate::{Frame, FrameInfo, Setup};

/// What a vendor writes. The calls come one after another, never at once.
///
/// A panic ends this instance: the host counts a fault, starts the plugin again and configures it anew.
/// So return errors for what may happen, and panic for what may not.
pub trait Plugin: Sized {
    /// Called once, before the first frame.
    ///
    /// An error is a message for the owner and ends the plugin's start: say which param or model, and
    /// what is wrong with it.
    fn configure(setup: Setup) -> Result<Self, String>;

    /// Called once a frame, in capture order per camera. The frame's pixels stay with the host until
    /// they are read.
    ///
    /// An error is a message for the owner, counted; the next frame comes all the same.
    fn on_frame(&mut self, frame: &Frame, info: &FrameInfo) -> Result<(), String>;

    /// Called once, after the last frame. What is published here is still delivered.
    fn on_stop(&mut self) {}
}

/// Makes a [`Plugin`] the plugin of this component.
///
/// ```
/// # use transom_sdk::{Frame, FrameInfo, Plugin, Setup};
/// struct Idle;
///
/// impl Plugin for Idle {
///     fn configure(_: Setup) -> Result<Self, String> {
///         Ok(Idle)
///     }
///     fn on_frame(&mut self, _: &Frame, _: &FrameInfo) -> Result<(), String> {
///         Ok(())
///     }
/// }
///
/// transom_sdk::export!(Idle);
/// # fn main() {}
/// ```
///
/// A plugin that also answers requests implements [`Serve`](crate::Serve), and is exported with
/// `transom_sdk::export!(Idle, serve)`.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        $crate::export!(@ $plugin, );
    };
    ($plugin:ty, serve) => {
        $crate::export!(@ $plugin, {
            struct Handler;

            impl $crate::bindings::handler::exports::wasi::http::incoming_handler::Guest for Handler {
                fn handle(
                    request: $crate::bindings::handler::wasi::http::types::IncomingRequest,
                    out: $crate::bindings::handler::wasi::http::types::ResponseOutparam,
                ) {
                    $crate::serve::handle(&SLOT, request, out)
                }
            }

            $crate::bindings::handler::export_handler!(Handler with_types_in $crate::bindings::handler);
        });
    };
    (@ $plugin:ty, $($more:block)?) => {
        const _: () = {
            use $crate::bindings::exports::transom::app::lifecycle;

            ::std::thread_local! {
                static SLOT: $crate::slot::Slot<$plugin> = const { $crate::slot::empty() };
            }

            struct Lifecycle;

            impl lifecycle::Guest for Lifecycle {
                fn configure(
                    params: ::std::vec::Vec<lifecycle::Param>,
                    cameras: ::std::vec::Vec<lifecycle::Camera>,
                    models: ::std::vec::Vec<lifecycle::ModelInfo>,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::slot::configure(&SLOT, $crate::Setup::new(params, cameras, models))
                }

                fn on_frame(
                    frame: &$crate::Frame,
                    info: $crate::FrameInfo,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::slot::on_frame(&SLOT, frame, &info)
                }

                fn on_stop() {
                    $crate::slot::on_stop(&SLOT)
                }
            }

            $crate::bindings::export_lifecycle!(Lifecycle with_types_in $crate::bindings);
            $($more)?
        };
    };
}

/// Where `export!` keeps the one plugin of a component.
pub mod slot {
    use super::{Frame, FrameInfo, LocalKey, Plugin, RefCell, Setup};

    /// Empty until `configure` succeeds.
    pub type Slot<P> = RefCell<Option<P>>;

    /// A slot without a plugin.
    pub const fn empty<P>() -> Slot<P> {
        RefCell::new(None)
    }

    /// Configures the plugin and keeps it.
    pub fn configure<P: Plugin>(slot: &'static LocalKey<Slot<P>>, setup: Setup) -> Result<(), String> {
        let plugin = P::configure(setup)?;
        slot.set(Some(plugin));
        Ok(())
    }

    /// Hands the plugin a frame.
    pub fn on_frame<P: Plugin>(
        slot: &'static LocalKey<Slot<P>>,
        frame: &Frame,
        info: &FrameInfo,
    ) -> Result<(), String> {
        slot.with_borrow_mut(|plugin| match plugin {
            Some(plugin) => plugin.on_frame(frame, info),
            None => Err("the plugin was given a frame before it was configured".to_owned()),
        })
    }

    /// Tells the plugin that no frame follows.
    pub fn on_stop<P: Plugin>(slot: &'static LocalKey<Slot<P>>) {
        slot.with_borrow_mut(|plugin| {
            if let Some(plugin) = plugin {
                plugin.on_stop();
            }
        });
    }
}
