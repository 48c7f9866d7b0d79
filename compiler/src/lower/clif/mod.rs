//! Code generation: a loop nest becomes a Cranelift function. The ABI is that of [`rnet_runtime::program::Kernel`].

mod contract;
mod fold;
mod map;
mod math;
mod plan;
mod value;

use super::loops::{Address, Affine, Base, Nest, Statement, Var};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, BlockArg, ExtFuncData, ExternalName, FuncRef, Function, InstBuilder, MemFlagsData, Signature, Type,
    UserExternalName, UserFuncName, Value, types,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use rnet_runtime::kernels::Gemm;
use rnet_runtime::program::TransformShape;
use std::collections::BTreeMap;

/// Lanes of a vector, the widest that Cranelift knows.
const LANES: usize = 4;

/// The type of all elementwise values.
const VECTOR: Type = types::F32X4;

/// Bytes of an element.
const ELEMENT: i64 = 4;

/// Translates a nest for a machine.
///
/// Memory is as the nest says: all accesses are within the buffers of the launch, so none traps.
///
/// # Panics
/// When the nest contradicts itself (an unknown variable, an operand after its use): a mistake of whoever built it.
pub fn emit(nest: &Nest, name: &str, isa: &dyn TargetIsa) -> Function {
    let mut signature = Signature::new(isa.default_call_conv());
    signature.params = vec![AbiParam::new(types::I64); 4];
    let mut function = Function::with_name_signature(UserFuncName::testcase(name), signature.clone());
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let &[buffers, scratch, gemms, task] = builder.block_params(entry) else {
        unreachable!("the signature has four parameters")
    };
    let pointer_flags = MemFlagsData::trusted().with_readonly().with_can_move();
    let bases =
        (0..nest.buffers).map(|k| builder.ins().load(types::I64, pointer_flags, buffers, k as i32 * 8)).collect();
    let mut emitter = Emitter {
        builder,
        fma: has_fma(isa),
        contracted: nest.contracted,
        bases,
        scratch,
        gemms,
        imported: [None; 4],
        vars: BTreeMap::new(),
    };
    emitter.coordinates(&nest.grid, task);
    emitter.statements(&nest.body);
    emitter.builder.ins().return_(&[]);
    emitter.builder.seal_all_blocks();
    emitter.builder.finalize(isa.frontend_config());
    function
}

/// Whether `fma` is an instruction here. Elsewhere it would be a library call, four for a vector: there, a multiplication
/// and an addition stand for it, which round twice.
fn has_fma(isa: &dyn TargetIsa) -> bool {
    let x86 = isa.triple().architecture.to_string().starts_with("x86_64");
    !x86 || isa.isa_flags().iter().any(|flag| flag.name == "has_fma" && flag.as_bool() == Some(true))
}

/// The body of a loop: from the offsets and the values that come in, the values that go on.
type Body<'b> = dyn FnMut(&mut Emitter, &[Value], &[Value]) -> Vec<Value> + 'b;

/// A place in memory: the constant part of its address stays apart, to become part of instructions.
#[derive(Clone, Copy)]
struct Pointer {
    value: Value,
    /// In bytes.
    offset: i64,
}

struct Emitter<'a> {
    builder: FunctionBuilder<'a>,
    fma: bool,
    /// See [`Nest::contracted`].
    contracted: bool,
    /// The addresses of the buffers.
    bases: Vec<Value>,
    scratch: Value,
    gemms: Value,
    /// The runtime's functions by number, imported where they are first called.
    imported: [Option<FuncRef>; 4],
    vars: BTreeMap<Var, Value>,
}

