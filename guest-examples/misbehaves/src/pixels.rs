//! Reads a frame in many shapes.

use transom_sdk::{Event, Fit, Frame, FrameError, FrameInfo, PixelFormat, Region, Shape};

/// As thin as a thread: the same region as a wide JPEG would be taller than any picture may be.
const THREAD: Region = Region { l: 0.1, t: 0.1, w: 0.001, h: 0.9 };
const REGIONS: [Option<Region>; 5] = [
    None,
    Some(Region { l: 0.25, t: 0.25, w: 0.5, h: 0.5 }),
    Some(Region { l: 0.9, t: -0.5, w: 0.5, h: 3.0 }), // partly outside: cut off
    Some(THREAD),
    Some(Region::WHOLE),
];
const SIZES: [(u32, u32); 7] = [(1, 1), (3, 2), (64, 64), (353, 127), (200, 150), (8192, 1), (1, 8192)];
const FORMATS: [PixelFormat; 3] = [PixelFormat::Rgb8, PixelFormat::Bgr8, PixelFormat::Gray8];
const FITS: [Fit; 3] = [Fit::Stretch, Fit::Letterbox, Fit::Crop];

/// Publishes `pixels` {reads, bytes, checksum, jpeg-bytes}.
pub(crate) fn read(frame: &Frame, info: &FrameInfo) -> Result<(), String> {
    let mut sums = Sums { reads: 0, bytes: 0, checksum: 0x811c_9dc5 };
    for region in REGIONS {
        for (width, height) in SIZES {
            for format in FORMATS {
                for fit in FITS {
                    sums.take(frame, region, Shape { width, height, fit, format })?;
                }
            }
        }
    }
    let own = Shape { width: info.width, height: info.height, fit: Fit::Stretch, format: PixelFormat::Rgb8 };
    sums.take(frame, None, own)?;
    let jpeg_bytes = jpegs(frame)?;
    refused(frame)?;
    Event::new("pixels")
        .number("reads", sums.reads)
        .number("bytes", sums.bytes as f64)
        .number("checksum", sums.checksum)
        .number("jpeg-bytes", jpeg_bytes as f64)
        .publish()?;
    Ok(())
}

struct Sums {
    reads: u32,
    bytes: usize,
    /// FNV-1a over all pixels, four bytes a step: every pixel counts, and the deadline holds.
    checksum: u32,
}

impl Sums {
    fn take(&mut self, frame: &Frame, region: Option<Region>, shape: Shape) -> Result<(), String> {
        let pixels = frame.read(region, shape)?;
        let depth = if shape.format == PixelFormat::Gray8 { 1 } else { 3 };
        if pixels.len() != shape.width as usize * shape.height as usize * depth {
            return Err(format!("broken: {shape:?} came as {} bytes", pixels.len()));
        }
        self.reads += 1;
        self.bytes += pixels.len();
        let mix = |sum: u32, word: u32| (sum ^ word).wrapping_mul(0x0100_0193);
        let (words, rest) = pixels.as_chunks::<4>();
        self.checksum = words.iter().fold(self.checksum, |sum, word| mix(sum, u32::from_le_bytes(*word)));
        self.checksum = rest.iter().fold(self.checksum, |sum, byte| mix(sum, u32::from(*byte)));
        Ok(())
    }
}

fn jpegs(frame: &Frame) -> Result<usize, String> {
    let mut bytes = 0;
    for region in REGIONS {
        for (width, quality) in [(0, 80), (1, 1), (320, 100)] {
            if region == Some(THREAD) && width == 320 {
                continue;
            }
            let jpeg = frame.jpeg(region, width, quality)?;
            if !(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9])) {
                return Err(format!("broken: {} bytes that are no JPEG", jpeg.len()));
            }
            bytes += jpeg.len();
        }
    }
    Ok(bytes)
}

/// What the WIT says is refused.
fn refused(frame: &Frame) -> Result<(), String> {
    let shape = Shape { width: 16, height: 16, fit: Fit::Stretch, format: PixelFormat::Rgb8 };
    let whole = Region::WHOLE;
    let regions = [
        Region { l: f32::NAN, ..whole },
        Region { w: f32::INFINITY, ..whole },
        Region { l: 1.5, ..whole },
        Region { w: -0.5, ..whole },
        Region { h: 0.0, ..whole },
    ];
    for region in regions {
        match frame.read(Some(region), shape) {
            Err(FrameError::BadRegion(_)) => {}
            other => return Err(format!("broken: region {region:?} gave {}", brief(&other))),
        }
        match frame.jpeg(Some(region), 16, 80) {
            Err(FrameError::BadRegion(_)) => {}
            other => return Err(format!("broken: region {region:?} as JPEG gave {}", brief(&other))),
        }
    }
    for (width, height) in [(0, 16), (16, 0), (8193, 1), (8192, 8192), (u32::MAX, u32::MAX)] {
        match frame.read(None, Shape { width, height, ..shape }) {
            Err(FrameError::BadShape(_)) => {}
            other => return Err(format!("broken: {width}x{height} gave {}", brief(&other))),
        }
    }
    for (region, width, quality) in [(whole, 8193, 80), (whole, 16, 0), (whole, 16, 101), (THREAD, 8192, 80)]
    {
        match frame.jpeg(Some(region), width, quality) {
            Err(FrameError::BadShape(_)) => {}
            other => return Err(format!("broken: JPEG of {width} at {quality} gave {}", brief(&other))),
        }
    }
    Ok(())
}

fn brief(answer: &Result<Vec<u8>, FrameError>) -> String {
    match answer {
        Ok(pixels) => format!("{} bytes", pixels.len()),
        Err(error) => format!("{error:?}"),
    }
}
