//! `transom model detect`: a model's answers about a picture or a recording.

use std::io::{BufWriter, ErrorKind, Read as _, StdoutLock, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::base::{Clock, Error, Result, Shutdown};
use crate::camera;
use crate::decoder::{Decoder, Picture};
use crate::frame::{self, Frame, Memo, Pool};
use crate::model::{Asker, Model, ModelKind};
use crate::sink::{Recording, painted, save_png};

use super::On;
use super::show::{self, Told};
use crate::cli::signals::stop_on_signal;
use crate::cli::terminal::Terminal;

/// Runs a model on every picture and prints what it answers, a line a picture.
#[derive(clap::Args)]
pub(super) struct Detect {
    /// The folder of a model.toml, or that file
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// A picture (JPEG, PNG) or a recording (MP4, Annex-B H.264)
    #[arg(value_name = "IMAGE|CLIP")]
    source: PathBuf,
    /// As JSON Lines
    #[arg(long)]
    json: bool,
    /// Draw the answers: a PNG of a picture, an MP4 of a recording
    #[arg(long, value_name = "OUT.png|OUT.mp4")]
    draw: Option<PathBuf>,
    /// Drop what scores lower, 0 to 1 [default: the model's own]
    #[arg(long, value_name = "SCORE", value_parser = score)]
    score: Option<f32>,
    /// End after so many pictures
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,
    #[command(flatten)]
    on: On,
}

fn score(text: &str) -> Result<f32, String> {
    let score: f32 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.0..=1.0).contains(&score) { Ok(score) } else { Err("a score is 0 to 1".to_owned()) }
}

impl Detect {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let is_still = is_still(&self.source)?;
        self.check_drawing(is_still)?;
        let Detect { model, source, json, draw, score, frames, on } = self;
        // A picture costs less to read than a model to load.
        let picture = is_still.then(|| camera::still(&source)).transpose()?;
        let model = Model::load(&model, &on.loading()?)?;
        let look = Look { model, asker: Asker::new("command line"), score };
        let mut out = Out { json, stdout: BufWriter::new(std::io::stdout().lock()) };
        if let Some(frame) = picture {
            let told = look.at(&frame)?;
            if let Some(path) = &draw {
                save_png(path, &painted(&frame, &told.marks, u32::MAX).map_err(Error::sink)?)?;
            }
            out.tell(&frame, &told, true)?;
        } else {
            clip(&source, &look, &mut out, draw.as_deref(), frames.unwrap_or(u64::MAX))?;
        }
        out.end()?;
        Ok(ExitCode::SUCCESS)
    }

    fn check_drawing(&self, is_still: bool) -> Result<()> {
        let Some(path) = &self.draw else { return Ok(()) };
        if is_same_file(path, &self.source) {
            return Err(Error::usage(format!(
                "`--draw {}` is the very file that is looked at; name another",
                path.display()
            )));
        }
        let wanted = if is_still { "png" } else { "mp4" };
        if path.extension().and_then(|kind| kind.to_str()).map(str::to_ascii_lowercase).as_deref()
            == Some(wanted)
        {
            return Ok(());
        }
        let what = if is_still { "a picture" } else { "a recording" };
        Err(Error::usage(format!("`--draw {}`: {what} is drawn as .{wanted}", path.display())))
    }
}

/// Whether two paths lead to one file, by whatever links.
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let place = |path: &Path| std::fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
    place(one).is_some_and(|one| place(other) == Some(one))
}

fn is_still(path: &Path) -> Result<bool> {
    let wrong = |error: std::io::Error| {
        let why =
            if error.kind() == ErrorKind::NotFound { "is not there".to_owned() } else { error.to_string() };
        Error::source(format!("{}: {why}", path.display()))
    };
    // What is no file is not opened: a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(wrong)?.is_file() {
        return Ok(false);
    }
    let mut head = [0; 12];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut head)).map_err(wrong)?;
    let head = &head[..read];
    let named = |name: &[u8; 4]| head.get(8..12).is_some_and(|at| at == name);
    let is_webp = head.starts_with(b"RIFF") && named(b"WEBP");
    let is_heif =
        head.get(4..8) == Some(b"ftyp") && [b"heic", b"heix", b"mif1", b"avif"].into_iter().any(named);
    let is_other = [&b"BM"[..], b"GIF8", b"II*\0", b"MM\0*"].iter().any(|other| head.starts_with(other));
    if is_other || is_webp || is_heif {
        return Err(Error::source(format!(
            "{}: pictures are read as JPEG or PNG; convert this one",
            path.display()
        )));
    }
    Ok(frame::is_still(head))
}

