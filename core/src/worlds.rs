//! The worlds that a guest can run in.

use std::fmt;

/// How a guest runs: with no hypervisor, or with one of several kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum World {
    /// Bare metal.
    Bare,
    /// Trap-and-emulate on the ideal CPU, where every sensitive instruction leaves.
    Trap,
    /// Trap-and-emulate on a CPU of 1998, where some stay silent.
    TrapX86,
    /// Paravirtual: the guest is ported, and calls the hypervisor.
    Pv,
}

impl World {
    /// All of them, in the order in which tables show them.
    pub const ALL: [Self; 4] = [Self::Bare, Self::Trap, Self::TrapX86, Self::Pv];

    /// Its name on the command line and in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Trap => "trap",
            Self::TrapX86 => "trap-x86",
            Self::Pv => "pv",
        }
    }

    /// Its name in sentences.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare metal",
            Self::Trap => "trap-and-emulate",
            Self::TrapX86 => "trap-and-emulate on a CPU of 1998",
            Self::Pv => "paravirtual",
        }
    }

    /// What leaves the CPU, and what serves as memory, in one sentence.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Bare => {
                "No hypervisor: the CPU delivers through the guest's own tables, in ring 0."
            }
            Self::Trap => {
                "The guest's kernel runs deprivileged on shadow page tables; every exception, \
                 interrupt and sensitive instruction leaves to the hypervisor."
            }
            Self::TrapX86 => {
                "As trap, but only what faulted on an x86 of 1998 leaves; the silent sensitive \
                 instructions tell the guest lies, which are listed."
            }
            Self::Pv => {
                "The guest knows its hypervisor: it asks by hypercalls, and its page tables hold \
                 machine frames that the hypervisor has validated."
            }
        }
    }

    /// The world of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|world| world.name() == name)
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
