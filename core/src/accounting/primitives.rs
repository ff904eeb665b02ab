//! The pieces of work that virtualization adds, each with a price.

macro_rules! primitives {
    ($($(#[$doc:meta])* $name:ident = $key:literal, $share:ident;)*) => {
        /// One piece of work that virtualization adds to a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Primitive {
            $($(#[$doc])* $name,)*
        }

        impl Primitive {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Its name in cost presets and tables.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$name => $key,)*
                }
            }

            /// Who does the work.
            pub const fn share(self) -> Share {
                match self {
                    $(Self::$name => Share::$share,)*
                }
            }
        }
    };
}

/// Who works while guest time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Share {
    /// The guest's programs, in its ring 3.
    GuestUser,
    /// The guest's kernel.
    GuestKernel,
    /// The hypervisor.
    Hypervisor,
    /// The processor, changing between guest and hypervisor.
    Transition,
    /// Nobody: the guest sleeps in HLT or its like.
    Idle,
}

impl Share {
    /// All of them, in the order in which tables show them.
    pub const ALL: &[Self] =
        &[Self::GuestUser, Self::GuestKernel, Self::Hypervisor, Self::Transition, Self::Idle];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GuestUser => "guest user",
            Self::GuestKernel => "guest kernel",
            Self::Hypervisor => "hypervisor",
            Self::Transition => "transitions",
            Self::Idle => "idle",
        }
    }
}

primitives! {
    /// From the guest to the hypervisor, by an exception, an interrupt or an intercept.
    Exit = "exit", Transition;
    /// From the hypervisor back to the guest, by IRET or its like.
    Entry = "entry", Transition;
    /// From the guest to the hypervisor by SYSCALL: a hypercall.
    HypercallExit = "hypercall_exit", Transition;
    /// From the hypervisor back to the guest after a hypercall.
    HypercallEntry = "hypercall_entry", Transition;
    /// The hypervisor drops all, or all non-global, translations: it loads CR3.
    TlbFlush = "hypervisor_tlb_flush", Transition;
    /// The hypervisor drops the translation of one page.
    PageInvalidation = "hypervisor_page_invalidation", Transition;
    /// Registers saved, the cause found, the handler called.
    Dispatch = "dispatch", Hypervisor;
    /// One guest instruction fetched, decoded and performed on the virtual CPU.
    DecodeAndEmulate = "decode_and_emulate", Hypervisor;
    /// An exception or interrupt given to the guest: its frame is built on its stack.
    EventInjection = "event_injection", Hypervisor;
    /// The hypervisor reads one entry of the guest's page tables.
    GuestTableReference = "guest_table_reference", Hypervisor;
    /// One entry of a shadow page table written.
    ShadowEntry = "shadow_entry", Hypervisor;
    /// One shadow page table allocated and cleared.
    ShadowTable = "shadow_table", Hypervisor;
    /// One shadow page table found stale or evicted, and freed.
    ShadowTableFreed = "shadow_table_freed", Hypervisor;
    /// A page of the guest write-protected, because it has become a page table.
    WriteProtect = "write_protect", Hypervisor;
    /// The shadow root for another address space, or another privilege, found.
    RootSwitch = "root_switch", Hypervisor;
    /// A device register read or written on the guest's behalf.
    DeviceAccess = "device_access", Hypervisor;
    /// A hypercall's number checked and its function called.
    HypercallDispatch = "hypercall_dispatch", Hypervisor;
    /// One entry of a multicall or of a batched list worked off.
    BatchEntry = "batch_entry", Hypervisor;
    /// Up to 64 bytes copied from or to guest memory, with checks.
    GuestCopy = "guest_copy", Hypervisor;
    /// One page-table entry of a paravirtual guest validated.
    EntryValidated = "entry_validated", Hypervisor;
    /// One frame of a paravirtual guest given another type, or its counts changed.
    FrameTyped = "frame_typed", Hypervisor;
    /// An event sent, masked or looked for.
    EventChannel = "event_channel", Hypervisor;
    /// A timer set.
    Timer = "timer", Hypervisor;
    /// One descriptor checked and written.
    Descriptor = "descriptor", Hypervisor;
}
