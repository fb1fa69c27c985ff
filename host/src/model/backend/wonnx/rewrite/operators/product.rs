//! Matrix products. wonnx's own shaders are right for few sizes and silently wrong for the others; its
//! convolutions are right for all.

use super::super::build::{Building, Id, Kernel, Made, Window, spread};
use super::super::fault::Fault;
use super::{Node, Operand};

/// `[rows, columns]` from `[columns, rows]`.
fn turned(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|index| values[index % columns * rows + index / columns]).collect()
}

pub(super) fn gemm(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    let [rows, columns] = node.shape() else { return Err("its result is not a matrix".to_owned()) };
    let (rows, columns) = (*rows, *columns);
    let turn = |build: &mut Building, id: Id, by: &str| {
        if node.int(by, 0) == 0 { Ok(id) } else { build.transpose(id, &[1, 0]) }
    };
    let bias = match node.operands.get(2) {
        Some(Some(Operand::Constant(bias))) => Some(spread(bias.floats()?, &bias.shape, &[rows, columns])?),
        _ => None,
    };
    let mut late_bias = bias.clone();
    let mut result = match (node.operands.first(), node.operands.get(1)) {
        (Some(Some(Operand::Value(_))), Some(Some(Operand::Constant(right)))) => {
            let left = node.value(build, 0)?;
            let left = turn(build, left, "transA")?;
            let inner = build.shape(left)[1];
            let numbers = right.floats()?;
            if numbers.len() != inner * columns {
                return Err("its matrices do not fit".to_owned());
            }
            let mut numbers = if (node.int("transB", 0) == 0) != build.broken(Fault::GemmTurn) {
                turned(numbers, columns, inner)
            } else {
                numbers.to_vec()
            };
            numbers.iter_mut().for_each(|number| *number *= alpha);
            // The same bias in every row is the convolution's own.
            let row = bias.as_deref().and_then(|bias| {
                let first = bias.get(..columns)?;
                bias.chunks(columns).all(|row| row == first).then(|| first.iter().map(|b| b * beta).collect())
            });
            if row.is_some() {
                late_bias = None;
            }
            let view = build.reshape(left, &[rows, inner, 1, 1]);
            let kernel = Kernel { weights: numbers, shape: [columns, inner, 1, 1], bias: row };
            let result = build.convolution(view, kernel, &Window::point([1, 1]), 1);
            build.reshape(result, &[rows, columns])
        }
        _ => {
            let left = node.any(build, 0)?;
            let left = transposed(build, left, node.int("transA", 0) != 0)?;
            let right = node.any(build, 1)?;
            let right = transposed(build, right, node.int("transB", 0) != 0)?;
            let product = stacked(build, left, right, node.shape())?;
            if alpha == 1.0 { product } else { build.affine(product, alpha, 0.0)? }
        }
    };
    let added = match (late_bias, node.operands.get(2)) {
        (Some(mut numbers), _) => {
            numbers.iter_mut().for_each(|number| *number *= beta);
            Some(build.floats(vec![rows, columns], numbers))
        }
        (None, Some(Some(Operand::Value(_)))) => {
            let bias = node.value(build, 2)?;
            let bias = build.expand(bias, &[rows, columns])?;
            Some(if beta == 1.0 { bias } else { build.affine(bias, beta, 0.0)? })
        }
        _ => None,
    };
    if let Some(added) = added {
        result = build.pairwise("Add", result, added)?;
    }
    Ok(vec![result])
}

/// A matrix turned, a constant one here and now.
fn transposed(build: &mut Building, id: Id, turn: bool) -> Made {
    if !turn {
        return Ok(id);
    }
    if let super::super::build::Origin::Floats(values) = build.values[id.0].origin.clone() {
        let [rows, columns] = build.shape(id) else { return Err("its input is not a matrix".to_owned()) };
        let (rows, columns) = (*rows, *columns);
        return Ok(build.floats(vec![columns, rows], turned(&values, columns, rows)));
    }
    build.transpose(id, &[1, 0])
}

/// As `numpy.matmul` has it. The reference run is not always right about vectors.
fn product_shape(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let (rows, stack_left) = match left {
        [_] => (None, &[][..]),
        [stack @ .., rows, _] => (Some(*rows), stack),
        [] => return None,
    };
    let (columns, stack_right) = match right {
        [_] => (None, &[][..]),
        [stack @ .., _, columns] => (Some(*columns), stack),
        [] => return None,
    };
    let axes = stack_left.len().max(stack_right.len());
    let at = |stack: &[usize], axis: usize| (axis + stack.len()).checked_sub(axes).map_or(1, |at| stack[at]);
    let mut shape: Vec<usize> =
        (0..axes).map(|axis| at(stack_left, axis).max(at(stack_right, axis))).collect();
    shape.extend(rows);
    shape.extend(columns);
    Some(shape)
}

