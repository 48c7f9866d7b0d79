//! What a nest means, said as plainly as possible, in f64. And the run of the same nest as compiled code.

use crate::lower::clif::emit;
use crate::lower::expression::{Expression, Scalar, uniform};
use crate::lower::loops::{Address, Affine, Base, Effect, Element, Fold, Load, Map, Nest, Statement, Var};
use rnet_runtime::executable::Executable;
use rnet_runtime::program::{BufferSpec, Kernel, Launch, Program, Storage};
use rnet_runtime::state::State;
use rnet_runtime::workers::Workers;
use std::collections::HashMap;

/// Small random numbers without end.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// From -2 to 2 in coarse steps, so that equal numbers and zeros turn up.
    pub fn number(&mut self) -> f32 {
        self.below(33) as f32 / 8.0 - 2.0
    }
}

/// Runs a nest by the book.
pub struct Interpreter<'a> {
    nest: &'a Nest,
    pub buffers: Vec<Vec<f32>>,
    scratch: Vec<f32>,
    vars: HashMap<Var, i64>,
}

impl<'a> Interpreter<'a> {
    pub fn run(nest: &'a Nest, buffers: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        let scratch = vec![f32::NAN; nest.scratch];
        let mut interpreter = Interpreter { nest, buffers, scratch, vars: HashMap::new() };
        for task in 0..nest.grid.iter().product() {
            let mut rest: usize = task;
            for (axis, extent) in nest.grid.iter().enumerate().rev() {
                interpreter.vars.insert(Var(axis as u32), (rest % extent) as i64);
                rest /= extent;
            }
            interpreter.statements(&nest.body);
        }
        interpreter.buffers
    }

    fn affine(&self, affine: &Affine) -> i64 {
        affine.constant + affine.terms.iter().map(|(var, by)| self.vars[var] * by).sum::<i64>()
    }

    fn place(&mut self, address: &Address, more: i64) -> &mut f32 {
        let at = (self.affine(&address.offset) + more) as usize;
        match address.base {
            Base::Buffer(k) => &mut self.buffers[k][at],
            Base::Scratch => &mut self.scratch[at],
        }
    }

    /// The element of four bytes that the bf16 at an address is in, and how far up in it.
    fn around(&mut self, address: &Address, more: i64) -> (&mut f32, u32) {
        let at = self.affine(&address.offset) + more;
        let around = Address { base: address.base, offset: Affine::constant(at / 2) };
        (self.place(&around, 0), 16 * (at % 2) as u32)
    }

    fn half(&mut self, address: &Address, more: i64) -> f32 {
        let (around, up) = self.around(address, more);
        f32::from_bits(around.to_bits() >> up << 16)
    }

