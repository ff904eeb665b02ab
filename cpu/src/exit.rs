//! Why control left: inside the CPU a [`Stop`], outside an [`Exit`].

use crate::bus::AccessWidth;
use crate::exception::Exception;
use crate::intercepts::Sensitive;

/// Why an instruction did not simply retire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It raised an exception and changed nothing.
    Exception(Exception),
    /// It is an INT instruction: deliver, returning to the instruction after it.
    SoftwareInterrupt(SoftwareInterrupt),
    /// It is intercepted and changed nothing.
    Intercepted(Sensitive),
    /// It needs the board: see [`DeviceDialogue`].
    Device,
    /// It retired and halted the CPU.
    Halt,
    /// A repeated string instruction ran out of budget between two iterations.
    Unfinished,
    /// It needs something that this CPU does not have.
    Unimplemented(Unimplemented),
}

/// What a handler answers: the instruction retired, or why not.
pub(crate) type Step = Result<(), Stop>;

impl From<Exception> for Stop {
    fn from(exception: Exception) -> Self {
        Self::Exception(exception)
    }
}

/// The instructions that call an interrupt handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoftwareInterrupt {
    /// INT n.
    Int(u8),
    /// INT3.
    Breakpoint,
    /// INTO with OF set.
    Overflow,
    /// INT1: as a hardware #DB, without privilege check.
    Debug,
}

impl SoftwareInterrupt {
    /// The vector that is called.
    pub const fn vector(self) -> u8 {
        match self {
            Self::Int(vector) => vector,
            Self::Breakpoint => 3,
            Self::Overflow => 4,
            Self::Debug => 1,
        }
    }
}

/// Parts of the architecture that this CPU honestly does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unimplemented {
    /// A hardware task switch, to the TSS with this selector.
    TaskSwitch(u16),
}

/// Why [`crate::Cpu::run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The budget of cycles is used up.
    Budget,
    /// The CPU is halted and nothing wakes it before the next event of the bus.
    Halted,
    /// The bus wants attention: see [`crate::Bus::wants_attention`].
    Bus,
    /// An intercepted exception. RIP is at the instruction, or after it for traps.
    Exception(Exception),
    /// An intercepted INT instruction. RIP is at it.
    SoftwareInterrupt {
        /// Which.
        interrupt: SoftwareInterrupt,
        /// Its length in bytes.
        length: u8,
    },
    /// An intercepted instruction. RIP is at it.
    Instruction {
        /// Which.
        instruction: Sensitive,
        /// Its length in bytes.
        length: u8,
    },
    /// An external interrupt wants to be delivered, and that is intercepted.
    ExternalInterrupt,
    /// An NMI arrived, and that is intercepted.
    NonMaskableInterrupt,
    /// Triple fault: the exceptions that led to it, the first one first.
    TripleFault([Exception; 3]),
    /// The guest needs something that this CPU does not have. RIP is at the instruction.
    Unimplemented(Unimplemented),
}

/// One access that only the board can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceAccess {
    ReadPort { port: u16, width: AccessWidth },
    WritePort { port: u16, width: AccessWidth, value: u32 },
    ReadMemory { address: u64, width: AccessWidth },
    WriteMemory { address: u64, width: AccessWidth, value: u64 },
}

/// The conversation of one instruction with the board.
///
/// Handlers don't hold the bus. An instruction that needs it stops with [`Stop::Device`]; the run
/// loop performs the access, notes the reply, and starts the instruction again, which now finds
/// the reply here. So each access is made once, in order, though the instruction is executed
/// several times, which is safe because nothing visible changes before its last access.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceDialogue {
    pub(crate) request: Option<DeviceAccess>,
    replies: Vec<u64>,
    position: usize,
}

impl DeviceDialogue {
    /// The reply to this access if it was made already; else it becomes the request.
    pub(crate) fn access(&mut self, access: DeviceAccess) -> Result<u64, Stop> {
        match self.replies.get(self.position) {
            Some(reply) => {
                self.position += 1;
                Ok(*reply)
            }
            None => {
                self.request = Some(access);
                Err(Stop::Device)
            }
        }
    }

    /// Notes a reply; the instruction starts again.
    pub(crate) fn reply(&mut self, value: u64) {
        self.replies.push(value);
        self.position = 0;
    }

    /// The instruction is over, or one iteration of it.
    pub(crate) fn finish(&mut self) {
        self.replies.clear();
        self.position = 0;
    }
}
