//! What a row of the table says.

use paravane_cpu::{Sensitive, Vector};

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensitiveInstruction {
    /// The instruction or group.
    pub instruction: Sensitive,
    /// How it stands to Popek and Goldberg's condition.
    pub class: Class,
    /// What makes it sensitive; empty if nothing does.
    pub kinds: &'static [Kind],
    /// What the CPU answers outside ring 0, with IOPL 0 and the control bits as operating systems
    /// usually set them.
    pub faults_outside_ring_0: Answer,
    /// What else the answer depends on, if anything.
    pub condition: Option<&'static str>,
    /// The mnemonic under which Robin and Irvine list it.
    pub robin_irvine: Option<&'static str>,
    /// What becomes of it in the world `trap`.
    pub trap: InWorld,
    /// What becomes of it in the world `trap-x86`.
    pub trap_x86: InWorld,
    /// What becomes of it in the world `pv`, under Xen's interface.
    pub pv: InWorld,
    /// What it is and where the trouble lies, in one to three sentences.
    pub text: &'static str,
}

/// How an instruction stands to Popek and Goldberg's condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Sensitive, and it traps outside ring 0: as it should be.
    Privileged,
    /// Sensitive, and it does not trap: this is what breaks the condition.
    Silent,
    /// It enters whoever owns the real tables, which is the hypervisor: no trap is needed.
    Doorway,
    /// It does no harm as long as the hypervisor sets a control bit or a register for it.
    Innocuous,
}

/// What makes an instruction sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It changes the machine's resources or the mode.
    Control,
    /// Its result depends on the ring.
    BehaviourByMode,
    /// Its result depends on where the machine's tables are, or on what hardware there is.
    BehaviourByResource,
}

/// What the CPU does with an instruction outside ring 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It raises this exception.
    Faults(Vector),
    /// It runs.
    Runs,
}

/// What becomes of an instruction of the guest's kernel in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InWorld {
    /// It runs on the CPU and does what the kernel means.
    Native,
    /// It raises an exception, and the hypervisor emulates it.
    Faults,
    /// The ideal CPU makes it leave although it is not privileged, and the hypervisor emulates it.
    Intercepted,
    /// It runs on the CPU and does, or shows, something else than the kernel means.
    Silent,
    /// It enters the hypervisor by itself.
    Enters,
    /// The ported kernel does this instead.
    Replaced(&'static str),
}

impl Class {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Silent => "sensitive but silent",
            Self::Doorway => "enters the hypervisor by itself",
            Self::Innocuous => "innocuous",
        }
    }
}

impl Kind {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control-sensitive",
            Self::BehaviourByMode => "behaviour-sensitive (the ring shows)",
            Self::BehaviourByResource => "behaviour-sensitive (the real machine shows)",
        }
    }
}

impl InWorld {
    /// What happens, as a sentence without its end.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Native => "runs on the CPU and does what the kernel means",
            Self::Faults => "raises an exception, and the hypervisor emulates it",
            Self::Intercepted => "leaves the ideal CPU, and the hypervisor emulates it",
            Self::Silent => "runs on the CPU and does something else than the kernel means",
            Self::Enters => "enters the hypervisor by itself",
            Self::Replaced(by) => by,
        }
    }
}

impl Answer {
    /// Whether it raises an exception.
    pub const fn faults(self) -> bool {
        matches!(self, Self::Faults(_))
    }
}

impl SensitiveInstruction {
    /// A privileged instruction: it raises #GP.
    pub(super) const fn privileged(
        instruction: Sensitive,
        kinds: &'static [Kind],
        pv: InWorld,
        text: &'static str,
    ) -> Self {
        Self {
            instruction,
            class: Class::Privileged,
            kinds,
            faults_outside_ring_0: Answer::Faults(Vector::GeneralProtection),
            condition: None,
            robin_irvine: None,
            trap: InWorld::Faults,
            trap_x86: InWorld::Faults,
            pv,
            text,
        }
    }

    /// A sensitive instruction that does not trap.
    pub(super) const fn silent(
        instruction: Sensitive,
        kinds: &'static [Kind],
        pv: InWorld,
        text: &'static str,
    ) -> Self {
        Self {
            class: Class::Silent,
            faults_outside_ring_0: Answer::Runs,
            trap: InWorld::Intercepted,
            trap_x86: InWorld::Silent,
            ..Self::privileged(instruction, kinds, pv, text)
        }
    }

    /// An instruction that enters the hypervisor by itself.
    pub(super) const fn doorway(instruction: Sensitive, pv: InWorld, text: &'static str) -> Self {
        Self {
            class: Class::Doorway,
            trap: InWorld::Enters,
            trap_x86: InWorld::Enters,
            ..Self::silent(instruction, &[], pv, text)
        }
    }

    /// An instruction that does no harm under some condition.
    pub(super) const fn innocuous(
        instruction: Sensitive,
        kinds: &'static [Kind],
        condition: &'static str,
        text: &'static str,
    ) -> Self {
        Self {
            class: Class::Innocuous,
            condition: Some(condition),
            trap_x86: InWorld::Native,
            ..Self::silent(instruction, kinds, InWorld::Native, text)
        }
    }

    /// The same, raising another exception.
    pub(super) const fn raising(mut self, vector: Vector) -> Self {
        self.faults_outside_ring_0 = Answer::Faults(vector);
        self
    }

    /// The same, if this holds.
    pub(super) const fn on_condition(mut self, condition: &'static str) -> Self {
        self.condition = Some(condition);
        self
    }

    /// The same, listed by Robin and Irvine under this mnemonic.
    pub(super) const fn listed(mut self, mnemonic: &'static str) -> Self {
        self.robin_irvine = Some(mnemonic);
        self
    }
}