    fn store_half(&mut self, address: &Address, more: i64, value: f32) {
        let (around, up) = self.around(address, more);
        let bits = value.to_bits();
        let half = if value.is_nan() { 0x7fc0 } else { (bits + 0x8000) >> 16 };
        *around = f32::from_bits(around.to_bits() & !(0xffff << up) | half << up);
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::For { var, extent, limit, body } => {
                    for index in 0..*extent {
                        self.vars.insert(*var, index as i64);
                        if limit.as_ref().is_some_and(|(value, limit)| self.affine(value) >= *limit) {
                            break;
                        }
                        self.statements(body);
                    }
                }
                Statement::If { value, low, high, then, otherwise } => {
                    let inside = (*low..*high).contains(&self.affine(value));
                    self.statements(if inside { then } else { otherwise });
                }
                Statement::Fill { address, len, value } => {
                    (0..*len).for_each(|at| *self.place(address, at as i64) = *value);
                }
                Statement::Gemm { shape, a, b, c } => {
                    let shape = &self.nest.gemms[*shape];
                    for (m, n) in (0..shape.m as i64).flat_map(|m| (0..shape.n as i64).map(move |n| (m, n))) {
                        let at = m * shape.c_m + n;
                        let mut sum = if shape.accumulate { f64::from(*self.place(c, at)) } else { 0.0 };
                        for (a_offset, b_offset) in &shape.batch {
                            for k in 0..shape.k as i64 {
                                let left = *self.place(a, a_offset + m * shape.a_m + k * shape.a_k);
                                let right = *self.place(b, b_offset + k * shape.b_k + n);
                                sum += f64::from(left) * f64::from(right);
                            }
                        }
                        *self.place(c, at) = sum as f32;
                    }
                }
                Statement::Transform { .. } | Statement::Round { .. } | Statement::Pack { .. } => {
                    panic!("the interpreter knows no transforms")
                }
                Statement::Map(map) => self.map(map),
            }
        }
    }

    fn map(&mut self, map: &Map) {
        let mut folds: HashMap<(usize, usize), f64> = HashMap::new();
        for (pixel, channel) in (0..map.pixels).flat_map(|pixel| (0..map.channels).map(move |channel| (pixel, channel)))
        {
            let values = self.element(map, pixel as i64, channel as i64);
            for (number, effect) in map.effects.iter().enumerate() {
                match effect {
                    Effect::Store { value, address, pixel_stride, channel_stride, element } => {
                        let more = pixel as i64 * pixel_stride + channel as i64 * channel_stride;
                        let value = values[value.0 as usize] as f32;
                        match element {
                            Element::Bf16 => self.store_half(address, more, value),
                            _ => *self.place(address, more) = value,
                        }
                    }
                    Effect::FoldPixels { value, fold, .. } => {
                        fold_into(&mut folds, (number, channel), *fold, values[value.0 as usize]);
                    }
                    Effect::FoldAll { value, fold, .. } => {
                        fold_into(&mut folds, (number, 0), *fold, values[value.0 as usize]);
                    }
                }
            }
        }
        for ((number, channel), total) in folds {
            let (Effect::FoldPixels { fold, address, .. } | Effect::FoldAll { fold, address, .. }) =
                &map.effects[number]
            else {
                unreachable!()
            };
            let memory = self.place(address, channel as i64);
            *memory = combine(*fold, f64::from(*memory), total) as f32;
        }
    }

    fn element(&mut self, map: &Map, pixel: i64, channel: i64) -> Vec<f64> {
        use Expression as E;
        let mut values: Vec<f64> = Vec::new();
        let mut bits: Vec<u32> = Vec::new();
        for step in &map.steps {
            let v = |scalar: Scalar| values[scalar.0 as usize];
            let flag = |condition: bool| if condition { 1.0 } else { 0.0 };
            let mut raw = 0;
            let value = match *step {
                E::Load(k) => {
                    let Load { address, pixel_stride, channel_stride, element: kind, partials } = &map.loads[k];
                    let mut sum = 0.0;
                    for part in 0..partials.0 as i64 {
                        let more = pixel * pixel_stride + channel * channel_stride + part * partials.1;
                        let element = match kind {
                            Element::Bf16 => self.half(address, more),
                            _ => *self.place(address, more),
                        };
                        raw = element.to_bits();
                        sum += if *kind == Element::I32 { f64::from(raw as i32) } else { f64::from(element) };
                    }
                    sum
                }
                E::Constant(value) => f64::from(value),
                E::Add(a, b) => v(a) + v(b),
                E::Sub(a, b) => v(a) - v(b),
                E::Mul(a, b) => v(a) * v(b),
                E::Div(a, b) => v(a) / v(b),
                E::MulAdd(a, b, c) => v(a) * v(b) + v(c),
                E::Min(a, b) => extreme(v(a), v(b), v(a) < v(b)),
                E::Max(a, b) => extreme(v(a), v(b), v(a) > v(b)),
                E::Neg(a) => -v(a),
                E::Abs(a) => v(a).abs(),
                E::Sqrt(a) => v(a).sqrt(),
                E::Floor(a) => v(a).floor(),
                E::Exp(a) => v(a).exp(),
                E::Log(a) => v(a).ln(),
                E::Tanh(a) => v(a).tanh(),
                E::Erf(a) => libm::erf(v(a)),
                E::Greater(a, b) => flag(v(a) > v(b)),
                E::Equal(a, b) => flag(v(a) == v(b)),
                E::Select(a, b, c) => {
                    if v(a) != 0.0 {
                        v(b)
                    } else {
                        v(c)
                    }
                }
                E::Channel => channel as f64,
                E::Uniform { seed, stream } => {
                    let counter = self.affine(&map.counter) + pixel * map.counter_pixel + channel;
                    f64::from(uniform(bits[seed.0 as usize], stream, counter as u32))
                }
            };
            values.push(value);
            bits.push(raw);
        }
        values
    }
}

fn extreme(a: f64, b: f64, first: bool) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if first {
        a
    } else {
        b
    }
}

fn combine(fold: Fold, a: f64, b: f64) -> f64 {
    match fold {
        Fold::Sum => a + b,
        Fold::Max => extreme(a, b, a > b),
    }
}

fn fold_into(folds: &mut HashMap<(usize, usize), f64>, key: (usize, usize), fold: Fold, value: f64) {
    folds.entry(key).and_modify(|sum| *sum = combine(fold, *sum, value)).or_insert(value);
}

/// Runs a nest as compiled code.
pub fn run_compiled(nest: &Nest, buffers: &[Vec<f32>], threads: usize) -> Vec<Vec<f32>> {
    let isa = rnet_runtime::jit::host_isa().unwrap();
    let kernel = Kernel {
        name: "test".to_string(),
        function: emit(nest, "test", &*isa),
        gemms: nest.gemms.clone(),
        scratch: nest.scratch,
    };
    let specs = buffers.iter().enumerate().map(|(k, buffer)| BufferSpec {
        storage: Storage::Input(format!("b{k}")),
        len: buffer.len(),
        dims: vec![buffer.len()],
        layout: vec![0],
    });
    let launch = Launch {
        label: "test".to_string(),
        source: String::new(),
        kernel: 0,
        buffers: (0..buffers.len()).collect(),
        tasks: nest.grid.iter().product(),
        wave: 0,
        flops: 0,
        bytes: 0,
    };
    let program =
        Program { kernels: vec![kernel], launches: vec![launch], buffers: specs.collect(), ..Program::default() };
    let mut executable = Executable::new(program).unwrap();
    for (k, buffer) in buffers.iter().enumerate() {
        executable.input_f32(&format!("b{k}")).copy_from_slice(buffer);
    }
    executable.run(&Workers::new(threads), &mut State::new(&[], 0));
    (0..buffers.len()).map(|k| executable.input_f32(&format!("b{k}")).to_vec()).collect()
}

/// Whether two results agree, up to rounding in f32.
pub fn close(a: f32, b: f32, scale: f32) -> bool {
    a.to_bits() == b.to_bits() || a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 * scale.max(b.abs())
}
