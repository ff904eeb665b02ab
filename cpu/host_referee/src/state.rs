//! What goes into an instruction and what comes out: the contract between the referee and a [`Subject`].

use crate::windows::Scratch;

/// The two kinds of code segment that unprivileged code runs in on a 64-bit kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// 64-bit mode.
    Long64,
    /// Compatibility mode with a 32-bit code segment: a 32-bit program under a 64-bit kernel.
    Compat32,
}

impl Mode {
    /// Both modes.
    pub const ALL: [Mode; 2] = [Mode::Long64, Mode::Compat32];

    /// The mode as iced's decoder and encoder spell it.
    pub fn bitness(self) -> u32 {
        match self {
            Mode::Long64 => 64,
            Mode::Compat32 => 32,
        }
    }

    /// How many general-purpose registers exist.
    pub fn register_count(self) -> usize {
        match self {
            Mode::Long64 => 16,
            Mode::Compat32 => 8,
        }
    }

    /// The bits that a register has.
    pub fn register_mask(self) -> u64 {
        match self {
            Mode::Long64 => u64::MAX,
            Mode::Compat32 => u64::from(u32::MAX),
        }
    }
}

/// The segment selectors that both sides run with (Linux's user segments, all flat with base 0).
/// `push ds` and `mov ax, cs` make them visible.
pub mod selectors {
    /// CS in 64-bit mode.
    pub const CS_64: u16 = 0x33;
    /// CS in compatibility mode.
    pub const CS_32: u16 = 0x23;
    /// DS, ES and SS.
    pub const DATA: u16 = 0x2b;
    /// FS and GS: null. Nothing is addressed through them.
    pub const FS_GS: u16 = 0;
}

/// Index of RSP in [`State::gpr`].
pub const RSP: usize = 4;

/// The bits of RFLAGS, as far as ring 3 can see or change them.
pub mod flags {
    /// Carry.
    pub const CF: u64 = 1 << 0;
    /// Always one.
    pub const ONE: u64 = 1 << 1;
    /// Parity.
    pub const PF: u64 = 1 << 2;
    /// Auxiliary carry.
    pub const AF: u64 = 1 << 4;
    /// Zero.
    pub const ZF: u64 = 1 << 6;
    /// Sign.
    pub const SF: u64 = 1 << 7;
    /// Trap.
    pub const TF: u64 = 1 << 8;
    /// Interrupts enabled: always one in a process.
    pub const IF: u64 = 1 << 9;
    /// Direction.
    pub const DF: u64 = 1 << 10;
    /// Overflow.
    pub const OF: u64 = 1 << 11;
    /// Resume: the host sets it in the image that a fault saves, so it is never compared.
    pub const RF: u64 = 1 << 16;
    /// Alignment check.
    pub const AC: u64 = 1 << 18;
    /// The six arithmetic flags.
    pub const ARITHMETIC: u64 = CF | PF | AF | ZF | SF | OF;

    const NAMES: [(u64, &str); 10] = [
        (OF, "OF"),
        (DF, "DF"),
        (TF, "TF"),
        (AC, "AC"),
        (1 << 14, "NT"),
        (SF, "SF"),
        (ZF, "ZF"),
        (AF, "AF"),
        (PF, "PF"),
        (CF, "CF"),
    ];

    /// The names of the flags that are set, for messages.
    pub fn names(rflags: u64) -> String {
        let set: Vec<&str> =
            NAMES.iter().filter(|(bit, _)| rflags & bit != 0).map(|(_, name)| *name).collect();
        if set.is_empty() { "-".to_owned() } else { set.join(" ") }
    }
}

/// The registers of an unprivileged integer program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 … R15. In [`Mode::Compat32`] only the low halves of the first eight
    /// exist; the rest reads as zero.
    pub gpr: [u64; 16],
    /// RFLAGS. Interrupts are enabled and IOPL is 0, as in every Linux process.
    pub rflags: u64,
    /// The instruction pointer minus [`crate::windows::CODE_START`] (wrapping; 32 bits in [`Mode::Compat32`]), so 0
    /// before the instruction. After a fault: what the exception frame would hold, hence 0 for a fault and the length
    /// of the instruction for a trap (`int3`, `into`, `int1`).
    pub rip: u64,
}

impl State {
    /// All registers zero, RFLAGS as a new process has it.
    pub const RESET: State = State { gpr: [0; 16], rflags: flags::ONE | flags::IF, rip: 0 };

    /// This state with everything removed that `mode` doesn't have.
    pub fn truncated(mut self, mode: Mode) -> State {
        for (index, register) in self.gpr.iter_mut().enumerate() {
            *register =
                if index < mode.register_count() { *register & mode.register_mask() } else { 0 };
        }
        self.rip &= mode.register_mask();
        self
    }
}

/// An exception that an instruction raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The vector: 14 is a page fault.
    pub vector: u8,
    /// The error code, for the vectors that push one.
    pub error_code: Option<u32>,
    /// CR2, for page faults.
    pub address: Option<u64>,
}

impl Fault {
    /// A fault without error code and address.
    pub const fn plain(vector: u8) -> Fault {
        Fault { vector, error_code: None, address: None }
    }
}

/// How one instruction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It retired. A branch to an unmapped address retires too: the fault belongs to the next fetch.
    Completed(State),
    /// It raised an exception, with the registers as the exception handler would find them in its frame. For a string
    /// instruction under REP, that is after the iterations that were done.
    Fault {
        /// The exception.
        fault: Fault,
        /// The registers.
        state: State,
    },
    /// The subject doesn't implement the instruction. Counted and listed, never a mismatch.
    Unsupported(String),
    /// Something that should never happen: always a mismatch, with this explanation.
    Broken(String),
}

/// Something that executes x86 instructions: our emulated CPU, or the host itself.
pub trait Subject {
    /// Runs exactly one instruction in the given mode (all iterations of it, under REP).
    ///
    /// `code` is at [`crate::windows::CODE_START`], inside the code window, which is otherwise full of `int3`, can be
    /// read and executed but not written, and isn't part of `memory`. The windows in `memory` are readable and
    /// writable user pages; every other linear address is unmapped. Selectors are as in [`selectors`].
    fn execute(&mut self, mode: Mode, code: &[u8], before: &State, memory: &mut Scratch)
    -> Outcome;
}
