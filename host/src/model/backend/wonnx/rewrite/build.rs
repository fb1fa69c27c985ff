//! The graph that wonnx gets, as it is put together. Every step here is one of the few forms that wonnx runs
//! right; what an ONNX operator means is said in terms of these by `operators`.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::dispatch;
use super::fault::{Fault, Faults};

/// A value of the new graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(pub(super) usize);

/// An attribute of a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attribute {
    Int(i64),
    Float(f32),
    Text(&'static str),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// The input of this index, its values as 32-bit integers where it does not hold floats.
    Input(usize),
    /// Numbers in the file.
    Floats(Rc<Vec<f32>>),
    /// Indices in the file.
    Indices(Rc<Vec<i32>>),
    /// The step of this index.
    Step(usize),
}

/// A value.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) shape: Vec<usize>,
    pub(super) origin: Origin,
    /// False: integers, which only `Cast` and `Gather` take.
    pub(super) float: bool,
}

/// A node of the new graph.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) operator: &'static str,
    pub(super) inputs: Vec<Id>,
    pub(super) output: Id,
    pub(super) attributes: Vec<(&'static str, Attribute)>,
    /// Name and operator of the node it was made for.
    pub(super) maker: Rc<str>,
}

/// A convolution's numbers.
pub(super) struct Kernel {
    pub(super) weights: Vec<f32>,
    /// Output channels, input channels of a group, height, width.
    pub(super) shape: [usize; 4],
    /// None: zeros.
    pub(super) bias: Option<Vec<f32>>,
}

/// Where a window goes over a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) strides: [usize; 2],
    pub(super) dilations: [usize; 2],
    /// Before the first row and column. What comes after the last follows from the output's size.
    pub(super) pads: [usize; 2],
    /// Height and width of the output.
    pub(super) size: [usize; 2],
}

impl Window {
    /// A window of one place that sees everything once.
    pub(super) fn point(size: [usize; 2]) -> Self {
        Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0], size }
    }
}

/// The new graph.
pub(super) struct Building {
    pub(super) values: Vec<Value>,
    pub(super) steps: Vec<Step>,
    /// How often the old graph takes the value that became this one.
    uses: HashMap<Id, usize>,
    pub(super) maker: Rc<str>,
    pub(super) faults: Faults,
    /// Convolutions whose bias is handed in with every run; see `branches`.
    pub(super) fed: BTreeSet<usize>,
}

/// Numbers of one constant that this makes out of a smaller one.
pub(super) const MOST_SPREAD: usize = 16 << 20;

pub(super) type Made<T = Id> = Result<T, String>;

impl Building {
    pub(super) fn new(faults: Faults) -> Self {
        Building {
            values: Vec::new(),
            steps: Vec::new(),
            uses: HashMap::new(),
            maker: Rc::from(""),
            faults,
            fed: BTreeSet::new(),
        }
    }

    pub(super) fn shape(&self, id: Id) -> &[usize] {
        &self.values[id.0].shape
    }

    pub(super) fn count(&self, id: Id) -> usize {
        self.shape(id).iter().product()
    }

    pub(super) fn value(&mut self, shape: Vec<usize>, float: bool, origin: Origin) -> Id {
        self.values.push(Value { shape, origin, float });
        Id(self.values.len() - 1)
    }

    pub(super) fn floats(&mut self, shape: Vec<usize>, values: Vec<f32>) -> Id {
        self.value(shape, true, Origin::Floats(Rc::new(values)))
    }

    /// Says that the old graph takes `id` so many times more.
    pub(super) fn used(&mut self, id: Id, times: usize) {
        *self.uses.entry(id).or_default() += times;
    }

    /// Says that a node of the old graph took `id` and gave it back as its own result.
    pub(super) fn passed_on(&mut self, id: Id, times: usize) {
        if let Some(uses) = self.uses.get_mut(&id) {
            *uses = uses.saturating_sub(times);
        }
    }

    pub(super) fn broken(&self, fault: Fault) -> bool {
        self.faults.broken(fault)
    }

