//! External data: weights in files beside the model. A model may name files of its own folder only. The
//! optional `checksum` is not looked at; `sha256` in `model.toml` is of the model's file alone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

use crate::base::Error;

use super::proto::{ModelProto, TensorProto};
use super::tensors::Place;
use super::{escaped, quoted, tensors};

/// All that is read for one model.
const LARGEST: u64 = 2 << 30;

/// Where a tensor's values lie.
struct Wanted<'a> {
    place: Place<'a>,
    tensor: &'a TensorProto,
    location: &'a str,
    offset: u64,
    length: u64,
}

impl Wanted<'_> {
    /// The tensor, for people.
    fn shown(&self) -> String {
        self.place.shown(self.tensor)
    }
}

/// A file and what of it is wanted.
struct Part {
    path: PathBuf,
    /// Of the whole file.
    size: u64,
    start: u64,
    end: u64,
    bytes: Bytes,
}

/// Replaces all external data by what `folder` holds of them, each file read at most once; gives what was read, in
/// the order of the tensors.
pub(super) fn read_in(model: &mut ModelProto, folder: &Path) -> Result<Vec<Bytes>, Error> {
    let mut wanted = Vec::new();
    tensors::each(model, &mut |place, tensor| {
        if tensor.data_location == 1 {
            let one = want(place, tensor);
            wanted.push(one.map_err(|why| Error::model(format!("{} {why}", place.shown(tensor))))?);
        }
        Ok(())
    })?;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut parts: BTreeMap<&str, Part> = BTreeMap::new();
    for one in &wanted {
        let part = match parts.entry(one.location) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(find(folder, one)?),
        };
        let end = one.offset.checked_add(one.length).filter(|end| *end <= part.size).ok_or_else(|| {
            Error::model(format!(
                "{}: bytes {} to {} of external data {} are wanted, but that has {}",
                one.shown(),
                one.offset,
                one.offset.saturating_add(one.length),
                quoted(one.location),
                part.size
            ))
        })?;
        part.start = part.start.min(one.offset);
        part.end = part.end.max(end);
    }
    let total =
        parts.values().try_fold(0u64, |total, part| total.checked_add(part.end.saturating_sub(part.start)));
    if total.is_none_or(|total| total > LARGEST) {
        return Err(Error::model(format!("its external data are larger than {} GiB", LARGEST >> 30)));
    }
    for (location, part) in &mut parts {
        part.bytes = read(part).map_err(|error| {
            Error::model(format!("external data {} cannot be read: {error}", quoted(location)))
        })?;
    }
    let slices: Vec<Option<Bytes>> = wanted
        .iter()
        .map(|one| {
            let part = parts.get(one.location)?;
            let start = usize::try_from(one.offset.checked_sub(part.start)?).ok()?;
            let end = start.checked_add(usize::try_from(one.length).ok()?)?;
            (end <= part.bytes.len()).then(|| part.bytes.slice(start..end))
        })
        .collect();
    drop(parts);
    let read = slices.iter().flatten().cloned().collect();
    let mut slices = slices.into_iter();
    tensors::each_mut(model, &mut |tensor| {
        if tensor.data_location == 1 {
            tensor.raw_data = slices.next().flatten().unwrap_or_default();
            tensor.external_data = Vec::new();
            tensor.data_location = 0;
        }
    });
    Ok(read)
}

/// What a tensor says of its external data. `length` may be left out; its shape says it then.
fn want<'a>(place: Place<'a>, tensor: &'a TensorProto) -> Result<Wanted<'a>, String> {
    let (_, length) = tensors::measure(tensor)?;
    let mut wanted = Wanted { place, tensor, location: "", offset: 0, length };
    let number = |key: &str, value: &str| {
        value
            .parse::<u64>()
            .map_err(|_| format!("says `{key}` {} of its external data, which is no size", quoted(value)))
    };
    for entry in &tensor.external_data {
        match entry.key.as_str() {
            "location" => wanted.location = &entry.value,
            "offset" => wanted.offset = number("offset", &entry.value)?,
            "length" => {
                let said = number("length", &entry.value)?;
                if said != length {
                    return Err(format!(
                        "says its external data are {said} bytes, but its shape takes {length}"
                    ));
                }
            }
            _ => {}
        }
    }
    if wanted.location.is_empty() {
        return Err("lies in external data but names no file".to_owned());
    }
    Ok(wanted)
}

/// The file a tensor names, if it is one inside `folder`, links followed.
fn find(folder: &Path, wanted: &Wanted<'_>) -> Result<Part, Error> {
    let location = quoted(wanted.location);
    let wrong =
        |why: String| Err(Error::model(format!("{}: external data {location} {why}", wanted.shown())));
    let relative = Path::new(wanted.location);
    let inside = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || wanted.location.contains('\\') {
        return wrong("lie outside the model's folder; a model may name files beside it only".to_owned());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let path = match folder.join(relative).canonicalize() {
        Ok(path) => path,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return wrong("are missing; put the file beside the model, under that name".to_owned());
        }
        Err(error) => return wrong(format!("cannot be found: {error}")),
    };
    match folder.canonicalize() {
        Ok(folder) if path.starts_with(&folder) => {}
        Ok(_) => return wrong("are a link out of the model's folder; put the file itself there".to_owned()),
        Err(error) => return wrong(format!("cannot be found: {error}")),
    }
    // Before it is opened: opening a pipe waits for its other end.
    match path.metadata() {
        Ok(data) if data.is_file() => {
            Ok(Part { path, size: data.len(), start: u64::MAX, end: 0, bytes: Bytes::new() })
        }
        Ok(_) => wrong("are not a file".to_owned()),
        Err(error) => wrong(format!("cannot be read: {error}")),
    }
}

fn read(part: &Part) -> Result<Bytes, String> {
    let length = part.end.saturating_sub(part.start);
    if length == 0 {
        return Ok(Bytes::new());
    }
    let text = |error: std::io::Error| escaped(&error.to_string(), 200);
    let mut file = File::open(&part.path).map_err(text)?;
    file.seek(SeekFrom::Start(part.start)).map_err(text)?;
    let mut bytes = Vec::new();
    let wanted = usize::try_from(length).map_err(|_| "it is too large".to_owned())?;
    bytes.try_reserve_exact(wanted).map_err(|_| format!("{length} bytes of memory are not to be had"))?;
    file.take(length).read_to_end(&mut bytes).map_err(text)?;
    if bytes.len() != wanted {
        return Err("it changed while it was read".to_owned());
    }
    Ok(Bytes::from(bytes))
}