/// Asks a model about frames.
struct Look {
    model: Model,
    asker: Asker,
    score: Option<f32>,
}

impl Look {
    fn at(&self, frame: &Frame) -> Result<Told> {
        let Look { model, asker, score } = self;
        let wrong =
            |error: crate::frame::AskError| Error::model(format!("model `{}`: {error}", model.name()));
        Ok(match model.kind() {
            ModelKind::Detector => {
                show::detections(&model.detect(asker, frame, None, *score).map_err(wrong)?, model.labels())
            }
            ModelKind::Keypoints => {
                let poses = model.keypoints(asker, frame, None, *score).map_err(wrong)?;
                show::poses(&poses, model.labels(), model.points(), model.skeleton())
            }
            ModelKind::Classifier => {
                show::classes(&model.classify(asker, frame, None, 5).map_err(wrong)?, model.labels())
            }
            ModelKind::Embedding => show::embedding(&model.embed(asker, frame, None).map_err(wrong)?.values),
            ModelKind::Segmentation => {
                show::segments(&*model.segment(asker, frame, None).map_err(wrong)?, model.labels())
            }
            ModelKind::Raw => show::tensors(&model.infer(asker, frame, None).map_err(wrong)?),
        })
    }
}

/// Answers on their way to standard output.
struct Out<'a> {
    json: bool,
    stdout: BufWriter<StdoutLock<'a>>,
}

impl Out<'_> {
    /// Says what was found; whether anyone still listens.
    fn tell(&mut self, frame: &Frame, told: &Told, is_still: bool) -> Result<bool> {
        let written = if self.json {
            let mut line = json!({
                "frame": frame.sequence,
                "time_us": frame.media_time_us,
                "width": frame.width(),
                "height": frame.height(),
            });
            line[told.what] = told.json.clone();
            writeln!(self.stdout, "{line}")
        } else if is_still {
            writeln!(self.stdout, "{}", told.words)
        } else {
            let at = frame.media_time_us as f64 / 1e6;
            let words = told.words.replace('\n', "; ");
            writeln!(self.stdout, "frame {} at {at:.3} s: {words}", frame.sequence)
        };
        heard(written)
    }

    fn end(mut self) -> Result<bool> {
        heard(self.stdout.flush())
    }
}

/// A reader who has seen enough is no error.
fn heard(written: std::io::Result<()>) -> Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::sink(format!("standard output: {error}"))),
    }
}

/// Reads a recording to its end, or for so many pictures.
fn clip(path: &Path, look: &Look, out: &mut Out<'_>, draw: Option<&Path>, most: u64) -> Result<()> {
    let shutdown = Shutdown::default();
    stop_on_signal(&shutdown)?;
    let options =
        camera::Options { location: path.to_string_lossy().into_owned(), ..camera::Options::default() };
    let mut source = camera::open(&options, Clock::system(), &shutdown, &Terminal::new(true).notices())?;
    let mut recording = draw.map(Recording::create).transpose()?;
    let mut decoder = Decoder::new(Pool::default());
    let (mut seen, mut pictures) = (0, Vec::new());
    let mut ended = false;
    while !ended && !shutdown.is_stopped() {
        match source.next()? {
            Some(unit) => decoder.decode(&unit, 1, &mut |picture| pictures.push(picture))?,
            None => {
                decoder.flush(&mut |picture| pictures.push(picture));
                ended = true;
            }
        }
        for picture in pictures.drain(..) {
            let frame = of(picture);
            let told = look.at(&frame)?;
            if let Some(recording) = &mut recording {
                let drawn = painted(&frame, &told.marks, WIDEST).map_err(Error::sink)?;
                recording.add(&drawn, frame.media_time_us)?;
            }
            seen += 1;
            ended |= !out.tell(&frame, &told, false)? || seen >= most;
            if ended {
                break;
            }
        }
    }
    if seen == 0 {
        return Err(Error::source(format!("{}: not one picture could be decoded", path.display())));
    }
    recording.map_or(Ok(()), Recording::finish)
}

/// What an MP4 file of ours holds at most.
const WIDEST: u32 = 1920;

fn of(picture: Picture) -> Frame {
    Frame {
        sequence: picture.sequence,
        media_time_us: picture.pts_us,
        captured_at_us: picture.captured_at_us,
        planes: picture.planes,
        color: picture.color,
        memo: Memo::default(),
    }
}