    /// A step as it stands: the forms below are made of these.
    pub(super) fn step(
        &mut self,
        operator: &'static str,
        inputs: &[Id],
        shape: Vec<usize>,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Id {
        let output = self.value(shape, true, Origin::Step(self.steps.len()));
        let maker = Rc::clone(&self.maker);
        self.steps.push(Step { operator, inputs: inputs.to_vec(), output, attributes, maker });
        output
    }

    /// The same numbers in another shape. wonnx forwards the buffer of a `Flatten` and believes its declared
    /// output shape; `Identity`, `Reshape` and `Squeeze` it treats in ways of their own.
    pub(super) fn reshape(&mut self, id: Id, shape: &[usize]) -> Id {
        if self.shape(id) == shape {
            return id;
        }
        self.forwarded(id, shape)
    }

    pub(super) fn forwarded(&mut self, id: Id, shape: &[usize]) -> Id {
        if let Origin::Floats(values) = &self.values[id.0].origin {
            let values = Rc::clone(values);
            return self.value(shape.to_vec(), true, Origin::Floats(values));
        }
        let float = self.values[id.0].float;
        let output = self.step("Flatten", &[id], shape.to_vec(), Vec::new());
        self.values[output.0].float = float;
        output
    }

    /// The step that made `id`, if its whole result goes nowhere else.
    pub(super) fn sole_maker(&mut self, id: Id, operator: &str) -> Option<usize> {
        let Origin::Step(index) = self.values[id.0].origin else { return None };
        let sole = self.uses.get(&id).is_none_or(|uses| *uses <= 1);
        (sole && self.steps[index].operator == operator).then_some(index)
    }

    /// Something done to each value alone: operators of wonnx's `map`, `activation` and `cast` shaders.
    pub(super) fn each(
        &mut self,
        operator: &'static str,
        id: Id,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Id {
        let shape = self.shape(id).to_vec();
        if operator == "Neg"
            && let Origin::Step(index) = self.values[id.0].origin
            && self.steps[index].operator == "Neg"
        {
            // wonnx leaves both out, and cannot read an output that is an input.
            return self.steps[index].inputs[0];
        }
        let (wide, wider) = self.dispatched(&[id]);
        let result = match &wider {
            None => self.step(operator, &[id], shape.clone(), attributes),
            Some(_) => self.step(operator, &wide, self.shape(wide[0]).to_vec(), attributes),
        };
        self.reshape(result, &shape)
    }

    /// Two values of one shape, place by place.
    pub(super) fn pairwise(&mut self, operator: &'static str, left: Id, right: Id) -> Made {
        let shape = self.shape(left).to_vec();
        if self.shape(right) != shape.as_slice() {
            return Err("its inputs do not have one shape".to_owned());
        }
        let (wide, wider) = self.dispatched(&[left, right]);
        let result = match wider {
            None => self.step(operator, &[left, right], shape.clone(), Vec::new()),
            Some(count) => self.step(operator, &wide, vec![count], Vec::new()),
        };
        Ok(self.reshape(result, &shape))
    }

    /// These shaders do not look where they write: unless threads divide evenly over workgroups, the last
    /// ones write beyond the end. Then the values are said to be more than they are, so that the output's
    /// buffer has room.
    fn dispatched(&mut self, ids: &[Id]) -> (Vec<Id>, Option<usize>) {
        let vectors = self.count(ids[0]).div_ceil(4);
        let reached = dispatch::reached(vectors);
        if reached == vectors || self.broken(Fault::Reach) {
            return (ids.to_vec(), None);
        }
        let shape = [reached * 4];
        let wide = ids.iter().map(|id| self.forwarded(*id, &shape)).collect();
        (wide, Some(reached * 4))
    }

    /// A convolution of a `[batch, channels, height, width]` value with constant weights.
    pub(super) fn convolution(&mut self, id: Id, kernel: Kernel, window: &Window, group: usize) -> Id {
        let [outputs, ..] = kernel.shape;
        let batch = self.shape(id)[0];
        let weights = self.floats(kernel.shape.to_vec(), kernel.weights);
        let bias = match kernel.bias {
            None if self.broken(Fault::Bias) => None,
            bias => Some(self.floats(vec![outputs], bias.unwrap_or_else(|| vec![0.0; outputs]))),
        };
        let shape = vec![batch, outputs, window.size[0], window.size[1]];
        let inputs: Vec<Id> = [Some(id), Some(weights), bias].into_iter().flatten().collect();
        let attributes = self.window_attributes(window, group, outputs);
        self.step("Conv", &inputs, shape, attributes)
    }

    fn window_attributes(
        &self,
        window: &Window,
        group: usize,
        outputs: usize,
    ) -> Vec<(&'static str, Attribute)> {
        let ints = |values: [usize; 2]| Attribute::Ints(values.iter().map(|value| *value as i64).collect());
        let [top, left] = window.pads.map(|pad| pad as i64);
        let mut attributes = vec![
            ("kernel_shape", ints(window.kernel)),
            ("strides", ints(window.strides)),
            ("dilations", ints(window.dilations)),
            ("group", Attribute::Int(group as i64)),
        ];
        // wonnx's optimizer spaces out 3x3 weights for the matrix shader when `pads` are all 1 or `auto_pad`
        // is `SAME_UPPER`, which it takes a missing one for; its compiler chooses that shader by other
        // signs. The two agree only so: no `auto_pad` where the shader is chosen, and an `auto_pad` and
        // pads that are not all 1 where it is not. Pads behind the picture are never read.
        if dispatch::matrix_3(window, group, outputs) && !self.broken(Fault::MatrixPads) {
            attributes.push(("pads", Attribute::Ints(vec![top, left, top, left])));
        } else if self.broken(Fault::MatrixPads) {
            attributes.push(("auto_pad", Attribute::Text("NOTSET")));
            attributes.push(("pads", Attribute::Ints(vec![top, left, top, left])));
        } else {
            attributes.push(("auto_pad", Attribute::Text("NOTSET")));
            attributes.push(("pads", Attribute::Ints(vec![top, left, 0, 0])));
        }
        attributes
    }

    /// `MaxPool` or `AveragePool` of a `[batch, channels, height, width]` value.
    pub(super) fn pool(
        &mut self,
        operator: &'static str,
        id: Id,
        window: &Window,
        padding_counts: bool,
    ) -> Id {
        let shape = vec![self.shape(id)[0], self.shape(id)[1], window.size[0], window.size[1]];
        let ints = |values: [i64; 2]| Attribute::Ints(values.to_vec());
        let wide = |values: [usize; 2]| values.map(|value| value as i64);
        let [top, left] = wide(window.pads);
        let mut attributes = vec![
            ("auto_pad", Attribute::Text("NOTSET")),
            ("kernel_shape", ints(wide(window.kernel))),
            ("strides", ints(wide(window.strides))),
            ("dilations", ints(wide(window.dilations))),
            ("pads", Attribute::Ints(vec![top, left, 0, 0])),
        ];
        if operator == "AveragePool" {
            attributes.push(("count_include_pad", Attribute::Int(i64::from(padding_counts))));
        }
        self.step(operator, &[id], shape, attributes)
    }

    /// `[batch, channels, …]` as `[batch, channels, height, width]`.
    pub(super) fn picture(&mut self, id: Id) -> Made {
        let shape = self.shape(id).to_vec();
        match shape.as_slice() {
            [_, _, _, _] => Ok(id),
            [batch, channels] => Ok(self.reshape(id, &[*batch, *channels, 1, 1])),
            [batch, channels, rest @ ..] => {
                Ok(self.reshape(id, &[*batch, *channels, 1, rest.iter().product()]))
            }
            _ => Err("its input has fewer than two axes".to_owned()),
        }
    }

    /// `value * scale + shift`, one pair of numbers a channel of `[batch, channels, …]`.
    pub(super) fn affine_channels(&mut self, id: Id, scale: &[f32], shift: &[f32]) -> Made {
        let shape = self.shape(id).to_vec();
        let channels = scale.len();
        if let Some(index) = self.sole_maker(id, "Conv")
            && !self.broken(Fault::Fold)
            && shape.len() == 4
            && shape[1] == channels
            && self.steps[index].inputs.len() == 3
            && self.fold_into(index, scale, shift)
        {
            return Ok(id);
        }
        let picture = self.picture(id)?;
        let size = [self.shape(picture)[2], self.shape(picture)[3]];
        let kernel =
            Kernel { weights: scale.to_vec(), shape: [channels, 1, 1, 1], bias: Some(shift.to_vec()) };
        let result = self.convolution(picture, kernel, &Window::point(size), channels);
        Ok(self.reshape(result, &shape))
    }

    fn fold_into(&mut self, index: usize, scale: &[f32], shift: &[f32]) -> bool {
        let [weights, bias] = [self.steps[index].inputs[1], self.steps[index].inputs[2]];
        let (Origin::Floats(old_weights), Origin::Floats(old_bias)) =
            (&self.values[weights.0].origin, &self.values[bias.0].origin)
        else {
            return false;
        };
        let of_one = old_weights.len() / scale.len().max(1);
        let scaled: Vec<f32> = old_weights
            .chunks(of_one.max(1))
            .zip(scale)
            .flat_map(|(row, by)| row.iter().map(move |w| w * by))
            .collect();
        let shifted: Vec<f32> =
            old_bias.iter().zip(scale.iter().zip(shift)).map(|(old, (by, to))| old * by + to).collect();
        if scaled.iter().chain(&shifted).any(|value| !value.is_finite()) {
            return false;
        }
        self.values[weights.0].origin = Origin::Floats(Rc::new(scaled));
        self.values[bias.0].origin = Origin::Floats(Rc::new(shifted));
        true
    }

    /// `value * scale + shift`.
    pub(super) fn affine(&mut self, id: Id, scale: f32, shift: f32) -> Made {
        let shape = self.shape(id).to_vec();
        if let Some(index) = self.sole_maker(id, "Conv")
            && self.steps[index].inputs.len() == 3
        {
            let channels = self.shape(id)[1];
            if self.fold_into(index, &vec![scale; channels], &vec![shift; channels]) {
                return Ok(id);
            }
        }
        let count = self.count(id);
        let line = self.reshape(id, &[1, 1, 1, count]);
        let kernel = Kernel { weights: vec![scale], shape: [1; 4], bias: Some(vec![shift]) };
        let result = self.convolution(line, kernel, &Window::point([1, count]), 1);
        Ok(self.reshape(result, &shape))
    }

    /// Every value of channel `c` of `[1, channels, …]` times value `c` of `by`.
    pub(super) fn scale_channels(&mut self, id: Id, by: Id) -> Made {
        let shape = self.shape(id).to_vec();
        let channels = shape[1];
        let picture = self.picture(id)?;
        let size = [self.shape(picture)[2], self.shape(picture)[3]];
        let weights = self.reshape(by, &[channels, 1, 1, 1]);
        let attributes = self.window_attributes(&Window::point(size), channels, channels);
        let wide = vec![1, channels, size[0], size[1]];
        let result = self.step("Conv", &[picture, weights], wide, attributes);
        Ok(self.reshape(result, &shape))
    }

    /// Places `start`, `start + step` … of `axis`. wonnx has no `Slice`; its `MaxPool` with a window of one
    /// place walks an axis in any stride, and its unsigned arithmetic wraps around: the largest number is -1.
    pub(super) fn slice(&mut self, id: Id, axis: usize, start: usize, step: i64, count: usize) -> Made {
        let shape = self.shape(id).to_vec();
        let (left, size, right) = around(&shape, axis);
        let mut result = shape;
        result[axis] = count;
        if count == size && start == 0 && step == 1 {
            return Ok(id);
        }
        let last = start as i64 + step * (count as i64 - 1);
        if start >= size || last < 0 || last >= size as i64 || self.broken(Fault::Slice) {
            return Err("it reaches beyond its input".to_owned());
        }
        let wrapped = |number: i64| number.rem_euclid(1 << 32);
        let view = self.reshape(id, &[1, left, size, right]);
        let attributes = vec![
            ("auto_pad", Attribute::Text("NOTSET")),
            ("kernel_shape", Attribute::Ints(vec![1, 1])),
            ("strides", Attribute::Ints(vec![wrapped(step), 1])),
            ("dilations", Attribute::Ints(vec![1, 1])),
            ("pads", Attribute::Ints(vec![wrapped(-(start as i64)), 0, 0, 0])),
        ];
        let sliced = self.step("MaxPool", &[view], vec![1, left, count, right], attributes);
        Ok(self.reshape(sliced, &result))
    }

    /// Places `indices` of `axis`, in that order.
    pub(super) fn take(&mut self, id: Id, axis: usize, indices: &[usize]) -> Made {
        let [first, rest @ ..] = indices else { return Err("its result is empty".to_owned()) };
        let step = rest.first().map_or(1, |second| *second as i64 - *first as i64);
        if indices.windows(2).all(|pair| pair[1] as i64 - pair[0] as i64 == step) {
            return self.slice(id, axis, *first, step, indices.len());
        }
        let shape = self.shape(id).to_vec();
        let (left, size, right) = around(&shape, axis);
        let rows = self.reshape(id, &[left, size, right]);
        let rows = self.transpose(rows, &[1, 0, 2])?;
        let rows = self.reshape(rows, &[size, left * right]);
        let indices: Vec<i32> = indices.iter().map(|index| *index as i32).collect();
        let count = indices.len();
        let at = self.value(vec![count], false, Origin::Indices(Rc::new(indices)));
        let taken =
            self.step("Gather", &[rows, at], vec![count, left * right], vec![("axis", Attribute::Int(0))]);
        let taken = self.reshape(taken, &[count, left, right]);
        let taken = self.transpose(taken, &[1, 0, 2])?;
        let mut result = shape;
        result[axis] = count;
        Ok(self.reshape(taken, &result))
    }

    /// Repeats along axes of size 1 until the shape is `shape`.
    pub(super) fn expand(&mut self, id: Id, shape: &[usize]) -> Made {
        if let Origin::Floats(values) = &self.values[id.0].origin {
            let spread = spread(values, self.shape(id), shape)?;
            return Ok(self.floats(shape.to_vec(), spread));
        }
        let mut sizes = self.shape(id).to_vec();
        if sizes.len() > shape.len() {
            return Err("its inputs cannot be broadcast".to_owned());
        }
        while sizes.len() < shape.len() {
            sizes.insert(0, 1);
        }
        let mut result = self.reshape(id, &sizes);
        for (axis, (has, wants)) in sizes.iter().zip(shape).enumerate() {
            if has != wants {
                if *has != 1 {
                    return Err("its inputs cannot be broadcast".to_owned());
                }
                result = self.slice(result, axis, 0, 0, *wants)?;
            }
        }
        Ok(result)
    }

    pub(super) fn transpose(&mut self, id: Id, order: &[usize]) -> Made {
        let shape = self.shape(id).to_vec();
        let result: Vec<usize> = order.iter().map(|axis| shape[*axis]).collect();
        let moved: Vec<usize> = order.iter().copied().filter(|axis| shape[*axis] != 1).collect();
        if moved.is_sorted() {
            return Ok(self.reshape(id, &result));
        }
        let order = Attribute::Ints(order.iter().map(|axis| *axis as i64).collect());
        Ok(self.step("Transpose", &[id], result, vec![("perm", order)]))
    }

    /// wonnx puts the inputs of a `Concat` one after the other whatever the axis: right only where no axis
    /// comes before it.
    pub(super) fn concat(&mut self, ids: &[Id], axis: usize) -> Made {
        let [first, ..] = ids else { return Err("it has no inputs".to_owned()) };
        if ids.len() == 1 {
            return Ok(*first);
        }
        let mut shape = self.shape(*first).to_vec();
        shape[axis] = ids.iter().map(|id| self.shape(*id)[axis]).sum();
        let (left, _, right) = around(&shape, axis);
        if left == 1 || self.broken(Fault::ConcatAxis) {
            let lines: Vec<Id> = ids
                .iter()
                .map(|id| {
                    let count = self.count(*id);
                    self.reshape(*id, &[count])
                })
                .collect();
            let result = self.end_to_end(&lines);
            return Ok(self.reshape(result, &shape));
        }
        let mut lines = Vec::new();
        for id in ids {
            let across = self.shape(*id)[axis] * right;
            let rows = self.reshape(*id, &[left, across]);
            let turned = self.transpose(rows, &[1, 0])?;
            lines.push(self.reshape(turned, &[across * left]));
        }
        let joined = self.end_to_end(&lines);
        let rows = self.reshape(joined, &[shape[axis] * right, left]);
        let result = self.transpose(rows, &[1, 0])?;
        Ok(self.reshape(result, &shape))
    }

    /// A shader has eight buffers at most.
    fn end_to_end(&mut self, lines: &[Id]) -> Id {
        let mut lines = lines.to_vec();
        while lines.len() > 1 {
            lines = lines
                .chunks(dispatch::MOST_BUFFERS - 1)
                .map(|some| match some {
                    [one] => *one,
                    some => {
                        let count = some.iter().map(|id| self.count(*id)).sum();
                        self.step("Concat", some, vec![count], vec![("axis", Attribute::Int(0))])
                    }
                })
                .collect();
        }
        lines[0]
    }

    /// Puts `value` around. wonnx takes rows at the end for padding too early by as many as there are to
    /// add, less one: told of one, it is right for any number, as it takes the result's size for granted.
    pub(super) fn pad(&mut self, id: Id, begins: &[usize], ends: &[usize], value: f32) -> Made {
        if begins.iter().chain(ends).all(|pad| *pad == 0) {
            return Ok(id);
        }
        if !value.is_finite() {
            return Err(format!("it pads with {value}"));
        }
        let result =
            self.shape(id).iter().zip(begins.iter().zip(ends)).map(|(size, (a, b))| size + a + b).collect();
        let most = if self.broken(Fault::PadEnds) { usize::MAX } else { 1 };
        let pads = begins.iter().copied().chain(ends.iter().map(|end| (*end).min(most)));
        let pads = Attribute::Ints(pads.map(|pad| pad as i64).collect());
        Ok(self.step("Pad", &[id], result, vec![("pads", pads), ("constant_value", Attribute::Float(value))]))
    }

    /// `AveragePool` or `MaxPool` over one axis, which is dropped. A long axis is taken in equal parts first.
    pub(super) fn reduce(&mut self, operator: &'static str, id: Id, axis: usize) -> Id {
        let mut shape = self.shape(id).to_vec();
        let (left, size, right) = around(&shape, axis);
        if size > dispatch::MOST_TOGETHER
            && !self.broken(Fault::Rounds)
            && let Some(part) = (2..=dispatch::MOST_TOGETHER).rev().find(|part| size.is_multiple_of(*part))
        {
            let apart = self.reshape(id, &[left, size / part, part, right]);
            let parts = self.reduce(operator, apart, 2);
            let whole = self.reduce(operator, parts, 1);
            shape.remove(axis);
            return self.reshape(whole, &shape);
        }
        let view = self.reshape(id, &[1, left, size, right]);
        let window =
            Window { kernel: [size, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0], size: [1, right] };
        let result = self.pool(operator, view, &window, false);
        shape.remove(axis);
        self.reshape(result, &shape)
    }

    /// A matrix of constants times each vector along `axis`: `rows` of as many numbers as the axis has.
    pub(super) fn along(&mut self, id: Id, axis: usize, rows: usize, matrix: Vec<f32>) -> Id {
        let mut shape = self.shape(id).to_vec();
        let (left, size, right) = around(&shape, axis);
        let view = self.reshape(id, &[left, size, 1, right]);
        let kernel = Kernel { weights: matrix, shape: [rows, size, 1, 1], bias: None };
        let result = self.convolution(view, kernel, &Window::point([1, right]), 1);
        shape[axis] = rows;
        self.reshape(result, &shape)
    }
}

/// Sizes before, at and after an axis, each as one.
pub(super) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// Constants repeated along axes of size 1.
pub(super) fn spread(values: &[f32], from: &[usize], to: &[usize]) -> Made<Vec<f32>> {
    let count: usize = to.iter().product();
    if count > MOST_SPREAD {
        return Err(format!("a constant would have to be repeated {count} times; {MOST_SPREAD} is the most"));
    }
    if from.len() > to.len() {
        return Err("its inputs cannot be broadcast".to_owned());
    }
    let mut strides = vec![0; to.len()];
    let mut stride = 1;
    for (back, size) in from.iter().rev().enumerate() {
        let axis = to.len() - 1 - back;
        if *size != 1 {
            if *size != to[axis] {
                return Err("its inputs cannot be broadcast".to_owned());
            }
            strides[axis] = stride;
        }
        stride *= size;
    }
    let mut spread = Vec::with_capacity(count);
    let mut place = vec![0; to.len()];
    for _ in 0..count {
        let at: usize = place.iter().zip(&strides).map(|(place, stride)| place * stride).sum();
        spread.push(values.get(at).copied().ok_or("a constant has fewer numbers than its shape says")?);
        for axis in (0..to.len()).rev() {
            place[axis] += 1;
            if place[axis] < to[axis] {
                break;
            }
            place[axis] = 0;
        }
    }
    Ok(spread)
}