fn operand_shape(build: &Building, node: &Node<'_>, index: usize) -> Vec<usize> {
    match node.operands.get(index) {
        Some(Some(Operand::Constant(constant))) => constant.shape.clone(),
        Some(Some(Operand::Value(id))) => build.shape(*id).to_vec(),
        _ => Vec::new(),
    }
}

pub(super) fn mat_mul(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let (left, right) = (operand_shape(build, node, 0), operand_shape(build, node, 1));
    if product_shape(&left, &right).as_deref() != Some(node.shape()) {
        return Err("the reference run is wrong about its shape".to_owned());
    }
    match (node.operands.first(), node.operands.get(1)) {
        (Some(Some(Operand::Value(_))), Some(Some(Operand::Constant(right)))) => {
            let left = node.value(build, 0)?;
            // Axes of size 1 before a matrix only add axes to the result, whose shape is known.
            let (inner, columns) = match right.shape.as_slice() {
                [inner] => (*inner, 1),
                [ones @ .., inner, columns] if ones.iter().all(|size| *size == 1) => (*inner, *columns),
                _ => return stacks(build, node),
            };
            let rows = build.count(left) / inner.max(1);
            let weights = turned(right.floats()?, columns, inner);
            let view = build.reshape(left, &[rows, inner, 1, 1]);
            let kernel = Kernel { weights, shape: [columns, inner, 1, 1], bias: None };
            let result = build.convolution(view, kernel, &Window::point([1, 1]), 1);
            Ok(vec![build.reshape(result, node.shape())])
        }
        (Some(Some(Operand::Constant(left))), Some(Some(Operand::Value(_)))) => {
            let right = node.value(build, 1)?;
            let shape = build.shape(right).to_vec();
            let (rows, inner) = match left.shape.as_slice() {
                [inner] => (1, *inner),
                [ones @ .., rows, inner] if ones.iter().all(|size| *size == 1) => (*rows, *inner),
                _ => return stacks(build, node),
            };
            let (stack, columns) = match shape.as_slice() {
                [_] => (1, 1),
                [stack @ .., _, columns] => (stack.iter().product(), *columns),
                [] => return Err("its input has no axes".to_owned()),
            };
            let view = build.reshape(right, &[stack, inner, 1, columns]);
            let kernel = Kernel { weights: left.floats()?.to_vec(), shape: [rows, inner, 1, 1], bias: None };
            let result = build.convolution(view, kernel, &Window::point([1, columns]), 1);
            Ok(vec![build.reshape(result, node.shape())])
        }
        _ => stacks(build, node),
    }
}

fn stacks(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let (left, right) = (node.any(build, 0)?, node.any(build, 1)?);
    Ok(vec![stacked(build, left, right, node.shape())?])
}

/// Matrices, or as many of them on both sides: in blocks of four by four, which wonnx gets right where every
/// size is a multiple of four.
fn stacked(build: &mut Building, left: Id, right: Id, shape: &[usize]) -> Made {
    let ([stack @ .., rows, inner], [other @ .., again, columns]) = (build.shape(left), build.shape(right))
    else {
        return Err("one of its inputs is a vector".to_owned());
    };
    if stack != other || inner != again {
        return Err("its stacks of matrices are not of one size".to_owned());
    }
    let (rows, inner, columns) = (*rows, *inner, *columns);
    let count: usize = stack.iter().product();
    let four = |size: usize| size.next_multiple_of(4);
    let (tall, deep, wide) = (four(rows), four(inner), four(columns));
    let left = build.reshape(left, &[count, rows, inner]);
    let right = build.reshape(right, &[count, inner, columns]);
    let left = padded(build, left, [tall - rows, deep - inner])?;
    let right = padded(build, right, [deep - inner, wide - columns])?;
    let product = build.step("MatMul", &[left, right], vec![count, tall, wide], Vec::new());
    let product = build.slice(product, 1, 0, 1, rows)?;
    let product = build.slice(product, 2, 0, 1, columns)?;
    Ok(build.reshape(product, shape))
}

fn padded(build: &mut Building, id: Id, ends: [usize; 2]) -> Made {
    build.pad(id, &[0, 0, 0], &[0, ends[0], ends[1]], 0.0)
}
