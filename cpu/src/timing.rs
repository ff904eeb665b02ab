//! What takes time on this CPU, counted and priced.
//!
//! Each instruction takes one cycle, and so does each iteration of a repeated string instruction.
//! What takes longer is an [`Operation`]: the CPU counts it, and adds its price to guest time. The
//! prices are data: none of them is known here.

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $key:literal,)*) => {
        /// Something that takes the CPU more than the one cycle of an instruction.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Operation {
            $($(#[$doc])* $name,)*
        }

        impl Operation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Its name in cost presets.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$name => $key,)*
                }
            }
        }
    };
}

operations! {
    /// A page walk read one paging-structure entry.
    PageWalkReference = "page_walk_reference",
    /// All, or all non-global, translations were dropped.
    TlbFlush = "tlb_flush",
    /// The translation of one page was dropped by INVLPG.
    PageInvalidation = "page_invalidation",
    /// An exception was delivered through the IDT.
    Exception = "exception_delivery",
    /// An external interrupt or NMI was delivered through the IDT.
    Interrupt = "interrupt_delivery",
    /// INT n, INT3, INTO or INT1 was delivered through the IDT.
    SoftwareInterrupt = "software_interrupt",
    /// IRET.
    InterruptReturn = "interrupt_return",
    /// SYSCALL or SYSENTER.
    FastCall = "fast_call",
    /// SYSRET or SYSEXIT.
    FastReturn = "fast_return",
    /// A far jump, call or return.
    FarTransfer = "far_transfer",
    /// A segment register was loaded.
    SegmentLoad = "segment_load",
    /// MOV to a control or debug register, LMSW, CLTS.
    ControlWrite = "control_register_write",
    /// RDMSR or WRMSR.
    ModelSpecificAccess = "msr_access",
    /// CPUID.
    Cpuid = "cpuid",
    /// RDTSC or RDTSCP.
    TimeStampRead = "time_stamp_read",
    /// One access to an I/O port.
    PortAccess = "port_access",
}

impl Operation {
    /// Operations that happen in place of an instruction. They take at least one cycle, so that a
    /// handler that faults at its first instruction can't hold time still.
    const DELIVERIES: [Self; 3] = [Self::Exception, Self::Interrupt, Self::SoftwareInterrupt];
}

/// A price in cycles for each operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    prices: [u64; Operation::COUNT],
}

impl Default for Timing {
    /// Nothing costs anything, but a delivery one cycle.
    fn default() -> Self {
        Self::new([0; Operation::COUNT])
    }
}

impl Timing {
    /// Prices in the order of [`Operation::ALL`]. A delivery costs at least one cycle.
    pub fn new(mut prices: [u64; Operation::COUNT]) -> Self {
        for delivery in Operation::DELIVERIES {
            let price = &mut prices[delivery as usize];
            *price = (*price).max(1);
        }
        Self { prices }
    }

    /// The price of an operation in cycles.
    #[inline]
    pub fn price(&self, operation: Operation) -> u64 {
        self.prices[operation as usize]
    }
}

/// How often something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions that retired.
    pub instructions: u64,
    /// Iterations of repeated string instructions.
    pub iterations: u64,
    operations: [u64; Operation::COUNT],
}

impl Counts {
    /// How often an operation happened.
    pub fn of(&self, operation: Operation) -> u64 {
        self.operations[operation as usize]
    }

    /// Notes that an operation happened `times` times.
    #[inline]
    pub fn add(&mut self, operation: Operation, times: u64) {
        self.operations[operation as usize] += times;
    }

    /// The cycles that all this takes.
    pub fn cycles(&self, timing: &Timing) -> u64 {
        let operations =
            Operation::ALL.iter().map(|o| self.of(*o).saturating_mul(timing.price(*o)));
        operations.fold(self.instructions + self.iterations, u64::saturating_add)
    }

    /// What happened since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = *self;
        difference.instructions -= earlier.instructions;
        difference.iterations -= earlier.iterations;
        for (now, before) in difference.operations.iter_mut().zip(earlier.operations) {
            *now -= before;
        }
        difference
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.instructions += other.instructions;
        sum.iterations += other.iterations;
        for (total, more) in sum.operations.iter_mut().zip(other.operations) {
            *total += more;
        }
        sum
    }
}
