//! What leaves the CPU to whoever called [`crate::Cpu::run`]: plain data.

use crate::exception::Vector;

macro_rules! sensitive {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Instructions whose effect or result depends on, or changes, privileged state.
        ///
        /// Each of them asks [`Intercepts`] before it acts: the order in every such handler is
        /// privilege check, intercept check, effect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Sensitive {
            $($(#[$doc])* $name,)*
        }

        impl Sensitive {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The assembler's name of the instruction or group.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

sensitive! {
    /// CPUID.
    Cpuid = "cpuid",
    /// RDTSC.
    Rdtsc = "rdtsc",
    /// RDTSCP.
    Rdtscp = "rdtscp",
    /// RDPMC.
    Rdpmc = "rdpmc",
    /// HLT.
    Hlt = "hlt",
    /// INVLPG.
    Invlpg = "invlpg",
    /// INVD and WBINVD.
    Wbinvd = "wbinvd",
    /// MOV from a control register.
    ReadControl = "mov from cr",
    /// MOV to a control register.
    WriteControl = "mov to cr",
    /// MOV from a debug register.
    ReadDebug = "mov from dr",
    /// MOV to a debug register.
    WriteDebug = "mov to dr",
    /// RDMSR.
    Rdmsr = "rdmsr",
    /// WRMSR.
    Wrmsr = "wrmsr",
    /// CLTS.
    Clts = "clts",
    /// LMSW.
    Lmsw = "lmsw",
    /// SMSW.
    Smsw = "smsw",
    /// LGDT.
    Lgdt = "lgdt",
    /// LIDT.
    Lidt = "lidt",
    /// LLDT.
    Lldt = "lldt",
    /// LTR.
    Ltr = "ltr",
    /// SGDT.
    Sgdt = "sgdt",
    /// SIDT.
    Sidt = "sidt",
    /// SLDT.
    Sldt = "sldt",
    /// STR.
    Str = "str",
    /// LAR.
    Lar = "lar",
    /// LSL.
    Lsl = "lsl",
    /// VERR.
    Verr = "verr",
    /// VERW.
    Verw = "verw",
    /// PUSHF.
    Pushf = "pushf",
    /// POPF.
    Popf = "popf",
    /// CLI.
    Cli = "cli",
    /// STI.
    Sti = "sti",
    /// MOV from, or PUSH of, a segment register.
    ReadSegment = "mov from segment",
    /// MOV to, POP of, or LDS and its kin into, a segment register.
    WriteSegment = "mov to segment",
    /// Far CALL.
    FarCall = "call far",
    /// Far JMP.
    FarJump = "jmp far",
    /// Far RET.
    FarReturn = "ret far",
    /// IRET.
    Iret = "iret",
    /// INT n, INT3 and INTO.
    Interrupt = "int",
    /// SYSCALL.
    Syscall = "syscall",
    /// SYSRET.
    Sysret = "sysret",
    /// SYSENTER.
    Sysenter = "sysenter",
    /// SYSEXIT.
    Sysexit = "sysexit",
    /// SWAPGS.
    Swapgs = "swapgs",
    /// RDFSBASE and RDGSBASE.
    ReadBase = "rdfsbase",
    /// WRFSBASE and WRGSBASE.
    WriteBase = "wrfsbase",
    /// IN and INS.
    In = "in",
    /// OUT and OUTS.
    Out = "out",
    /// CLAC and STAC.
    AccessControl = "stac",
    /// MONITOR.
    Monitor = "monitor",
    /// MWAIT.
    Mwait = "mwait",
    /// PAUSE.
    Pause = "pause",
    /// VMCALL: without a hypervisor it raises #UD.
    Vmcall = "vmcall",
    /// VMMCALL: without a hypervisor it raises #UD.
    Vmmcall = "vmmcall",
}

/// The set of things that leave the CPU instead of being handled by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intercepts {
    exceptions: u32,
    instructions: u64,
    /// External interrupts exit when they would be delivered.
    pub external_interrupts: bool,
    /// NMIs exit when they would be delivered.
    pub non_maskable_interrupts: bool,
}

impl Intercepts {
    /// Nothing leaves: bare metal.
    pub const NONE: Self = Self {
        exceptions: 0,
        instructions: 0,
        external_interrupts: false,
        non_maskable_interrupts: false,
    };

    /// The same, and this exception.
    #[must_use]
    pub const fn with_exception(mut self, vector: Vector) -> Self {
        self.exceptions |= 1 << vector as u32;
        self
    }

    /// The same, and this instruction.
    #[must_use]
    pub const fn with_instruction(mut self, instruction: Sensitive) -> Self {
        self.instructions |= 1 << instruction as u64;
        self
    }

    /// The same, but this instruction does not leave.
    #[must_use]
    pub const fn without_instruction(mut self, instruction: Sensitive) -> Self {
        self.instructions &= !(1 << instruction as u64);
        self
    }

    /// Whether this exception leaves.
    pub const fn exception(&self, vector: Vector) -> bool {
        self.exceptions >> vector as u32 & 1 != 0
    }

    /// Whether this instruction leaves.
    pub const fn instruction(&self, instruction: Sensitive) -> bool {
        self.instructions >> instruction as u64 & 1 != 0
    }
}
