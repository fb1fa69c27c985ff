//! `frames`: pixels and snapshots of the frame of the present call.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};

use super::Guest;
use crate::frame::{self, Frame};
use crate::plugin::bindings::transom::app::frames::{Fit, FrameError, PixelFormat, Region, Shape};
use crate::plugin::grants::Linked;

/// A frame as the plugin's handle stands for it.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct FrameHandle(Arc<Frame>);

/// Links the handle, and of its functions those that were granted. The generated `add_to_linker` knows only
/// all or nothing.
pub(in crate::plugin) fn link_frames(linker: &mut Linker<Guest>, linked: Linked) -> wasmtime::Result<()> {
    let mut frames = linker.instance("transom:app/frames@0.1.0")?;
    frames.resource(
        "frame",
        ResourceType::host::<FrameHandle>(),
        |mut store: StoreContextMut<'_, Guest>, rep| store.data_mut().take_back(Resource::new_own(rep)),
    )?;
    if linked.pixels {
        type Arguments = (Resource<FrameHandle>, Option<Region>, Shape);
        frames.func_wrap(
            "[method]frame.read",
            |store: StoreContextMut<'_, Guest>, (frame, region, shape): Arguments| {
                Ok((store.data().read(&frame, region, shape)?,))
            },
        )?;
    }
    if linked.jpeg {
        type Arguments = (Resource<FrameHandle>, Option<Region>, u32, u8);
        frames.func_wrap(
            "[method]frame.jpeg",
            |store: StoreContextMut<'_, Guest>, (frame, region, width, quality): Arguments| {
                Ok((store.data().jpeg(&frame, region, width, quality)?,))
            },
        )?;
    }
    Ok(())
}

impl Guest {
    pub(in crate::plugin) fn lend(&mut self, frame: &Arc<Frame>) -> wasmtime::Result<Resource<FrameHandle>> {
        Ok(self.table.push(FrameHandle(Arc::clone(frame)))?)
    }

    pub(in crate::plugin) fn take_back(&mut self, frame: Resource<FrameHandle>) -> wasmtime::Result<()> {
        self.table.delete(frame)?;
        Ok(())
    }

    pub(super) fn frame(&self, frame: &Resource<FrameHandle>) -> wasmtime::Result<&Arc<Frame>> {
        Ok(&self.table.get(frame)?.0)
    }

    fn read(
        &self,
        frame: &Resource<FrameHandle>,
        region: Option<Region>,
        shape: Shape,
    ) -> wasmtime::Result<Result<Vec<u8>, FrameError>> {
        let shape = frame::Shape {
            width: shape.width,
            height: shape.height,
            fit: match shape.fit {
                Fit::Stretch => frame::Fit::Stretch,
                Fit::Letterbox => frame::Fit::Letterbox,
                Fit::Crop => frame::Fit::Crop,
            },
            format: match shape.format {
                PixelFormat::Rgb8 => frame::PixelFormat::Rgb8,
                PixelFormat::Bgr8 => frame::PixelFormat::Bgr8,
                PixelFormat::Gray8 => frame::PixelFormat::Gray8,
            },
        };
        Ok(frame::picture(self.frame(frame)?, region.map(Into::into), shape)
            .map(|picture| picture.pixels.clone())
            .map_err(Into::into))
    }

    fn jpeg(
        &self,
        frame: &Resource<FrameHandle>,
        region: Option<Region>,
        width: u32,
        quality: u8,
    ) -> wasmtime::Result<Result<Vec<u8>, FrameError>> {
        Ok(frame::jpeg(self.frame(frame)?, region.map(Into::into), width, quality)
            .map(|jpeg| jpeg.to_vec())
            .map_err(Into::into))
    }
}

impl From<Region> for frame::Region {
    fn from(Region { l, t, w, h }: Region) -> Self {
        Self { l, t, w, h }
    }
}

impl From<frame::Region> for Region {
    fn from(frame::Region { l, t, w, h }: frame::Region) -> Self {
        Self { l, t, w, h }
    }
}

impl From<frame::PictureError> for FrameError {
    fn from(error: frame::PictureError) -> Self {
        match error {
            frame::PictureError::BadRegion(why) => FrameError::BadRegion(why),
            frame::PictureError::BadShape(why) => FrameError::BadShape(why),
        }
    }
}
