//! Worker threads that live as long as the program: they spin for a short while between jobs, then sleep.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// How often a waiting thread looks before it sleeps: some tens of microseconds, longer than the gap between two steps
/// and shorter than anybody would notice on an idle machine.
const SPINS: usize = 20_000;

/// Locks a mutex whose data cannot be left half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A counter that threads wait on: first by looking at it, then asleep.
#[derive(Default)]
struct Signal {
    value: AtomicUsize,
    sleepers: AtomicUsize,
    mutex: Mutex<()>,
    changed: Condvar,
}

impl Signal {
    fn read(&self) -> usize {
        self.value.load(Ordering::Acquire)
    }

    /// Waits until the value is no longer `old`.
    fn wait(&self, old: usize) {
        for _ in 0..SPINS {
            if self.read() != old {
                return;
            }
            std::hint::spin_loop();
        }
        let mut guard = lock(&self.mutex);
        // Sequentially consistent with `advance`: either this thread sees the new value or the other sees a sleeper.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while self.value.load(Ordering::SeqCst) == old {
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn advance(&self) {
        self.value.fetch_add(1, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            let _guard = lock(&self.mutex);
            self.changed.notify_all();
        }
    }
}

/// Where the workers of one job meet. A worker that panicked has left for good: the others then no longer wait.
pub struct Barrier {
    members: usize,
    arrived: AtomicUsize,
    generation: Signal,
    broken: AtomicBool,
}

impl Barrier {
    fn new(members: usize) -> Barrier {
        Barrier { members, arrived: AtomicUsize::new(0), generation: Signal::default(), broken: AtomicBool::new(false) }
    }

    /// Waits for all workers; the last to arrive runs `alone` before the others go on. Returns false when a worker has
    /// panicked: the job is then to return.
    #[must_use]
    pub fn wait(&self, alone: impl FnOnce()) -> bool {
        let generation = self.generation.read();
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            alone();
            self.arrived.store(0, Ordering::Relaxed);
            self.generation.advance();
        } else if !self.broken.load(Ordering::SeqCst) {
            self.generation.wait(generation);
        }
        !self.broken.load(Ordering::SeqCst)
    }

    fn break_up(&self) {
        self.broken.store(true, Ordering::SeqCst);
        self.generation.advance();
    }
}

/// What the workers do together; the number says which of them is meant.
type Job<'a> = dyn Fn(usize, &Barrier) + Sync + 'a;

struct Shared {
    start: Signal,
    running: AtomicUsize,
    finished: Signal,
    job: Mutex<Option<(&'static Job<'static>, Arc<Barrier>)>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    quit: AtomicBool,
}

impl Shared {
    /// Runs one worker's part. A panic is kept for the caller and frees the others from the barrier.
    fn take_part(&self, job: &Job<'_>, barrier: &Barrier, worker: usize) {
        let _flush = FlushDenormals::begin();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(worker, barrier))) {
            lock(&self.panic).get_or_insert(panic);
            barrier.break_up();
        }
    }
}

/// A team of threads; the caller is worker 0.
pub struct Workers {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
    /// One job at a time.
    turn: Mutex<()>,
}

impl Workers {
    /// A team of `threads` workers, at least one.
    pub fn new(threads: usize) -> Workers {
        let shared = Arc::new(Shared {
            start: Signal::default(),
            running: AtomicUsize::new(0),
            finished: Signal::default(),
            job: Mutex::new(None),
            panic: Mutex::new(None),
            quit: AtomicBool::new(false),
        });
        let handles = (1..threads.max(1))
            .map(|worker| {
                let shared = shared.clone();
                std::thread::Builder::new()
                    .name(format!("rnet worker {worker}"))
                    .spawn(move || serve(&shared, worker))
                    .unwrap_or_else(|error| panic!("cannot start worker {worker}: {error}"))
            })
            .collect();
        Workers { shared, handles, turn: Mutex::new(()) }
    }

    /// How many there are, the caller included.
    pub fn count(&self) -> usize {
        self.handles.len() + 1
    }

