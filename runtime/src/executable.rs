//! A [`Program`] linked and ready to run: machine code, arena, inputs, outputs and scratch.

mod trap;

pub use trap::{Culprit, all_finite};

use crate::buffer::Buffer;
use crate::jit::{Code, JitError, Linked};
use crate::kernels::{Gemm, Isa, IsaError};
use crate::layout::{to_logical, to_physical};
use crate::program::{BufferSpec, Launch, Program, StateSpec, Storage};
use crate::state::State;
use crate::workers::{Barrier, Workers};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// Why a program cannot be run on this machine.
#[derive(Debug)]
pub enum ExecutableError {
    /// `RNET_KERNEL` names a micro-kernel that cannot be had.
    Isa(IsaError),
    /// That micro-kernel, whose name this is, has no products of bf16 on this machine.
    Precision(&'static str),
    /// The code cannot be generated.
    Jit(JitError),
}

impl fmt::Display for ExecutableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecutableError::Isa(error) => error.fmt(f),
            ExecutableError::Precision(isa) => write!(
                f,
                "bf16 needs a CPU with AVX512_BF16, and the micro-kernel `{isa}` has none here: train in f32, or set \
                 RNET_KERNEL=portable, which computes the same slowly"
            ),
            ExecutableError::Jit(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ExecutableError {}

/// A program that can run on this machine.
pub struct Executable {
    launches: Vec<Launch>,
    buffers: Vec<BufferSpec>,
    states: Vec<StateSpec>,
    linked: Linked,
    /// For each kernel the prepared matrix products that it calls.
    gemms: Vec<Vec<Gemm>>,
    arena: Buffer,
    /// The memory of inputs and outputs, by buffer; empty for the others.
    own: Vec<Buffer>,
    /// Elements of scratch that the greediest kernel needs.
    scratch_len: usize,
    /// One for each worker.
    scratch: Vec<Buffer>,
    /// For each state tensor of the program its position in the state of that identity.
    places: Option<(u64, Vec<usize>)>,
    /// The launches of each wave.
    waves: Vec<Range<usize>>,
}

/// A cache line for each counter, so that workers do not disturb each other.
#[repr(align(64))]
#[derive(Default)]
struct Counter(AtomicUsize);

/// The wave of a single launch.
static SINGLE: Range<usize> = 0..1;

/// What the workers share during a run.
struct Run<'a> {
    launches: Vec<Call<'a>>,
    waves: &'a [Range<usize>],
    workers: usize,
    scratch: Vec<*mut f32>,
    /// For each launch how long it took, if that is asked for.
    clock: Option<Clock>,
}

// SAFETY: the pointers are to code, products, pointer tables, buffers and scratch, all of which live through the run. Code
// and products are only read. Buffers are written by tasks, which write disjoint elements within a wave (the contract of
// `Program`); the barrier orders waves. Each scratch is used by one worker.
unsafe impl Sync for Run<'_> {}

struct Call<'a> {
    code: Code,
    buffers: Vec<*mut f32>,
    gemms: &'a [Gemm],
    tasks: usize,
    /// The next task of each worker's own share.
    next: Vec<Counter>,
}

struct Clock {
    start: Instant,
    /// When the last launch ended, in nanoseconds since the start.
    last: AtomicU64,
    nanoseconds: Vec<AtomicU64>,
}

impl Executable {
    /// Links a program for this machine, with the micro-kernel that `RNET_KERNEL` names, else the fastest.
    ///
    /// # Errors
    /// When that micro-kernel cannot be had, or not in the precision of the program, or Cranelift rejects a kernel.
    pub fn new(program: Program) -> Result<Executable, ExecutableError> {
        let isa = Isa::from_environment().map_err(ExecutableError::Isa)?;
        let mut gemms = program.kernels.iter().flat_map(|kernel| &kernel.gemms);
        if gemms.any(|gemm| !isa.supports(gemm.precision)) {
            return Err(ExecutableError::Precision(isa.name()));
        }
        Executable::with_isa(program, isa).map_err(ExecutableError::Jit)
    }

