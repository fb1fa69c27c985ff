//! Tensors as ONNX files store them, in one of six lists or as raw bytes, and as [`Array`]s.

#[cfg(test)]
use bytes::Bytes;

use crate::base::Error;
use crate::model::tensor::{Array, Element, Values, shown};

use super::proto::{DataType, GraphProto, ModelProto, NodeProto, TensorProto};
use super::{Unheld, node_shown, quoted};

/// Tensors of other types that are listed; the rest is like them.
const MOST_LISTED: usize = 1000;

/// The largest axis there may be.
const LONGEST: i64 = i32::MAX as i64;

/// A stored type as one of ours.
pub(crate) fn element_of(data_type: i32) -> Option<Element> {
    Some(match DataType::try_from(data_type).ok()? {
        DataType::Float => Element::Float32,
        DataType::Float16 => Element::Float16,
        DataType::Double => Element::Float64,
        DataType::Int8 => Element::Int8,
        DataType::Int16 => Element::Int16,
        DataType::Int32 => Element::Int32,
        DataType::Int64 => Element::Int64,
        DataType::Uint8 => Element::Uint8,
        DataType::Uint16 => Element::Uint16,
        DataType::Uint32 => Element::Uint32,
        DataType::Uint64 => Element::Uint64,
        DataType::Bool => Element::Bool,
        _ => return None,
    })
}

#[cfg(test)]
fn data_type_of(element: Element) -> DataType {
    match element {
        Element::Float32 => DataType::Float,
        Element::Float16 => DataType::Float16,
        Element::Float64 => DataType::Double,
        Element::Int8 => DataType::Int8,
        Element::Int16 => DataType::Int16,
        Element::Int32 => DataType::Int32,
        Element::Int64 => DataType::Int64,
        Element::Uint8 => DataType::Uint8,
        Element::Uint16 => DataType::Uint16,
        Element::Uint32 => DataType::Uint32,
        Element::Uint64 => DataType::Uint64,
        Element::Bool => DataType::Bool,
    }
}

/// A stored type as a word.
pub(super) fn word(data_type: i32) -> &'static str {
    if let Some(element) = element_of(data_type) {
        return element.as_str();
    }
    match DataType::try_from(data_type) {
        Ok(DataType::String) => "string",
        Ok(DataType::Complex64) => "complex64",
        Ok(DataType::Complex128) => "complex128",
        Ok(DataType::Bfloat16) => "bfloat16",
        Ok(DataType::Float8e4m3fn) => "float8e4m3fn",
        Ok(DataType::Float8e4m3fnuz) => "float8e4m3fnuz",
        Ok(DataType::Float8e5m2) => "float8e5m2",
        Ok(DataType::Float8e5m2fnuz) => "float8e5m2fnuz",
        Ok(DataType::Float8e8m0) => "float8e8m0",
        Ok(DataType::Float4e2m1) => "float4e2m1",
        Ok(DataType::Uint4) => "uint4",
        Ok(DataType::Int4) => "int4",
        Ok(DataType::Uint2) => "uint2",
        Ok(DataType::Int2) => "int2",
        _ => "no type that ONNX has",
    }
}

/// Bits of one value in raw bytes. None: strings, and what is no type.
fn bits(data_type: DataType) -> Option<u64> {
    Some(match data_type {
        DataType::Undefined | DataType::String => return None,
        DataType::Uint2 | DataType::Int2 => 2,
        DataType::Uint4 | DataType::Int4 | DataType::Float4e2m1 => 4,
        DataType::Uint8
        | DataType::Int8
        | DataType::Bool
        | DataType::Float8e4m3fn
        | DataType::Float8e4m3fnuz
        | DataType::Float8e5m2
        | DataType::Float8e5m2fnuz
        | DataType::Float8e8m0 => 8,
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => 16,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 32,
        DataType::Double | DataType::Int64 | DataType::Uint64 | DataType::Complex64 => 64,
        DataType::Complex128 => 128,
    })
}

/// The lists a tensor may store its values in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Raw,
    Floats,
    Int32s,
    Strings,
    Int64s,
    Doubles,
    Uint64s,
}

impl List {
    fn shown(self) -> &'static str {
        match self {
            List::Raw => "raw_data",
            List::Floats => "float_data",
            List::Int32s => "int32_data",
            List::Strings => "string_data",
            List::Int64s => "int64_data",
            List::Doubles => "double_data",
            List::Uint64s => "uint64_data",
        }
    }
}

