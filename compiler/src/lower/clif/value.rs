//! Vectors: how they are read, written, made and combined.

use super::{ELEMENT, Emitter, LANES, Pointer, VECTOR};
use crate::lower::loops::Element;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Type, Value, types};

/// All our memory: accesses are in bounds, but not always aligned to whole vectors.
fn memory() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl Emitter<'_> {
    /// Reads `lanes` elements `stride` apart. Stride 0 fills all lanes with one element; else further lanes are zero.
    pub(super) fn load(&mut self, pointer: Pointer, stride: i64, lanes: usize) -> Value {
        if stride == 1 && lanes == LANES {
            let (base, offset) = self.short(pointer);
            return self.builder.ins().load(VECTOR, memory(), base, offset);
        }
        let first = self.load_one(pointer);
        if stride == 0 {
            return self.builder.ins().splat(VECTOR, first);
        }
        let mut vector = self.builder.ins().scalar_to_vector(VECTOR, first);
        for lane in 1..lanes {
            let element = self.load_one(Pointer { offset: pointer.offset + lane as i64 * stride * ELEMENT, ..pointer });
            vector = self.builder.ins().insertlane(vector, element, lane as u8);
        }
        vector
    }

    fn load_one(&mut self, pointer: Pointer) -> Value {
        let (base, offset) = self.short(pointer);
        self.builder.ins().load(types::F32, memory(), base, offset)
    }

    /// Writes the first `lanes` elements, `stride` apart.
    pub(super) fn store(&mut self, value: Value, pointer: Pointer, stride: i64, lanes: usize) {
        if stride == 1 && lanes == LANES {
            let (base, offset) = self.short(pointer);
            self.builder.ins().store(memory(), value, base, offset);
            return;
        }
        for lane in 0..lanes {
            let element = self.builder.ins().extractlane(value, lane as u8);
            let pointer = Pointer { offset: pointer.offset + lane as i64 * stride * ELEMENT, ..pointer };
            let (base, offset) = self.short(pointer);
            self.builder.ins().store(memory(), element, base, offset);
        }
    }

    /// Reads `lanes` bf16, `stride` apart; 0 is one for all lanes.
    pub(super) fn load_rounded(&mut self, pointer: Pointer, stride: i64, lanes: usize) -> Value {
        let halves = if stride == 1 && lanes == LANES {
            let (base, offset) = self.short(pointer);
            self.builder.ins().uload16x4(memory(), base, offset)
        } else {
            let one = |emitter: &mut Self, lane: i64| {
                let pointer = Pointer { offset: pointer.offset + lane * stride * Element::Bf16.bytes(), ..pointer };
                let (base, offset) = emitter.short(pointer);
                emitter.builder.ins().uload16(types::I32, memory(), base, offset)
            };
            let first = one(self, 0);
            let mut vector = self.builder.ins().splat(types::I32X4, first);
            for lane in 1..if stride == 0 { 1 } else { lanes } {
                let element = one(self, lane as i64);
                vector = self.builder.ins().insertlane(vector, element, lane as u8);
            }
            vector
        };
        let sixteen = self.builder.ins().iconst(types::I32, 16);
        let bits = self.builder.ins().ishl(halves, sixteen);
        self.float(bits)
    }

    /// Rounds the first `lanes` elements to the nearest bf16, ties away from 0, and writes them, `stride` apart. A NaN that instructions make stays one.
    pub(super) fn store_rounded(&mut self, value: Value, pointer: Pointer, stride: i64, lanes: usize) {
        let bits = self.bits(value);
        let sixteen = self.builder.ins().iconst(types::I32, 16);
        let half = self.splat_integer(0x8000);
        let rounded = self.builder.ins().iadd(bits, half);
        let halves = self.builder.ins().ushr(rounded, sixteen);
        if stride == 1 && lanes == LANES {
            let packed = self.builder.ins().unarrow(halves, halves);
            let packed = self.cast(packed, types::I64X2);
            let packed = self.builder.ins().extractlane(packed, 0);
            let (base, offset) = self.short(pointer);
            self.builder.ins().store(memory(), packed, base, offset);
            return;
        }
        for lane in 0..lanes {
            let element = self.builder.ins().extractlane(halves, lane as u8);
            let pointer = Pointer { offset: pointer.offset + lane as i64 * stride * Element::Bf16.bytes(), ..pointer };
            let (base, offset) = self.short(pointer);
            self.builder.ins().istore16(memory(), element, base, offset);
        }
    }

    /// A number in all lanes.
    pub(super) fn splat(&mut self, value: f32) -> Value {
        self.lanes([value.to_bits(); LANES], VECTOR)
    }

    /// An integer in all lanes.
    pub(super) fn splat_integer(&mut self, value: u32) -> Value {
        self.lanes([value; LANES], types::I32X4)
    }

    /// A constant for each lane, given as bits.
    pub(super) fn lanes(&mut self, bits: [u32; LANES], kind: Type) -> Value {
        let bytes: Vec<u8> = bits.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        let constant = self.builder.func.dfg.constants.insert(bytes.into());
        self.builder.ins().vconst(kind, constant)
    }

    /// The same bits as i32x4.
    pub(super) fn bits(&mut self, value: Value) -> Value {
        self.cast(value, types::I32X4)
    }

    /// The same bits as f32x4.
    pub(super) fn float(&mut self, bits: Value) -> Value {
        self.cast(bits, VECTOR)
    }

    fn cast(&mut self, value: Value, kind: Type) -> Value {
        if self.builder.func.dfg.value_type(value) == kind {
            return value;
        }
        self.builder.ins().bitcast(kind, MemFlagsData::new().with_endianness(Endianness::Little), value)
    }

    /// `a * b + c`: see [`super::has_fma`].
    pub(super) fn mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        if self.fma {
            return self.builder.ins().fma(a, b, c);
        }
        let product = self.builder.ins().fmul(a, b);
        self.builder.ins().fadd(product, c)
    }

    /// All bits set where the comparison holds, as f32x4.
    pub(super) fn compare(&mut self, condition: FloatCC, a: Value, b: Value) -> Value {
        let mask = self.builder.ins().fcmp(condition, a, b);
        self.float(mask)
    }

    /// `a` where the mask is set, else `b`.
    pub(super) fn select(&mut self, mask: Value, a: Value, b: Value) -> Value {
        self.builder.ins().bitselect(mask, a, b)
    }

    /// The greater where `max`, else the smaller. `number` is known not to be NaN: then one instruction does, because x86
    /// gives its second operand where either is NaN.
    pub(super) fn extreme_of_number(&mut self, max: bool, number: Value, other: Value) -> Value {
        let (left, right) = if max { (other, number) } else { (number, other) };
        let mask = self.compare(FloatCC::LessThan, left, right);
        self.select(mask, number, other)
    }

    /// The greater where `max`, else the smaller; NaN if either is NaN.
    pub(super) fn extreme(&mut self, max: bool, a: Value, b: Value) -> Value {
        let extreme = self.extreme_of_number(max, a, b);
        let nan = self.compare(FloatCC::Unordered, a, a);
        self.select(nan, a, extreme)
    }
}
