//! Picture memory that is used again: a decoder fills a buffer, the last holder of the frame gives it back.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Buffers kept for reuse; more than this many free ones are given back to the system.
const KEPT: usize = 32;

/// Gives out [`Planes`] and takes their memory back. Clones share the memory.
#[derive(Clone, Default)]
pub struct Pool {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A picture in planar YUV, 8 bits, rows without padding: `width x height` of Y, then U and V in one buffer.
/// Video is 4:2:0: U and V have `ceil(width / 2) x ceil(height / 2)` each. Stills are 4:4:4: U and V are as
/// large as Y.
pub struct Planes {
    buffer: Vec<u8>,
    width: u32,
    height: u32,
    /// Whether U and V have half the columns and rows.
    halved: bool,
    home: Weak<Mutex<Vec<Vec<u8>>>>,
}

impl Pool {
    /// A 4:2:0 picture of this size whose pixels are whatever was there before.
    pub fn take(&self, width: u32, height: u32) -> Planes {
        let size = {
            let (width, height) = (width as usize, height as usize);
            width * height + 2 * width.div_ceil(2) * height.div_ceil(2)
        };
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = free.pop().unwrap_or_default();
        drop(free);
        buffer.resize(size, 0);
        Planes { buffer, width, height, halved: true, home: Arc::downgrade(&self.free) }
    }
}

impl Planes {
    /// A 4:4:4 picture, black and green until filled, of no pool.
    pub fn full(width: u32, height: u32) -> Planes {
        let buffer = vec![0; 3 * width as usize * height as usize];
        Planes { buffer, width, height, halved: false, home: Weak::new() }
    }

    /// Width of Y in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height of Y in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width of U and of V.
    pub fn chroma_width(&self) -> u32 {
        if self.halved { self.width.div_ceil(2) } else { self.width }
    }

    /// Height of U and of V.
    pub fn chroma_height(&self) -> u32 {
        if self.halved { self.height.div_ceil(2) } else { self.height }
    }

    /// Whether U and V have half the columns and rows of Y: 4:2:0.
    pub fn is_halved(&self) -> bool {
        self.halved
    }

    /// All of it, Y then U then V: what others call I420 or `yuv420p` rawvideo, and `yuv444p` for stills.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    fn cuts(&self) -> (usize, usize) {
        let luma = self.width as usize * self.height as usize;
        (luma, luma + self.chroma_width() as usize * self.chroma_height() as usize)
    }

    /// The planes Y, U and V.
    pub fn yuv(&self) -> [&[u8]; 3] {
        let (u, v) = self.cuts();
        [&self.buffer[..u], &self.buffer[u..v], &self.buffer[v..]]
    }

    /// The planes Y, U and V, to be filled.
    pub fn yuv_mut(&mut self) -> [&mut [u8]; 3] {
        let (u, v) = self.cuts();
        let (y, chroma) = self.buffer.split_at_mut(u);
        let (u, v) = chroma.split_at_mut(v - u);
        [y, u, v]
    }
}

impl Drop for Planes {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            let mut free = home.lock().unwrap_or_else(PoisonError::into_inner);
            if free.len() < KEPT {
                free.push(std::mem::take(&mut self.buffer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_picture_is_used_again() {
        let pool = Pool::default();
        let first = pool.take(64, 48);
        let at = first.bytes().as_ptr();
        drop(first);
        assert_eq!(pool.take(64, 48).bytes().as_ptr(), at);
    }

    #[test]
    fn odd_sizes_round_their_chroma_up() {
        let mut planes = Pool::default().take(5, 3);
        assert_eq!(planes.bytes().len(), 15 + 2 * 6);
        let [y, u, v] = planes.yuv_mut();
        assert_eq!((y.len(), u.len(), v.len()), (15, 6, 6));
    }
}