/// Where values of a type lie when not in raw bytes (`TensorProto` in onnx.proto).
fn list_of(data_type: DataType) -> List {
    match data_type {
        DataType::Float | DataType::Complex64 => List::Floats,
        DataType::Double | DataType::Complex128 => List::Doubles,
        DataType::Int64 => List::Int64s,
        DataType::Uint32 | DataType::Uint64 => List::Uint64s,
        DataType::String => List::Strings,
        _ => List::Int32s,
    }
}

/// How many values a shape holds.
fn values_in(dims: &[i64]) -> Result<u64, String> {
    if let Some(wrong) = dims.iter().find(|size| !(0..=LONGEST).contains(*size)) {
        return Err(format!("has an axis of {wrong}; it is between 0 and {LONGEST}"));
    }
    if dims.contains(&0) {
        return Ok(0);
    }
    dims.iter()
        .try_fold(1u64, |values, size| values.checked_mul(size.unsigned_abs()))
        .ok_or_else(|| "has a shape of more values than can be counted".to_owned())
}

fn axes(dims: &[i64]) -> String {
    let sizes: Vec<usize> = dims.iter().map(|size| usize::try_from(*size).unwrap_or(usize::MAX)).collect();
    if sizes.len() > 12 { format!("{} axes", sizes.len()) } else { shown(&sizes) }
}

/// Bytes that `values` values of a type take where they are raw.
fn raw_bytes(data_type: DataType, values: u64) -> Result<u64, String> {
    let bits = bits(data_type).ok_or("holds strings, which have no raw bytes")?;
    values
        .checked_mul(bits)
        .map(|bits| bits.div_ceil(8))
        .ok_or_else(|| "has a shape of more bytes than can be counted".to_owned())
}

/// Checks that a tensor holds what its shape says. Gives how many values, and for external data their bytes.
pub(super) fn measure(tensor: &TensorProto) -> Result<(u64, u64), String> {
    let data_type = DataType::try_from(tensor.data_type)
        .ok()
        .filter(|data_type| *data_type != DataType::Undefined)
        .ok_or_else(|| format!("is of type {}, which ONNX does not have", tensor.data_type))?;
    let values = values_in(&tensor.dims)?;
    let held = [
        (List::Raw, tensor.raw_data.len()),
        (List::Floats, tensor.float_data.len()),
        (List::Int32s, tensor.int32_data.len()),
        (List::Strings, tensor.string_data.len()),
        (List::Int64s, tensor.int64_data.len()),
        (List::Doubles, tensor.double_data.len()),
        (List::Uint64s, tensor.uint64_data.len()),
    ];
    let mut lists = held.into_iter().filter(|(_, many)| *many > 0);
    let (first, second) = (lists.next(), lists.next());
    let own = list_of(data_type);
    if let (Some((one, _)), Some((other, _))) = (first, second) {
        return Err(format!("stores its values twice, in `{}` and in `{}`", one.shown(), other.shown()));
    }
    match tensor.data_location {
        0 if !tensor.external_data.is_empty() => {
            return Err("names external data but says that its values are inside the file".to_owned());
        }
        0 => {}
        1 => {
            if let Some((list, _)) = first {
                return Err(format!("stores its values twice, in `{}` and in external data", list.shown()));
            }
            return Ok((values, raw_bytes(data_type, values)?));
        }
        other => return Err(format!("lies in data location {other}, which ONNX does not have")),
    }
    let word = word(tensor.data_type);
    match first {
        None if values == 0 => Ok((0, 0)),
        None => Err(format!("is declared as {word} {} but holds no values", axes(&tensor.dims))),
        Some((List::Raw, many)) => {
            let wanted = raw_bytes(data_type, values)?;
            if wanted != many as u64 {
                return Err(format!(
                    "is declared as {word} {}, which takes {wanted} bytes, but holds {many}",
                    axes(&tensor.dims)
                ));
            }
            Ok((values, wanted))
        }
        Some((list, _)) if list != own => {
            Err(format!("is of type {word} but stores its values in `{}`", list.shown()))
        }
        Some((list, many)) => {
            let wanted = match (data_type, bits(data_type)) {
                (DataType::Complex64 | DataType::Complex128, _) => values.checked_mul(2),
                // Two or four values in each number.
                (_, Some(small @ 2..=4)) => Some(values.div_ceil(8 / small)),
                _ => Some(values),
            };
            if wanted != Some(many as u64) {
                return Err(format!(
                    "is declared as {word} {} but holds {many} values in `{}`",
                    axes(&tensor.dims),
                    list.shown()
                ));
            }
            Ok((values, raw_bytes(data_type, values).unwrap_or(0)))
        }
    }
}

/// Most axes of a tensor; NumPy's bound.
const MOST_AXES: usize = 64;