    /// The same for a given micro-kernel.
    ///
    /// # Errors
    /// When Cranelift rejects a kernel.
    ///
    /// # Panics
    /// When the program contradicts itself: an index or a length out of range. When the micro-kernel does not support the precision of
    /// a product.
    pub fn with_isa(program: Program, isa: Isa) -> Result<Executable, JitError> {
        check(&program);
        let linked = Linked::new(&program.kernels, isa)?;
        let prepare = |shapes: &[_]| shapes.iter().map(|shape| Gemm::new(shape, isa)).collect();
        let own = program.buffers.iter().map(|buffer| match buffer.storage {
            Storage::Input(_) | Storage::Output(_) => Buffer::zeroed(buffer.len),
            Storage::Arena(_) | Storage::State(_) => Buffer::zeroed(0),
        });
        Ok(Executable {
            gemms: program.kernels.iter().map(|kernel| prepare(&kernel.gemms)).collect(),
            arena: Buffer::zeroed(program.arena),
            own: own.collect(),
            scratch_len: program.kernels.iter().map(|kernel| kernel.scratch).max().unwrap_or(0),
            scratch: Vec::new(),
            places: None,
            waves: waves(&program.launches),
            linked,
            launches: program.launches,
            buffers: program.buffers,
            states: program.states,
        })
    }

    /// What is run, in order.
    pub fn launches(&self) -> &[Launch] {
        &self.launches
    }

    /// Bytes of the arena, inputs and outputs.
    pub fn memory(&self) -> usize {
        4 * (self.arena.len() + self.own.iter().map(|buffer| buffer.len()).sum::<usize>())
    }

    /// Bytes of scratch that each worker needs beside that.
    pub fn scratch(&self) -> usize {
        4 * self.scratch_len
    }

    /// Whether the program reads an input of that name.
    pub fn has_input(&self, name: &str) -> bool {
        self.input(name).is_some()
    }

