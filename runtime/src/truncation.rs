//! What is said when a mapped file cannot be read any more.
//!
//! Data files are mapped into memory. Where one is cut short during a run, or its disk is taken away, the system has no bytes to give and
//! sends SIGBUS to the thread that reads. Nobody can go on from there, but the program can end with words and exit code 2.

#[cfg(unix)]
mod unix {
    use std::mem::MaybeUninit;

    const WORDS: &[u8] = b"\nerror: a data file was cut short, or its disk taken away, while it was in use\n  help: put it back, then go \
        on from the newest checkpoint: rnet train --resume DIR\n";

    extern "C" fn end(_: libc::c_int) {
        // SAFETY: `write` and `_exit` are among the few functions that a signal handler may call (POSIX.1-2017, 2.4.3); the
        // bytes are static.
        unsafe {
            libc::write(libc::STDERR_FILENO, WORDS.as_ptr().cast(), WORDS.len());
            libc::_exit(2)
        }
    }

    /// From now on such a reading ends the program in words.
    pub fn explain_truncation() {
        let handler: extern "C" fn(libc::c_int) = end;
        // SAFETY: a zeroed `sigaction` is a valid one: no flags, an empty mask. The handler is set before it is installed and
        // calls nothing that a handler may not call. Where the system refuses, everything is as it was before.
        unsafe {
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = handler as usize;
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        }
    }
}

#[cfg(unix)]
pub use unix::explain_truncation;

/// Elsewhere a mapped file cannot be cut short.
#[cfg(not(unix))]
pub fn explain_truncation() {}