/// Checks every tensor of a file. Gives those of types that no [`Array`] holds.
pub(super) fn measure_all(model: &ModelProto) -> Result<Vec<Unheld>, Error> {
    let mut unheld = Vec::new();
    each(model, &mut |place, tensor| {
        let at = || place.shown(tensor);
        if tensor.dims.len() > MOST_AXES {
            return Err(Error::model(format!(
                "{} has {} axes; it has {MOST_AXES} at most",
                at(),
                tensor.dims.len()
            )));
        }
        measure(tensor).map_err(|why| Error::model(format!("{} {why}", at())))?;
        if element_of(tensor.data_type).is_none() {
            if tensor.data_type == DataType::String as i32 && matches!(place, Place::Initializer) {
                return Err(Error::model(format!(
                    "{} holds strings; a vision model takes numbers only",
                    at()
                )));
            }
            if unheld.len() < MOST_LISTED {
                unheld.push(Unheld { place: at(), element: word(tensor.data_type) });
            }
        }
        Ok(())
    })?;
    Ok(unheld)
}

/// Where in a file a tensor is.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Initializer,
    Attribute { at: usize, node: &'a NodeProto, name: &'a str },
}

impl Place<'_> {
    pub(super) fn shown(&self, tensor: &TensorProto) -> String {
        match self {
            Place::Initializer => format!("tensor {}", quoted(&tensor.name)),
            Place::Attribute { at, node, name } => {
                format!("the tensor in attribute {} of {}", quoted(name), node_shown(*at, node))
            }
        }
    }
}

/// Calls `take` with every tensor of a file, in the order of [`each_mut`].
pub(super) fn each<'a>(
    model: &'a ModelProto,
    take: &mut impl FnMut(Place<'a>, &'a TensorProto) -> Result<(), Error>,
) -> Result<(), Error> {
    if let Some(graph) = &model.graph {
        each_of_graph(graph, take)?;
    }
    model.functions.iter().try_for_each(|function| each_of_nodes(&function.node, take))
}

fn each_of_graph<'a>(
    graph: &'a GraphProto,
    take: &mut impl FnMut(Place<'a>, &'a TensorProto) -> Result<(), Error>,
) -> Result<(), Error> {
    for tensor in &graph.initializer {
        take(Place::Initializer, tensor)?;
    }
    for sparse in &graph.sparse_initializer {
        for tensor in sparse.values.iter().chain(&sparse.indices) {
            take(Place::Initializer, tensor)?;
        }
    }
    each_of_nodes(&graph.node, take)
}

fn each_of_nodes<'a>(
    nodes: &'a [NodeProto],
    take: &mut impl FnMut(Place<'a>, &'a TensorProto) -> Result<(), Error>,
) -> Result<(), Error> {
    for (at, node) in nodes.iter().enumerate() {
        for attribute in &node.attribute {
            let place = Place::Attribute { at, node, name: &attribute.name };
            let sparse =
                attribute.sparse_tensor.iter().flat_map(|sparse| sparse.values.iter().chain(&sparse.indices));
            for tensor in attribute.t.iter().chain(&attribute.tensors).chain(sparse) {
                take(place, tensor)?;
            }
            for graph in attribute.g.iter().chain(&attribute.graphs) {
                each_of_graph(graph, take)?;
            }
        }
    }
    Ok(())
}

/// The same, to change them.
pub(super) fn each_mut(model: &mut ModelProto, take: &mut impl FnMut(&mut TensorProto)) {
    if let Some(graph) = &mut model.graph {
        each_of_graph_mut(graph, take);
    }
    for function in &mut model.functions {
        each_of_nodes_mut(&mut function.node, take);
    }
}

fn each_of_graph_mut(graph: &mut GraphProto, take: &mut impl FnMut(&mut TensorProto)) {
    graph.initializer.iter_mut().for_each(&mut *take);
    for sparse in &mut graph.sparse_initializer {
        sparse.values.iter_mut().chain(&mut sparse.indices).for_each(&mut *take);
    }
    each_of_nodes_mut(&mut graph.node, take);
}

fn each_of_nodes_mut(nodes: &mut [NodeProto], take: &mut impl FnMut(&mut TensorProto)) {
    for attribute in nodes.iter_mut().flat_map(|node| &mut node.attribute) {
        attribute.t.iter_mut().chain(&mut attribute.tensors).for_each(&mut *take);
        if let Some(sparse) = &mut attribute.sparse_tensor {
            sparse.values.iter_mut().chain(&mut sparse.indices).for_each(&mut *take);
        }
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            each_of_graph_mut(graph, take);
        }
    }
}

