//! Attacks that are too large to be kept in the binary: each is a plugin with one module more, made when it
//! is needed. How the bytes are laid out: the WebAssembly core specification, chapter 5, and the component
//! model's `Binary.md`.

/// Bytes of the data segment of `data`.
const DATA_BYTES: u32 = 63 << 20;
/// Pages of the memory it is for: with the plugin's own more than the 64 MiB a plugin has.
const DATA_PAGES: u32 = 1024;
/// Functions of `code`, and the operations of each, of 14 bytes: 40 MiB.
const CODE_FUNCTIONS: u32 = 10_240;
const CODE_OPERATIONS: u32 = 292;
/// Blocks of `flow`, each of which can jump to each further out. The function comes to 7 MB; WebAssembly's
/// implementations allow 7,654,321 bytes (JavaScript API, implementation-defined limits).
const FLOW_BLOCKS: u32 = 2_700;
/// Blocks of `knot`, the same in 27 KB. No limit of size stops it: cranelift 0.135 took 8 s for 100 blocks.
const KNOT_BLOCKS: u32 = 200;
/// Locals of both, which every jump carries along.
const FLOW_LOCALS: u32 = 64;
/// Locals of `locals`: as many as WebAssembly's implementations allow (JavaScript API, as above).
const LOCALS: u32 = 50_000;

const I64: u8 = 0x7e;
const BLOCK: u8 = 0x02;
const LOOP: u8 = 0x03;
const NO_RESULT: u8 = 0x40;
const END: u8 = 0x0b;
const BR_IF: u8 = 0x0d;
const BR_TABLE: u8 = 0x0e;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const I64_ADD: u8 = 0x7c;
const I64_MUL: u8 = 0x7e;
const I32_WRAP_I64: u8 = 0xa7;

/// The attack of this name, made of `carrier`, a plugin that publishes `escaped` on every frame. None where
/// there is none of that name.
pub(crate) fn component(name: &str, carrier: &[u8]) -> Option<Vec<u8>> {
    let module = match name {
        "data" => data(DATA_BYTES, DATA_PAGES),
        "code" => code(CODE_FUNCTIONS, CODE_OPERATIONS),
        "flow" => flow(FLOW_BLOCKS, FLOW_LOCALS),
        "knot" => flow(KNOT_BLOCKS, FLOW_LOCALS),
        "locals" => locals(LOCALS),
        _ => return None,
    };
    // A component that holds the module and one instance of it.
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    section(&mut component, 1, &module);
    section(&mut component, 2, &[1, 0, 0, 0]);
    Some(beside(carrier, &component))
}

/// A memory, and bytes to begin it with.
fn data(size: u32, pages: u32) -> Vec<u8> {
    let mut memory = vec![1, 0];
    leb(&mut memory, pages);
    // One segment, for the place the expression `i32.const 0` says.
    let mut data = vec![1, 0, 0x41, 0, END];
    leb(&mut data, size);
    data.resize(data.len() + size as usize, 0x5a);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 5, &memory);
    section(&mut module, 11, &data);
    module
}

/// Many functions of straight code, of which nothing can be left out.
fn code(functions: u32, operations: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..operations {
        body.extend([
            LOCAL_GET, 0, LOCAL_GET, 1, I64_MUL, LOCAL_SET, 0, LOCAL_GET, 1, LOCAL_GET, 0, I64_ADD,
            LOCAL_SET, 1,
        ]);
    }
    module(functions, 2, &body)
}

/// A loop of nested blocks. Behind each block a local changes, and the next is any block further out: a
/// compiler that asks what holds where has to carry every local along every one of `blocks` x `blocks` / 2 jumps.
fn flow(blocks: u32, locals: u32) -> Vec<u8> {
    let mut body = vec![LOOP, NO_RESULT];
    for _ in 0..blocks {
        body.extend([BLOCK, NO_RESULT]);
    }
    for block in 0..blocks {
        let local = block % locals;
        get(&mut body, local);
        get(&mut body, (local + 1) % locals);
        body.push(I64_ADD);
        set(&mut body, local);
        get(&mut body, local);
        body.extend([I32_WRAP_I64, BR_TABLE]);
        // From inside this block: those around it, and the loop.
        let around = blocks - block;
        leb(&mut body, around);
        for target in 0..=around {
            leb(&mut body, target);
        }
        body.push(END);
    }
    body.push(END);
    module(1, locals, &body)
}

/// A loop in which each local is made of the one before, so that all live all the time.
fn locals(locals: u32) -> Vec<u8> {
    let mut body = vec![LOOP, NO_RESULT];
    for local in 0..locals {
        get(&mut body, local);
        get(&mut body, (local + 1) % locals);
        body.push(I64_ADD);
        set(&mut body, local);
        // A way out of the middle, with all of them as they are.
        if local % 100 == 0 {
            get(&mut body, local);
            body.extend([I32_WRAP_I64, BR_IF, 0]);
        }
    }
    get(&mut body, 0);
    body.extend([I32_WRAP_I64, BR_IF, 0, END]);
    module(1, locals, &body)
}

fn get(body: &mut Vec<u8>, local: u32) {
    body.push(LOCAL_GET);
    leb(body, local);
}

fn set(body: &mut Vec<u8>, local: u32) {
    body.push(LOCAL_SET);
    leb(body, local);
}

/// A module of `functions` that take two numbers, which are their first locals, and give one; all have as
/// many locals and the same body.
fn module(functions: u32, locals: u32, body: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    leb(&mut types, functions);
    types.resize(types.len() + functions as usize, 0);

    let mut function = vec![1];
    leb(&mut function, locals - 2);
    function.push(I64);
    function.extend_from_slice(body);
    function.extend([LOCAL_GET, 0, END]);
    let mut code = Vec::new();
    leb(&mut code, functions);
    for _ in 0..functions {
        leb(&mut code, length(&function));
        code.extend_from_slice(&function);
    }

    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[1, 0x60, 2, I64, I64, 1, I64]);
    section(&mut module, 3, &types);
    section(&mut module, 10, &code);
    module
}

/// Puts `component` into `plugin`, so that it is instantiated with it, before the plugin's `configure`.
pub(crate) fn beside(plugin: &[u8], component: &[u8]) -> Vec<u8> {
    let mut grown = plugin.to_vec();
    section(&mut grown, 4, component);
    // One instance, of the component put in last, which is given nothing.
    let mut instance = vec![1, 0];
    leb(&mut instance, components(plugin));
    instance.push(0);
    section(&mut grown, 5, &instance);
    grown
}

/// How many components a component of ours defines.
fn components(component: &[u8]) -> u32 {
    let (mut at, mut count) = (8, 0);
    while at < component.len() {
        count += u32::from(component[at] == 4);
        let (mut size, mut shift) = (0_usize, 0);
        loop {
            at += 1;
            size |= usize::from(component[at] & 0x7f) << shift;
            shift += 7;
            if component[at] < 0x80 {
                break;
            }
        }
        at += 1 + size;
    }
    count
}

fn section(to: &mut Vec<u8>, id: u8, content: &[u8]) {
    to.push(id);
    leb(to, length(content));
    to.extend_from_slice(content);
}

/// The lengths here are far below 4 GiB.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Unsigned LEB128.
fn leb(to: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}