    /// Runs `job` on every worker at once and returns when all have finished. Denormals are flushed to zero meanwhile.
    ///
    /// # Panics
    /// With the panic of a worker, after all have stopped.
    pub fn run(&self, job: &(dyn Fn(usize, &Barrier) + Sync)) {
        let _turn = lock(&self.turn);
        let barrier = Arc::new(Barrier::new(self.count()));
        if !self.handles.is_empty() {
            // SAFETY: only the lifetime changes. The workers use the job between `start` and their decrement of
            // `running`, and this function does not return or unwind before `running` is zero: `take_part` catches
            // the panics of this thread's own part, and nothing else between here and the wait panics.
            let job = unsafe { std::mem::transmute::<&Job<'_>, &'static Job<'static>>(job) };
            *lock(&self.shared.job) = Some((job, barrier.clone()));
            self.shared.running.store(self.handles.len(), Ordering::SeqCst);
            self.shared.start.advance();
        }
        self.shared.take_part(job, &barrier, 0);
        loop {
            let seen = self.shared.finished.read();
            if self.shared.running.load(Ordering::SeqCst) == 0 {
                break;
            }
            self.shared.finished.wait(seen);
        }
        *lock(&self.shared.job) = None;
        let panic = lock(&self.shared.panic).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::SeqCst);
        self.shared.start.advance();
        for handle in self.handles.drain(..) {
            // A worker catches the panics of its jobs, so there is none to pass on.
            let _ = handle.join();
        }
    }
}

/// The life of a worker thread.
fn serve(shared: &Shared, worker: usize) {
    // The signal counts from zero, whenever this thread gets going.
    let mut seen = 0;
    loop {
        shared.start.wait(seen);
        seen += 1;
        if shared.quit.load(Ordering::SeqCst) {
            return;
        }
        let job = lock(&shared.job).clone();
        if let Some((job, barrier)) = job {
            shared.take_part(job, &barrier, worker);
        }
        if shared.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            shared.finished.advance();
        }
    }
}

/// Sets this thread's arithmetic to treat denormals as zero, until dropped. They cost up to a hundred times as much as
/// other numbers and mean nothing in training.
struct FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    before: u32,
}

#[cfg(target_arch = "x86_64")]
impl FlushDenormals {
    fn begin() -> FlushDenormals {
        /// Flush results to zero, read denormals as zero.
        const FTZ_AND_DAZ: u32 = 0x8040;
        let mut before = 0u32;
        // SAFETY: stores the control register into a local variable of its size.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut before, options(nostack)) };
        load_control(before | FTZ_AND_DAZ);
        FlushDenormals { before }
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for FlushDenormals {
    fn drop(&mut self) {
        load_control(self.before);
    }
}

/// Sets the control register of the vector unit.
#[cfg(target_arch = "x86_64")]
fn load_control(value: u32) {
    // SAFETY: `value` came from the register itself, at most with the two flush bits added, so no exception gets
    // unmasked. The compiler may move arithmetic across: that changes whether denormals of the surrounding Rust code are
    // flushed, which nothing relies on.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly)) };
}

#[cfg(not(target_arch = "x86_64"))]
impl FlushDenormals {
    fn begin() -> FlushDenormals {
        FlushDenormals {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_runs_every_job_and_meets_the_others() {
        let workers = Workers::new(3);
        for _ in 0..200 {
            let (before, alone, after) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
            workers.run(&|_, barrier| {
                before.fetch_add(1, Ordering::Relaxed);
                assert!(barrier.wait(|| {
                    assert_eq!(before.load(Ordering::Relaxed), 3);
                    alone.fetch_add(1, Ordering::Relaxed);
                }));
                assert_eq!(alone.load(Ordering::Relaxed), 1);
                assert!(barrier.wait(|| {}));
                after.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(after.load(Ordering::Relaxed), 3);
        }
    }

    #[test]
    fn workers_wake_after_sleeping() {
        let workers = Workers::new(2);
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let count = AtomicUsize::new(0);
            workers.run(&|_, _| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 2);
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_nobody_hangs() {
        for guilty in 0..3 {
            let workers = Workers::new(3);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                workers.run(&|worker, barrier| {
                    assert!(worker != guilty, "worker {worker} fell");
                    let _ = barrier.wait(|| {});
                    let _ = barrier.wait(|| {});
                });
            }));
            let panic = outcome.unwrap_err();
            assert_eq!(panic.downcast_ref::<String>().unwrap(), &format!("worker {guilty} fell"));
            let count = AtomicUsize::new(0);
            workers.run(&|_, _| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 3, "the team works on");
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn denormals_are_flushed_during_a_job_only() {
        let workers = Workers::new(1);
        let half = |x: f32| std::hint::black_box(x) * std::hint::black_box(0.5);
        let smallest = f32::MIN_POSITIVE;
        assert!(half(smallest) > 0.0);
        let inside = Mutex::new(1.0);
        workers.run(&|_, _| *inside.lock().unwrap() = half(smallest));
        assert_eq!(inside.into_inner().unwrap(), 0.0);
        assert!(half(smallest) > 0.0);
    }
}