/// The values of a stored tensor. The error, for people, says what of it no [`Array`] can hold.
pub(crate) fn array_of(tensor: &TensorProto) -> Result<Array, String> {
    let within = |why: String| format!("tensor {} {why}", quoted(&tensor.name));
    measure(tensor).map_err(within)?;
    let element = element_of(tensor.data_type).ok_or_else(|| {
        within(format!("is of type {}, which nothing here computes with", word(tensor.data_type)))
    })?;
    if tensor.data_location == 1 {
        return Err(within("lies in external data that were not read in".to_owned()));
    }
    let raw = &tensor.raw_data[..];
    let stored = !raw.is_empty();
    let ints = &tensor.int32_data;
    // Lists hold small numbers in wider ones: the low bits are the value (onnx.proto, `int32_data`).
    let values = match element {
        Element::Float32 if stored => Values::F32(numbers(raw, f32::from_le_bytes)),
        Element::Float32 => Values::F32(tensor.float_data.clone()),
        Element::Float16 if stored => Values::F16(numbers(raw, u16::from_le_bytes)),
        Element::Float16 => Values::F16(ints.iter().map(|value| *value as u16).collect()),
        Element::Float64 if stored => Values::F64(numbers(raw, f64::from_le_bytes)),
        Element::Float64 => Values::F64(tensor.double_data.clone()),
        Element::Int8 if stored => Values::I8(numbers(raw, i8::from_le_bytes)),
        Element::Int8 => Values::I8(ints.iter().map(|value| *value as i8).collect()),
        Element::Int16 if stored => Values::I16(numbers(raw, i16::from_le_bytes)),
        Element::Int16 => Values::I16(ints.iter().map(|value| *value as i16).collect()),
        Element::Int32 if stored => Values::I32(numbers(raw, i32::from_le_bytes)),
        Element::Int32 => Values::I32(ints.clone()),
        Element::Int64 if stored => Values::I64(numbers(raw, i64::from_le_bytes)),
        Element::Int64 => Values::I64(tensor.int64_data.clone()),
        Element::Uint8 if stored => Values::U8(raw.to_vec()),
        Element::Uint8 => Values::U8(ints.iter().map(|value| *value as u8).collect()),
        Element::Uint16 if stored => Values::U16(numbers(raw, u16::from_le_bytes)),
        Element::Uint16 => Values::U16(ints.iter().map(|value| *value as u16).collect()),
        Element::Uint32 if stored => Values::U32(numbers(raw, u32::from_le_bytes)),
        Element::Uint32 => Values::U32(tensor.uint64_data.iter().map(|value| *value as u32).collect()),
        Element::Uint64 if stored => Values::U64(numbers(raw, u64::from_le_bytes)),
        Element::Uint64 => Values::U64(tensor.uint64_data.clone()),
        Element::Bool if stored => Values::Bool(raw.iter().map(|value| *value != 0).collect()),
        Element::Bool => Values::Bool(ints.iter().map(|value| *value != 0).collect()),
    };
    // `measure` has counted them, and no axis is negative or too long for a size.
    Ok(Array { shape: tensor.dims.iter().map(|size| *size as usize).collect(), values })
}

fn numbers<const BYTES: usize, T>(raw: &[u8], one: impl Fn([u8; BYTES]) -> T) -> Vec<T> {
    raw.as_chunks::<BYTES>().0.iter().map(|bytes| one(*bytes)).collect()
}

/// A tensor to be stored, its values in `raw_data`.
#[cfg(test)]
pub(crate) fn tensor_of(name: &str, array: &Array) -> TensorProto {
    fn raw<const BYTES: usize, T: Copy>(values: &[T], one: impl Fn(T) -> [u8; BYTES]) -> Bytes {
        Bytes::from(values.iter().flat_map(|value| one(*value)).collect::<Vec<u8>>())
    }
    let raw_data = match &array.values {
        Values::F32(values) => raw(values, f32::to_le_bytes),
        Values::F16(values) | Values::U16(values) => raw(values, u16::to_le_bytes),
        Values::F64(values) => raw(values, f64::to_le_bytes),
        Values::I8(values) => raw(values, i8::to_le_bytes),
        Values::I16(values) => raw(values, i16::to_le_bytes),
        Values::I32(values) => raw(values, i32::to_le_bytes),
        Values::I64(values) => raw(values, i64::to_le_bytes),
        Values::U8(values) => Bytes::copy_from_slice(values),
        Values::U32(values) => raw(values, u32::to_le_bytes),
        Values::U64(values) => raw(values, u64::to_le_bytes),
        Values::Bool(values) => raw(values, |value| [u8::from(value)]),
    };
    TensorProto {
        name: name.to_owned(),
        data_type: data_type_of(array.values.element()) as i32,
        dims: array.shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect(),
        raw_data,
        ..TensorProto::default()
    }
}
