//! Signals to our own children, and children that do not outlive us.

use std::{io, process::Command};

/// What is sent to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ends it without a chance to tidy up.
    Kill,
    /// Asks it to end.
    Terminate,
    /// Freezes it.
    Stop,
    /// Thaws it.
    Continue,
    /// Postgres: end at once, without writing anything out.
    Quit,
    /// Postgres: end in order.
    Interrupt,
}

/// Sends `signal` to a child of ours that nobody has awaited yet.
#[expect(unsafe_code, reason = "the standard library sends no signal but SIGKILL")]
pub fn send(process: u32, signal: Signal) {
    let number = match signal {
        Signal::Kill => libc::SIGKILL,
        Signal::Terminate => libc::SIGTERM,
        Signal::Stop => libc::SIGSTOP,
        Signal::Continue => libc::SIGCONT,
        Signal::Quit => libc::SIGQUIT,
        Signal::Interrupt => libc::SIGINT,
    };
    // SAFETY: kill takes two numbers and touches no memory; the process is a child that nobody has awaited, so its number
    // cannot have gone to another.
    unsafe { libc::kill(process.cast_signed(), number) };
}

/// The kernel kills the child when we die, however we die.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "only between fork and exec can a child ask for the signal of its parent's death")]
pub fn die_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let parent = std::process::id();
    // SAFETY: the closure runs in the forked child before exec and calls only async-signal-safe functions (prctl, getppid,
    // _exit); it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            if libc::getppid().cast_unsigned() != parent {
                libc::_exit(1);
            }
            Ok(())
        });
    }
}

/// Elsewhere no kernel does that.
#[cfg(not(target_os = "linux"))]
pub fn die_with_us(_: &mut Command) {}

/// Whether we are root.
#[expect(unsafe_code, reason = "the standard library does not tell the effective user")]
pub fn is_root() -> bool {
    // SAFETY: geteuid takes nothing, changes nothing and cannot fail (POSIX).
    unsafe { libc::geteuid() == 0 }
}
