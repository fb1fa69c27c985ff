//! Tensors in NumPy's `.npy` files (NumPy Enhancement Proposal 1, versions 1 to 3).

use std::path::Path;

use crate::base::{Error, Result, read_file};
use crate::model::tensor::{Array, Element, Values, shown};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// A header beyond this is no tensor's.
const MOST_HEADER: usize = 64 << 10;
/// Most axes; NumPy's own bound.
const MOST_AXES: usize = 64;

/// Reads a tensor. Errors name the file and what of it this command does not take.
pub(super) fn read(path: &Path) -> Result<Array> {
    let wrong = |why: String| Error::usage(format!("{}: {why}", path.display()));
    let bytes = read_file(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    parse(&bytes).map_err(wrong)
}

/// Writes a tensor, C order, little endian. Where that fails half way, no half file stays.
pub(super) fn write(path: &Path, array: &Array) -> Result<()> {
    std::fs::write(path, bytes(array)).map_err(|error| {
        if path.is_file() {
            let _ = std::fs::remove_file(path);
        }
        Error::sink(format!("{}: cannot be written: {error}", path.display()))
    })
}

fn parse(file: &[u8]) -> Result<Array, String> {
    let not_npy = || "it is not a .npy file; `numpy.save` writes them".to_owned();
    let cut = || "the file is cut short".to_owned();
    if !file.starts_with(MAGIC) {
        return Err(not_npy());
    }
    let (length, start) = match file.get(6..12) {
        Some(&[1, _, a, b, ..]) => (usize::from(u16::from_le_bytes([a, b])), 10),
        Some(&[2 | 3, _, a, b, c, d]) => (u32::from_le_bytes([a, b, c, d]) as usize, 12),
        Some(&[version, ..]) => return Err(format!("it is of .npy version {version}; 1 to 3 are known")),
        _ => return Err(cut()),
    };
    if length > MOST_HEADER {
        return Err("its header is too long for a tensor's".to_owned());
    }
    let header = file.get(start..start + length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| not_npy())?;
    let field = |name: &str| {
        let after = header.split_once(&format!("'{name}':")).map(|(_, after)| after.trim_start());
        after.ok_or_else(|| format!("its header has no `{name}`"))
    };
    let (element, big) = kind(field("descr")?)?;
    let first_axis_fastest = field("fortran_order")?.starts_with("True");
    let shape = shape(field("shape")?)?;
    let count = shape.iter().try_fold(1usize, |all, axis| all.checked_mul(*axis));
    let wanted = count.and_then(|count| count.checked_mul(element.size()));
    let data = &file[start + length..];
    if wanted != Some(data.len()) {
        return Err(format!(
            "it says {} of {}, and holds {} bytes of values",
            shown(&shape),
            element.as_str(),
            data.len()
        ));
    }
    let turned = first_axis_fastest.then(|| last_axis_fastest(data, &shape, element.size()));
    Ok(Array { values: values(element, turned.as_deref().unwrap_or(data), big), shape })
}

/// Values of `size` bytes that lie with the first axis fastest, as Fortran has them, in the order of tensors.
fn last_axis_fastest(data: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut turned = Vec::with_capacity(data.len());
    let mut place = vec![0; shape.len()];
    while turned.len() < data.len() {
        let at = place.iter().zip(shape).rev().fold(0, |at, (index, axis)| at * axis + index);
        turned.extend_from_slice(&data[at * size..][..size]);
        for (index, axis) in place.iter_mut().zip(shape).rev() {
            *index += 1;
            if *index < *axis {
                break;
            }
            *index = 0;
        }
    }
    turned
}

/// `'<f4'`: byte order, kind, size. Structured types and strings have other forms.
fn kind(descr: &str) -> Result<(Element, bool), String> {
    let name = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(name, _)| name);
    let name = name.ok_or_else(|| "its values are records; a tensor holds numbers".to_owned())?;
    let big = name.starts_with('>');
    let element = match name.trim_start_matches(['<', '>', '=', '|']) {
        "f4" => Element::Float32,
        "f2" => Element::Float16,
        "f8" => Element::Float64,
        "i1" => Element::Int8,
        "i2" => Element::Int16,
        "i4" => Element::Int32,
        "i8" => Element::Int64,
        "u1" => Element::Uint8,
        "u2" => Element::Uint16,
        "u4" => Element::Uint32,
        "u8" => Element::Uint64,
        "b1" => Element::Bool,
        _ => return Err(format!("its values are of type `{name}`; a tensor holds numbers or truth values")),
    };
    Ok((element, big))
}

