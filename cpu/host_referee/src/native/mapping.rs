//! The windows of [`crate::windows`], mapped at their fixed addresses.
#![allow(unsafe_code, reason = "maps memory at fixed addresses; see the invariants in native.rs")]

use std::io::Error;
use std::ptr::{self, NonNull};

use libc::{MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED};
use libc::{PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE, c_int};

use super::Unavailable;
use crate::windows::{
    CODE_START, CODE_WINDOW_SIZE, CODE_WINDOW_START, DATA_SIZE, DATA_START, RESERVED_END,
    RESERVED_START, STACK_SIZE, STACK_START, Scratch,
};

const INT3: u8 = 0xcc;
const RESERVED_SIZE: usize = (RESERVED_END - RESERVED_START) as usize;

/// The mapped windows. While one exists, the whole reserved range belongs to it.
#[derive(Debug)]
pub struct Windows {
    /// The code window's second, writable mapping: the one at its own address is read-only.
    code: NonNull<u8>,
}

impl Windows {
    /// Reserves the range and maps the windows in it, if nothing else is there.
    pub fn map() -> Result<Windows, Unavailable> {
        let anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
        let reserve = anonymous | MAP_FIXED_NOREPLACE | MAP_NORESERVE;
        map(RESERVED_START, RESERVED_SIZE, PROT_NONE, reserve, -1, "the reserved range")?;
        // From here on, dropping `windows` undoes everything.
        let mut windows = Windows { code: NonNull::dangling() };
        let writable = PROT_READ | PROT_WRITE;
        map(DATA_START, DATA_SIZE, writable, anonymous | MAP_FIXED, -1, "the data window")?;
        map(STACK_START, STACK_SIZE, writable, anonymous | MAP_FIXED, -1, "the stack window")?;

        // SAFETY: the name is a valid C string; no memory is involved.
        let file =
            unsafe { libc::memfd_create(c"paravane-code-window".as_ptr(), libc::MFD_CLOEXEC) };
        if file < 0 {
            return Err(last_error("the code window's file"));
        }
        // SAFETY: `file` is ours and open.
        let sized = unsafe { libc::ftruncate(file, CODE_WINDOW_SIZE as libc::off_t) };
        let mapped = if sized != 0 {
            Err(last_error("the code window's size"))
        } else {
            let executable = PROT_READ | PROT_EXEC;
            map(
                CODE_WINDOW_START,
                CODE_WINDOW_SIZE,
                executable,
                MAP_SHARED | MAP_FIXED,
                file,
                "the code window",
            )
            .and_then(|_| {
                map(0, CODE_WINDOW_SIZE, writable, MAP_SHARED, file, "the code window's copy")
            })
        };
        // SAFETY: `file` is ours, open, and not used after this; mappings outlive it.
        unsafe { libc::close(file) };
        windows.code = mapped?;
        windows.set_code(&[]);
        Ok(windows)
    }

    /// Puts an instruction at its place and `int3` everywhere else. At most half a window is used.
    pub fn set_code(&mut self, code: &[u8]) {
        let offset = (CODE_START - CODE_WINDOW_START) as usize;
        // SAFETY: `self.code` maps CODE_WINDOW_SIZE writable bytes until drop, and `&mut self` makes the access unique.
        let window =
            unsafe { std::slice::from_raw_parts_mut(self.code.as_ptr(), CODE_WINDOW_SIZE) };
        window.fill(INT3);
        for (slot, byte) in window[offset..].iter_mut().zip(code) {
            *slot = *byte;
        }
        // No cache maintenance: the next iretq serializes, and x86 keeps instruction fetch coherent with stores.
    }

    /// Copies `scratch` into the windows.
    pub fn load(&mut self, scratch: &Scratch) {
        // SAFETY: both windows are mapped writable with these sizes until drop; nobody else refers to them.
        unsafe {
            ptr::copy_nonoverlapping(scratch.data.as_ptr(), pointer(DATA_START), DATA_SIZE);
            ptr::copy_nonoverlapping(scratch.stack.as_ptr(), pointer(STACK_START), STACK_SIZE);
        }
    }

    /// Copies the windows into `scratch`.
    pub fn store(&self, scratch: &mut Scratch) {
        // SAFETY: as in `load`.
        unsafe {
            ptr::copy_nonoverlapping(pointer(DATA_START), scratch.data.as_mut_ptr(), DATA_SIZE);
            ptr::copy_nonoverlapping(pointer(STACK_START), scratch.stack.as_mut_ptr(), STACK_SIZE);
        }
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        // SAFETY: the range was reserved by `map` with NOREPLACE, so all of it is ours. The writable copy is ours too,
        // unless `map` failed before it existed.
        unsafe {
            libc::munmap(pointer(RESERVED_START).cast(), RESERVED_SIZE);
            if self.code != NonNull::dangling() {
                libc::munmap(self.code.as_ptr().cast(), CODE_WINDOW_SIZE);
            }
        }
    }
}

fn pointer(address: u64) -> *mut u8 {
    ptr::with_exposed_provenance_mut(address as usize)
}

fn last_error(what: &'static str) -> Unavailable {
    Unavailable::Setup { what, error: Error::last_os_error() }
}

fn map(
    address: u64,
    size: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    what: &'static str,
) -> Result<NonNull<u8>, Unavailable> {
    // SAFETY: callers pass MAP_FIXED only inside the range that was reserved with NOREPLACE, or no fixed address at all.
    let start = unsafe { libc::mmap(pointer(address).cast(), size, protection, flags, file, 0) };
    if start == libc::MAP_FAILED {
        return Err(last_error(what));
    }
    // A kernel that doesn't know NOREPLACE takes the address as a hint only.
    match NonNull::new(start.cast::<u8>()) {
        Some(start) if address == 0 || start.as_ptr() as u64 == address => Ok(start),
        _ => Err(Unavailable::Setup {
            what,
            error: Error::other("the kernel chose another address"),
        }),
    }
}