impl Emitter<'_> {
    /// Splits the task's number into the coordinates of the grid.
    fn coordinates(&mut self, grid: &[usize], task: Value) {
        let mut rest = task;
        for (axis, &extent) in grid.iter().enumerate().rev() {
            let coordinate = if axis == 0 {
                rest
            } else {
                let extent = self.integer(extent as i64);
                let coordinate = self.builder.ins().urem(rest, extent);
                rest = self.builder.ins().udiv(rest, extent);
                coordinate
            };
            self.vars.insert(Var(axis as u32), coordinate);
        }
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::For { var, extent, limit, body } => self.for_loop(*var, *extent, limit.as_ref(), body),
                Statement::If { value, low, high, then, otherwise } => self.branch(value, *low, *high, then, otherwise),
                Statement::Fill { address, len, value } => self.fill(address, *len, *value),
                Statement::Gemm { shape, a, b, c } => self.product(*shape, [a, b, c]),
                Statement::Transform { shape, from, between, to } => self.transform(shape, [from, between, to]),
                Statement::Round { len, from, to } => self.call_with(3, &[*len], &[from, to]),
                Statement::Pack { rows, len, from, to } => {
                    self.call_with(2, &[*rows, from.1, *len, to.1], &[&from.0, &to.0])
                }
                Statement::Map(map) => map::emit(self, map),
            }
        }
    }

    fn for_loop(&mut self, var: Var, extent: usize, limit: Option<&(Affine, i64)>, body: &[Statement]) {
        let header = self.builder.create_block();
        let check = self.builder.create_block();
        let inside = self.builder.create_block();
        let exit = self.builder.create_block();
        let index = self.builder.append_block_param(header, types::I64);
        let zero = self.integer(0);
        self.builder.ins().jump(header, &[BlockArg::Value(zero)]);
        self.builder.switch_to_block(header);
        let outer = self.vars.insert(var, index);
        let extent = self.integer(extent as i64);
        let more = self.builder.ins().icmp(IntCC::SignedLessThan, index, extent);
        self.builder.ins().brif(more, check, &[], exit, &[]);
        self.builder.switch_to_block(check);
        match limit {
            Some((value, limit)) => {
                let value = self.affine(value);
                let limit = self.integer(*limit);
                let below = self.builder.ins().icmp(IntCC::SignedLessThan, value, limit);
                self.builder.ins().brif(below, inside, &[], exit, &[]);
            }
            None => {
                self.builder.ins().jump(inside, &[]);
            }
        }
        self.builder.switch_to_block(inside);
        self.statements(body);
        let one = self.integer(1);
        let next = self.builder.ins().iadd(index, one);
        self.builder.ins().jump(header, &[BlockArg::Value(next)]);
        self.builder.switch_to_block(exit);
        match outer {
            Some(outer) => self.vars.insert(var, outer),
            None => self.vars.remove(&var),
        };
    }

    fn branch(&mut self, value: &Affine, low: i64, high: i64, then: &[Statement], otherwise: &[Statement]) {
        let yes = self.builder.create_block();
        let no = self.builder.create_block();
        let exit = self.builder.create_block();
        let value = self.affine(value);
        let (low, high) = (self.integer(low), self.integer(high));
        let above = self.builder.ins().icmp(IntCC::SignedGreaterThanOrEqual, value, low);
        let below = self.builder.ins().icmp(IntCC::SignedLessThan, value, high);
        let both = self.builder.ins().band(above, below);
        self.builder.ins().brif(both, yes, &[], no, &[]);
        for (block, statements) in [(yes, then), (no, otherwise)] {
            self.builder.switch_to_block(block);
            self.statements(statements);
            self.builder.ins().jump(exit, &[]);
        }
        self.builder.switch_to_block(exit);
    }

    fn fill(&mut self, address: &Address, len: usize, value: f32) {
        let start = self.address(address);
        let vector = self.splat(value);
        let block = 4 * LANES;
        self.repeat(len / block, &[block as i64], &[], &mut |emitter, offsets, _| {
            let value = emitter.indexed(start.value, offsets[0]);
            for unit in 0..4 {
                emitter.store(
                    vector,
                    Pointer { value, offset: start.offset + unit * LANES as i64 * ELEMENT },
                    1,
                    LANES,
                );
            }
            Vec::new()
        });
        for first in (len / block * block..len).step_by(LANES) {
            let pointer = Pointer { value: start.value, offset: start.offset + first as i64 * ELEMENT };
            self.store(vector, pointer, 1, LANES.min(len - first));
        }
    }

    fn product(&mut self, shape: usize, operands: [&Address; 3]) {
        let mut arguments = vec![self.flat(Pointer { value: self.gemms, offset: (shape * size_of::<Gemm>()) as i64 })];
        for operand in operands {
            let pointer = self.address(operand);
            arguments.push(self.flat(pointer));
        }
        self.call(0, &arguments);
    }

    fn transform(&mut self, shape: &TransformShape, operands: [&Address; 3]) {
        let TransformShape { transform, rows, columns, channels, width, apart, pairing } = *shape;
        let numbers = [transform as usize + 4 * pairing as usize, rows, columns, channels, width, apart];
        self.call_with(1, &numbers, &operands);
    }

    /// Calls a function of the runtime with numbers and addresses.
    fn call_with(&mut self, function: usize, numbers: &[usize], operands: &[&Address]) {
        let mut arguments: Vec<Value> = numbers.iter().map(|&number| self.integer(number as i64)).collect();
        for operand in operands {
            let pointer = self.address(operand);
            arguments.push(self.flat(pointer));
        }
        self.call(function, &arguments);
    }

    /// Calls the function of the runtime that has this number in every module; see [`rnet_runtime::program::Kernel`].
    fn call(&mut self, function: usize, arguments: &[Value]) {
        let known = self.imported[function];
        let callee = known.unwrap_or_else(|| {
            let mut signature = self.builder.func.signature.clone();
            signature.params = vec![AbiParam::new(types::I64); arguments.len()];
            let symbol = UserExternalName::new(0, function as u32);
            let symbol = self.builder.func.declare_imported_user_function(symbol);
            let signature = self.builder.import_signature(signature);
            let name = ExternalName::user(symbol);
            self.builder.import_function(ExtFuncData { name, signature, colocated: false, patchable: false })
        });
        self.imported[function] = Some(callee);
        self.builder.ins().call(callee, arguments);
    }

    /// A loop of `trips` iterations, at least none. For each stride the body gets an offset that starts at 0 and grows by
    /// the stride; it also gets and returns values that are carried from one iteration to the next.
    fn repeat(&mut self, trips: usize, strides: &[i64], carried: &[Value], body: &mut Body) -> Vec<Value> {
        let zero = self.integer(0);
        if trips <= 1 {
            return if trips == 0 { carried.to_vec() } else { body(self, &vec![zero; strides.len()], carried) };
        }
        let inside = self.builder.create_block();
        let exit = self.builder.create_block();
        // One more offset that counts iterations, where no other can.
        let mut steps = strides.to_vec();
        if steps.first().is_none_or(|&stride| stride == 0) {
            steps.insert(0, 1);
        }
        let own = steps.len() - strides.len();
        let mut arguments = vec![BlockArg::Value(zero); steps.len()];
        arguments.extend(carried.iter().copied().map(BlockArg::Value));
        let offsets: Vec<Value> = steps.iter().map(|_| self.builder.append_block_param(inside, types::I64)).collect();
        let mut parameters = Vec::new();
        let mut results = Vec::new();
        for &value in carried {
            let kind = self.builder.func.dfg.value_type(value);
            parameters.push(self.builder.append_block_param(inside, kind));
            results.push(self.builder.append_block_param(exit, kind));
        }
        self.builder.ins().jump(inside, &arguments);
        self.builder.switch_to_block(inside);
        let after = body(self, &offsets[own..], &parameters);
        let mut arguments = Vec::new();
        for (&offset, &step) in offsets.iter().zip(&steps) {
            let step = self.integer(step);
            arguments.push(BlockArg::Value(self.builder.ins().iadd(offset, step)));
        }
        let end = self.integer(steps[0] * trips as i64);
        let BlockArg::Value(counter) = arguments[0] else { unreachable!("all arguments are values") };
        let more = self.builder.ins().icmp(IntCC::NotEqual, counter, end);
        let carried: Vec<BlockArg> = after.into_iter().map(BlockArg::Value).collect();
        arguments.extend(&carried);
        self.builder.ins().brif(more, inside, &arguments, exit, &carried);
        self.builder.switch_to_block(exit);
        results
    }

    fn integer(&mut self, value: i64) -> Value {
        self.builder.ins().iconst(types::I64, value)
    }

    /// The value of an affine expression.
    fn affine(&mut self, affine: &Affine) -> Value {
        let mut sum = None;
        for (var, coefficient) in &affine.terms {
            let var = *self.vars.get(var).unwrap_or_else(|| panic!("loop variable {var} is not in scope"));
            let coefficient = self.integer(*coefficient);
            let term = self.builder.ins().imul(var, coefficient);
            sum = Some(sum.map_or(term, |sum| self.builder.ins().iadd(sum, term)));
        }
        let constant = self.integer(affine.constant);
        match sum {
            None => constant,
            Some(sum) => self.builder.ins().iadd(sum, constant),
        }
    }

    fn address(&mut self, address: &Address) -> Pointer {
        self.address_of(address, ELEMENT)
    }

    /// An address that counts elements of `bytes` bytes.
    fn address_of(&mut self, address: &Address, bytes: i64) -> Pointer {
        let base = match address.base {
            Base::Buffer(k) => self.bases[k],
            Base::Scratch => self.scratch,
        };
        let offset = address.offset.constant * bytes;
        if address.offset.terms.is_empty() {
            return Pointer { value: base, offset };
        }
        let moving = Affine { constant: 0, terms: address.offset.terms.clone() };
        let moving = self.affine(&moving);
        Pointer { value: self.indexed_by(base, moving, bytes), offset }
    }

    /// `base` moved by `index` elements of four bytes.
    fn indexed(&mut self, base: Value, index: Value) -> Value {
        self.indexed_by(base, index, ELEMENT)
    }

    /// `base` moved by `index` elements of two or four bytes.
    fn indexed_by(&mut self, base: Value, index: Value, bytes: i64) -> Value {
        let shift = self.builder.ins().iconst(types::I32, i64::from(bytes.trailing_zeros()));
        let bytes = self.builder.ins().ishl(index, shift);
        self.builder.ins().iadd(base, bytes)
    }

    /// The whole address in one value.
    fn flat(&mut self, pointer: Pointer) -> Value {
        let offset = self.integer(pointer.offset);
        self.builder.ins().iadd(pointer.value, offset)
    }

    /// Address and offset as an instruction can have them.
    fn short(&mut self, pointer: Pointer) -> (Value, i32) {
        match i32::try_from(pointer.offset) {
            Ok(offset) => (pointer.value, offset),
            Err(_) => (self.flat(pointer), 0),
        }
    }
}

#[cfg(test)]
mod tests;