/// `(1, 3, 224, 224)`, `(5,)`, `()`.
fn shape(text: &str) -> Result<Vec<usize>, String> {
    let wrong = || "its header's `shape` is not a list of sizes".to_owned();
    let inside = text.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or_else(wrong)?.0;
    let sizes = inside.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape: Vec<usize> = sizes.map(|size| size.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    if shape.len() > MOST_AXES { Err(wrong()) } else { Ok(shape) }
}

fn values(element: Element, data: &[u8], big: bool) -> Values {
    macro_rules! numbers {
        ($case:ident, $type:ty) => {{
            let one = |bytes: &[u8]| {
                let mut own = [0; size_of::<$type>()];
                own.copy_from_slice(bytes);
                if big { <$type>::from_be_bytes(own) } else { <$type>::from_le_bytes(own) }
            };
            Values::$case(data.chunks_exact(size_of::<$type>()).map(one).collect())
        }};
    }
    match element {
        Element::Float32 => numbers!(F32, f32),
        Element::Float16 => numbers!(F16, u16),
        Element::Float64 => numbers!(F64, f64),
        Element::Int8 => numbers!(I8, i8),
        Element::Int16 => numbers!(I16, i16),
        Element::Int32 => numbers!(I32, i32),
        Element::Int64 => numbers!(I64, i64),
        Element::Uint8 => Values::U8(data.to_vec()),
        Element::Uint16 => numbers!(U16, u16),
        Element::Uint32 => numbers!(U32, u32),
        Element::Uint64 => numbers!(U64, u64),
        Element::Bool => Values::Bool(data.iter().map(|byte| *byte != 0).collect()),
    }
}

fn bytes(array: &Array) -> Vec<u8> {
    let (descr, data) = match &array.values {
        Values::F32(values) => ("<f4", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Values::F16(values) => ("<f2", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Values::F64(values) => ("<f8", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Values::I8(values) => ("|i1", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Values::I16(values) => ("<i2", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Values::I32(values) => ("<i4", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Values::I64(values) => ("<i8", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Values::U8(values) => ("|u1", values.clone()),
        Values::U16(values) => ("<u2", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Values::U32(values) => ("<u4", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Values::U64(values) => ("<u8", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Values::Bool(values) => ("|b1", values.iter().map(|value| u8::from(*value)).collect::<Vec<u8>>()),
    };
    let sizes: String = array.shape.iter().map(|size| format!("{size}, ")).collect();
    let sizes = if array.shape.len() == 1 { sizes.trim_end() } else { sizes.trim_end_matches(", ") };
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Values begin at a multiple of 64 bytes; the header ends with a line feed.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut file = Vec::with_capacity(10 + length + data.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&[1, 0]);
    file.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    file.resize(10 + length - 1, b' ');
    file.push(b'\n');
    file.extend_from_slice(&data);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_comes_back_as_it_was_written() {
        let cases = [
            Values::F32(vec![1.5, f32::NAN, -0.0]),
            Values::F16(vec![0x3c00, 1, 0xffff]),
            Values::F64(vec![1e300, -2.5, 0.0]),
            Values::I8(vec![-128, 0, 127]),
            Values::I16(vec![-300, 0, 300]),
            Values::I32(vec![i32::MIN, 0, i32::MAX]),
            Values::I64(vec![i64::MIN, 0, i64::MAX]),
            Values::U8(vec![0, 1, 255]),
            Values::U16(vec![0, 1, 65535]),
            Values::U32(vec![0, 1, u32::MAX]),
            Values::U64(vec![0, 1, u64::MAX]),
            Values::Bool(vec![true, false, true]),
        ];
        for values in cases {
            for shape in [vec![3], vec![1, 3], vec![3, 1, 1]] {
                let array = Array { shape, values: values.clone() };
                let file = bytes(&array);
                let back = parse(&file).unwrap();
                assert_eq!((back.shape.clone(), bytes(&back)), (array.shape, file));
            }
        }
        let one = Array { shape: vec![], values: Values::F32(vec![7.0]) };
        assert_eq!(parse(&bytes(&one)).unwrap(), one);
    }

    /// As `numpy.save` of NumPy 2.4 wrote it: `numpy.arange(3, dtype='>i2')`.
    #[test]
    fn numpys_own_file_is_read_also_big_endian() {
        let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        file.extend(
            format!("{:<117}\n", "{'descr': '>i2', 'fortran_order': False, 'shape': (3,), }").bytes(),
        );
        file.extend([0, 0, 0, 1, 0, 2]);
        assert_eq!(parse(&file).unwrap(), Array { shape: vec![3], values: Values::I16(vec![0, 1, 2]) });
    }

    /// `numpy.asfortranarray(x)` of numbers that count along the last axis.
    #[test]
    fn values_in_fortran_order_are_turned() {
        let counted = |values| Array { shape: vec![2, 3, 2], values: Values::U8(values) };
        let mut file = bytes(&counted(vec![0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]));
        let at = file.windows(5).position(|part| part == b"False").unwrap();
        file.splice(at..at + 5, *b"True ");
        assert_eq!(parse(&file).unwrap(), counted((0..12).collect()));
    }

    #[test]
    fn what_is_no_tensor_is_said() {
        let file = bytes(&Array { shape: vec![2, 3], values: Values::F32(vec![0.0; 6]) });
        let said = |from: &str, to: &str| {
            let at = file.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
            let mut other = file.clone();
            other.splice(at..at + from.len(), to.bytes());
            parse(&other).unwrap_err()
        };
        assert_eq!(said("(2, 3)", "(2, 4)"), "it says 2x4 of float32, and holds 24 bytes of values");
        assert!(said("(2, 3)", "(2;3,)").contains("not a list of sizes"));
        assert!(said("<f4", "<U4").contains("type `<U4`"));
        assert!(parse(b"PK\x03\x04").unwrap_err().contains("not a .npy file"));
        for end in 0..file.len() {
            parse(&file[..end]).unwrap_err();
        }
    }
}
