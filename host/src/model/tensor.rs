//! Tensors of any element type, as back ends take and give them.

use serde::{Deserialize, Serialize};

/// Type of a tensor's values, named as in `model.toml` and in NumPy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary16.
    Float16,
    /// IEEE 754 binary64.
    Float64,
    /// 8 bits, signed.
    Int8,
    /// 16 bits, signed.
    Int16,
    /// 32 bits, signed.
    Int32,
    /// 64 bits, signed.
    Int64,
    /// 8 bits, unsigned.
    Uint8,
    /// 16 bits, unsigned.
    Uint16,
    /// 32 bits, unsigned.
    Uint32,
    /// 64 bits, unsigned.
    Uint64,
    /// True or false.
    Bool,
}

impl Element {
    /// The type as a word: `float32`.
    pub fn as_str(self) -> &'static str {
        match self {
            Element::Float32 => "float32",
            Element::Float16 => "float16",
            Element::Float64 => "float64",
            Element::Int8 => "int8",
            Element::Int16 => "int16",
            Element::Int32 => "int32",
            Element::Int64 => "int64",
            Element::Uint8 => "uint8",
            Element::Uint16 => "uint16",
            Element::Uint32 => "uint32",
            Element::Uint64 => "uint64",
            Element::Bool => "bool",
        }
    }

    /// Bytes of one value.
    pub fn size(self) -> usize {
        match self {
            Element::Int8 | Element::Uint8 | Element::Bool => 1,
            Element::Float16 | Element::Int16 | Element::Uint16 => 2,
            Element::Float32 | Element::Int32 | Element::Uint32 => 4,
            Element::Float64 | Element::Int64 | Element::Uint64 => 8,
        }
    }
}

/// Values in row-major order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Values {
    /// [`Element::Float32`]
    F32(Vec<f32>),
    /// [`Element::Float16`], as bits.
    F16(Vec<u16>),
    /// [`Element::Float64`]
    F64(Vec<f64>),
    /// [`Element::Int8`]
    I8(Vec<i8>),
    /// [`Element::Int16`]
    I16(Vec<i16>),
    /// [`Element::Int32`]
    I32(Vec<i32>),
    /// [`Element::Int64`]
    I64(Vec<i64>),
    /// [`Element::Uint8`]
    U8(Vec<u8>),
    /// [`Element::Uint16`]
    U16(Vec<u16>),
    /// [`Element::Uint32`]
    U32(Vec<u32>),
    /// [`Element::Uint64`]
    U64(Vec<u64>),
    /// [`Element::Bool`]
    Bool(Vec<bool>),
}

impl Values {
    /// Their type.
    pub fn element(&self) -> Element {
        match self {
            Values::F32(_) => Element::Float32,
            Values::F16(_) => Element::Float16,
            Values::F64(_) => Element::Float64,
            Values::I8(_) => Element::Int8,
            Values::I16(_) => Element::Int16,
            Values::I32(_) => Element::Int32,
            Values::I64(_) => Element::Int64,
            Values::U8(_) => Element::Uint8,
            Values::U16(_) => Element::Uint16,
            Values::U32(_) => Element::Uint32,
            Values::U64(_) => Element::Uint64,
            Values::Bool(_) => Element::Bool,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::F16(values) | Values::U16(values) => values.len(),
            Values::F64(values) => values.len(),
            Values::I8(values) => values.len(),
            Values::I16(values) => values.len(),
            Values::I32(values) => values.len(),
            Values::I64(values) => values.len(),
            Values::U8(values) => values.len(),
            Values::U32(values) => values.len(),
            Values::U64(values) => values.len(),
            Values::Bool(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor: an input or an output of a graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Array {
    /// Size of each axis, slowest first. Empty: one number.
    pub shape: Vec<usize>,
    /// As many as the product of `shape`.
    pub values: Values,
}

impl Array {
    /// A tensor of nothing but zeros.
    pub fn zeros(element: Element, shape: &[usize]) -> Array {
        let many = shape.iter().product();
        let values = match element {
            Element::Float32 => Values::F32(vec![0.0; many]),
            Element::Float16 => Values::F16(vec![0; many]),
            Element::Float64 => Values::F64(vec![0.0; many]),
            Element::Int8 => Values::I8(vec![0; many]),
            Element::Int16 => Values::I16(vec![0; many]),
            Element::Int32 => Values::I32(vec![0; many]),
            Element::Int64 => Values::I64(vec![0; many]),
            Element::Uint8 => Values::U8(vec![0; many]),
            Element::Uint16 => Values::U16(vec![0; many]),
            Element::Uint32 => Values::U32(vec![0; many]),
            Element::Uint64 => Values::U64(vec![0; many]),
            Element::Bool => Values::Bool(vec![false; many]),
        };
        Array { shape: shape.to_vec(), values }
    }
}

/// What a graph's input or output is called, holds and measures, every size fixed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Port {
    /// As the graph calls it.
    pub name: String,
    /// Type of its values.
    pub element: Element,
    /// Size of each axis, slowest first.
    pub shape: Vec<usize>,
}

/// Sizes of axes as people write them: `1x3x352x352`.
pub fn shown(axes: &[usize]) -> String {
    let axes: Vec<String> = axes.iter().map(usize::to_string).collect();
    if axes.is_empty() { "one number".to_owned() } else { axes.join("x") }
}