    /// The memory of an input, in physical layout.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn input_f32(&mut self, name: &str) -> &mut [f32] {
        let place = self.input(name).unwrap_or_else(|| panic!("the program has no input `{name}`"));
        &mut self.own[place]
    }

    /// Sets inputs f32[] by name; those that the program does not have are passed over.
    pub fn set_numbers(&mut self, numbers: &[(String, f64)]) {
        for (name, value) in numbers {
            if self.has_input(name) {
                self.input_f32(name)[0] = *value as f32;
            }
        }
    }

    /// The memory of an input of integers.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn input_i32(&mut self, name: &str) -> &mut [i32] {
        let place = self.input(name).unwrap_or_else(|| panic!("the program has no input `{name}`"));
        self.own[place].as_i32()
    }

    /// Sets an input of real numbers, given in logical row-major order.
    ///
    /// # Panics
    /// When there is none of that name, or it has another number of elements.
    pub fn set_logical(&mut self, name: &str, values: &[f32]) {
        let place = self.input(name).unwrap_or_else(|| panic!("the program has no input `{name}`"));
        let spec = &self.buffers[place];
        to_physical(&spec.dims, &spec.layout, values, &mut self.own[place]);
    }

    /// The names of the inputs, with their logical extents.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.buffers.iter().filter_map(|buffer| match &buffer.storage {
            Storage::Input(name) => Some((name.as_str(), &buffer.dims[..])),
            _ => None,
        })
    }

    /// An output of the last run, in physical layout.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn output(&self, name: &str) -> &[f32] {
        &self.own[self.output_place(name)]
    }

    /// An output of the last run, in logical row-major order.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn output_logical(&self, name: &str) -> Vec<f32> {
        let place = self.output_place(name);
        let spec = &self.buffers[place];
        to_logical(&spec.dims, &spec.layout, &self.own[place])
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.buffers.iter().filter_map(|buffer| match &buffer.storage {
            Storage::Output(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Runs the program once.
    ///
    /// # Panics
    /// When the state lacks a tensor of the program.
    pub fn run(&mut self, workers: &Workers, state: &mut State) {
        let run = self.prepare(workers.count(), state, None, 0..self.launches.len());
        workers.run(&|worker, barrier| run.work(worker, barrier));
    }

    /// Runs the program once in the arena of another one, which keeps nothing there from one run to the next. So it needs no
    /// memory of its own; the other's arena grows where it is too small.
    ///
    /// # Panics
    /// When the state lacks a tensor of the program.
    pub fn run_in(&mut self, other: &mut Executable, workers: &Workers, state: &mut State) {
        if other.arena.len() < self.arena.len() {
            other.arena = Buffer::zeroed(self.arena.len());
        }
        std::mem::swap(&mut self.arena, &mut other.arena);
        self.run(workers, state);
        std::mem::swap(&mut self.arena, &mut other.arena);
    }

    /// Runs the program once, launch by launch, and returns how many nanoseconds each took.
    ///
    /// # Panics
    /// When the state lacks a tensor of the program.
    pub fn run_timed(&mut self, workers: &Workers, state: &mut State) -> Vec<u64> {
        let waves: Vec<_> = (0..self.launches.len()).map(|launch| launch..launch + 1).collect();
        let clock = Clock {
            start: Instant::now(),
            last: AtomicU64::new(0),
            nanoseconds: waves.iter().map(|_| AtomicU64::new(0)).collect(),
        };
        let waves = std::mem::replace(&mut self.waves, waves);
        let mut run = self.prepare(workers.count(), state, Some(clock), 0..self.launches.len());
        workers.run(&|worker, barrier| run.work(worker, barrier));
        let clock = run.clock.take();
        self.waves = waves;
        clock.map_or_else(Vec::new, |clock| clock.nanoseconds.into_iter().map(AtomicU64::into_inner).collect())
    }

    fn input(&self, name: &str) -> Option<usize> {
        self.buffers.iter().position(|buffer| matches!(&buffer.storage, Storage::Input(known) if known == name))
    }

    fn output_place(&self, name: &str) -> usize {
        let matches = |buffer: &BufferSpec| matches!(&buffer.storage, Storage::Output(known) if known == name);
        self.buffers.iter().position(matches).unwrap_or_else(|| panic!("the program has no output `{name}`"))
    }

    /// Where the program's state tensors are in `state`.
    fn find_states(&mut self, state: &State) {
        if self.places.as_ref().is_some_and(|(identity, _)| *identity == state.identity()) {
            return;
        }
        let find = |spec: &StateSpec| {
            let place = state.position(spec.kind, &spec.name);
            let place = place.unwrap_or_else(|| panic!("the state has no {:?} `{}`", spec.kind, spec.name));
            let other = &state.specs()[place];
            assert!(
                other.dims == spec.dims && other.layout == spec.layout,
                "`{}` lies otherwise in the state",
                spec.name
            );
            place
        };
        self.places = Some((state.identity(), self.states.iter().map(find).collect()));
    }

    /// Makes some of the launches ready, all of them or a single one.
    fn prepare(&mut self, workers: usize, state: &mut State, clock: Option<Clock>, launches: Range<usize>) -> Run<'_> {
        self.find_states(state);
        let places = self.places.as_ref().map_or(&[][..], |(_, places)| places);
        while self.scratch.len() < workers {
            self.scratch.push(Buffer::zeroed(self.scratch_len));
        }
        let mut pointers = Vec::with_capacity(self.buffers.len());
        for (spec, own) in self.buffers.iter().zip(&mut self.own) {
            pointers.push(match &spec.storage {
                Storage::Arena(offset) => self.arena.pointer().wrapping_add(*offset),
                Storage::State(index) => state.pointer(places[*index]),
                Storage::Input(_) | Storage::Output(_) => own.pointer(),
            });
        }
        let call = |launch: &Launch| Call {
            code: self.linked.code(launch.kernel),
            buffers: launch.buffers.iter().map(|&buffer| pointers[buffer]).collect(),
            gemms: &self.gemms[launch.kernel],
            tasks: launch.tasks,
            next: (0..workers).map(|worker| Counter(AtomicUsize::new(share(launch.tasks, worker, workers)))).collect(),
        };
        Run {
            waves: if launches.len() == 1 { std::slice::from_ref(&SINGLE) } else { &self.waves },
            launches: self.launches[launches].iter().map(call).collect(),
            workers,
            scratch: self.scratch.iter_mut().map(Buffer::pointer).collect(),
            clock,
        }
    }
}

/// The first task of a worker's own share.
fn share(tasks: usize, worker: usize, workers: usize) -> usize {
    tasks * worker / workers
}

/// The ranges of launches with equal wave numbers.
fn waves(launches: &[Launch]) -> Vec<Range<usize>> {
    let mut start = 0;
    launches
        .chunk_by(|left, right| left.wave == right.wave)
        .map(|wave| {
            start += wave.len();
            start - wave.len()..start
        })
        .collect()
}

/// What `Run` relies on.
fn check(program: &Program) {
    for buffer in &program.buffers {
        match &buffer.storage {
            Storage::Arena(offset) => {
                assert!(offset.is_multiple_of(16), "a buffer of the arena is not aligned");
                assert!(offset + buffer.len <= program.arena, "a buffer sticks out of the arena");
            }
            Storage::State(index) => {
                let len: usize = program.states[*index].dims.iter().product();
                assert!(
                    buffer.len <= len,
                    "a buffer is longer than the state tensor `{}`",
                    program.states[*index].name
                );
            }
            Storage::Input(_) | Storage::Output(_) => {}
        }
    }
    for launch in &program.launches {
        assert!(launch.kernel < program.kernels.len(), "launch `{}` names no kernel", launch.label);
        for &buffer in &launch.buffers {
            assert!(buffer < program.buffers.len(), "launch `{}` names no buffer", launch.label);
        }
    }
    assert!(program.launches.is_sorted_by_key(|launch| launch.wave), "waves decrease");
}

impl Run<'_> {
    /// One worker's part of the program. All workers go through the same waves.
    fn work(&self, worker: usize, barrier: &Barrier) {
        let mut wave = self.lonely(0);
        if wave > 0 && !barrier.wait(|| self.alone(0..wave, worker)) {
            return;
        }
        while wave < self.waves.len() {
            for launch in self.waves[wave].clone() {
                self.take_part(&self.launches[launch], worker);
            }
            let next = self.lonely(wave + 1);
            let going_on = barrier.wait(|| {
                self.mark(wave);
                self.alone(wave + 1..next, worker);
            });
            if !going_on {
                return;
            }
            wave = next;
        }
    }

    /// The first wave from `wave` on that has more than one task.
    fn lonely(&self, wave: usize) -> usize {
        let tasks = |wave: &Range<usize>| self.launches[wave.clone()].iter().map(|call| call.tasks).sum::<usize>();
        wave + self.waves[wave..].iter().take_while(|wave| tasks(wave) <= 1).count()
    }

    /// Runs waves that have nothing to share.
    fn alone(&self, waves: Range<usize>, worker: usize) {
        for wave in waves {
            for launch in self.waves[wave].clone() {
                let call = &self.launches[launch];
                (0..call.tasks).for_each(|task| self.task(call, task, worker));
            }
            self.mark(wave);
        }
    }

    /// Runs tasks until none is left: first this worker's own share, so that neighbouring launches find their data in its
    /// cache, then what the others have not begun.
    fn take_part(&self, call: &Call, worker: usize) {
        for offset in 0..self.workers {
            let owner = (worker + offset) % self.workers;
            let end = share(call.tasks, owner + 1, self.workers);
            loop {
                let task = call.next[owner].0.fetch_add(1, Ordering::Relaxed);
                if task >= end {
                    break;
                }
                self.task(call, task, worker);
            }
        }
    }

    fn task(&self, call: &Call, task: usize, worker: usize) {
        let (buffers, gemms) = (call.buffers.as_ptr(), call.gemms.as_ptr());
        // SAFETY: the code is a kernel of the program, linked and alive; it gets as many buffers and products as the
        // program says, each as long as the program says (`check`), and a scratch of the greediest kernel's length that
        // no other worker uses. That the kernel stays within them is the compiler's promise, see `Program`.
        unsafe { (call.code)(buffers, self.scratch[worker], gemms, task as i64) };
    }

    /// Writes down how long a wave took, if that is asked for: then each has one launch.
    fn mark(&self, wave: usize) {
        if let Some(clock) = &self.clock {
            let now = clock.start.elapsed().as_nanos() as u64;
            let before = clock.last.swap(now, Ordering::Relaxed);
            clock.nanoseconds[wave].store(now - before, Ordering::Relaxed);
        }
    }
}
