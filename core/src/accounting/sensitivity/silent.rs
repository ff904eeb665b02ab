//! Sensitive instructions that do not trap outside ring 0: the reason why an x86 of 1998 can't be
//! virtualized by trap and emulate alone.

use paravane_cpu::Sensitive;

use super::row::InWorld::{Native, Replaced, Silent};
use super::row::Kind::{BehaviourByMode, BehaviourByResource, Control};
use super::row::SensitiveInstruction as Row;

const UMIP: &str = "processors since about 2017 can make it fault, by CR4.UMIP";
const KNOWS_ITS_TABLES: &str = "is not used: the kernel remembers what it registered";
const DESCRIPTORS: &str = "#GP or #NP, if the descriptor doesn't allow it";

pub(super) const CPUID: Row = Row::silent(
    Sensitive::Cpuid,
    &[BehaviourByResource],
    Replaced("executes a marked #UD first, by which Xen knows to answer in CPUID's place"),
    "Shows what processor this is. Robin and Irvine don't list it, but it matters: a guest that \
     sees features that the hypervisor doesn't virtualize will use them.",
);

pub(super) const SMSW: Row = Row::silent(
    Sensitive::Smsw,
    &[BehaviourByResource],
    Silent,
    "Shows the lower bits of CR0, the real ones. A kernel that asks whether it has set TS, or \
     whether paging is on, gets the hypervisor's answer.",
)
.listed("SMSW")
.on_condition(UMIP);

pub(super) const SGDT: Row = Row::silent(
    Sensitive::Sgdt,
    &[BehaviourByResource],
    Replaced(KNOWS_ITS_TABLES),
    "Shows where the global descriptor table is: the hypervisor's one.",
)
.listed("SGDT")
.on_condition(UMIP);

pub(super) const SIDT: Row = Row::silent(
    Sensitive::Sidt,
    &[BehaviourByResource],
    Replaced(KNOWS_ITS_TABLES),
    "Shows where the interrupt descriptor table is: the hypervisor's one. This is how the program \
     \"Red Pill\" found out in 2004 that it ran in a virtual machine.",
)
.listed("SIDT")
.on_condition(UMIP);

pub(super) const SLDT: Row = Row::silent(
    Sensitive::Sldt,
    &[BehaviourByResource],
    Replaced(KNOWS_ITS_TABLES),
    "Shows the selector of the local descriptor table that is really loaded.",
)
.listed("SLDT")
.on_condition(UMIP);

pub(super) const STR: Row = Row::silent(
    Sensitive::Str,
    &[BehaviourByResource],
    Replaced(KNOWS_ITS_TABLES),
    "Shows the selector of the task-state segment that is really loaded: the hypervisor's.",
)
.listed("STR")
.on_condition(UMIP);

pub(super) const LAR: Row = Row::silent(
    Sensitive::Lar,
    &[BehaviourByMode],
    Native,
    "Shows a descriptor's access rights if the ring may use it. Outside ring 0 the kernel's own \
     descriptors may be out of reach, and their real privilege level shows. A ported kernel knows \
     its ring and the descriptors that Xen let it have.",
)
.listed("LAR");

pub(super) const LSL: Row = Row::silent(
    Sensitive::Lsl,
    &[BehaviourByMode],
    Native,
    "Shows a segment's limit if the ring may use it. Linux keeps the number of the processor in a \
     limit, and reads it from programs by LSL.",
)
.listed("LSL");

pub(super) const VERR: Row = Row::silent(
    Sensitive::Verr,
    &[BehaviourByMode],
    Native,
    "Tells whether the ring may read a segment: the real ring, with the real descriptor.",
)
.listed("VERR");

pub(super) const VERW: Row = Row::silent(
    Sensitive::Verw,
    &[BehaviourByMode],
    Native,
    "Tells whether the ring may write to a segment: the real ring, with the real descriptor.",
)
.listed("VERW");

pub(super) const PUSHF: Row = Row::silent(
    Sensitive::Pushf,
    &[BehaviourByResource],
    Replaced("reads a byte in a page that it shares with Xen: no exit at all"),
    "Shows the flags with the real interrupt flag, which is always set while a guest runs. A kernel \
     that saves the flags before CLI and restores them later saves the wrong state.",
)
.listed("PUSHF");

pub(super) const POPF: Row = Row::silent(
    Sensitive::Popf,
    &[Control],
    Replaced("writes a byte in a page that it shares with Xen: no exit at all"),
    "Loads the flags. Outside ring 0 the CPU leaves IF and IOPL as they are and says nothing: the \
     best-known instruction that breaks Popek and Goldberg's condition.",
)
.listed("POPF")
.on_condition("IF changes only if the ring is at most IOPL; IOPL only in ring 0");

pub(super) const READ_SEGMENT: Row = Row::silent(
    Sensitive::ReadSegment,
    &[BehaviourByMode],
    Native,
    "Shows a selector (MOV from, or PUSH of, a segment register). The lower two bits of CS and SS \
     are the real ring: the kernel sees 1 or 3 where it expects 0. A ported kernel expects it.",
)
.listed("MOV, PUSH");

pub(super) const WRITE_SEGMENT: Row = Row::silent(
    Sensitive::WriteSegment,
    &[Control, BehaviourByMode],
    Native,
    "Loads a segment register (MOV, POP, LDS and their kin) from the hypervisor's table, which may \
     differ from the guest's: the access rights checked are those of the real ring.",
)
.listed("MOV, POP")
.on_condition(DESCRIPTORS);

pub(super) const FAR_CALL: Row = Row::silent(
    Sensitive::FarCall,
    &[Control, BehaviourByMode],
    Native,
    "Calls another segment, perhaps through a gate. The real ring decides whether it may, and the \
     real ring is what it saves on the stack with CS.",
)
.listed("CALL")
.on_condition(DESCRIPTORS);

pub(super) const FAR_JUMP: Row = Row::silent(
    Sensitive::FarJump,
    &[Control, BehaviourByMode],
    Native,
    "Jumps to another segment. The real ring decides whether it may; a jump to a task-state \
     segment would switch tasks.",
)
.listed("JMP")
.on_condition(DESCRIPTORS);

pub(super) const FAR_RETURN: Row = Row::silent(
    Sensitive::FarReturn,
    &[Control, BehaviourByMode],
    Native,
    "Returns to another segment, perhaps to an outer ring. What is an outer ring for the kernel is \
     the same ring for the CPU if both run in ring 3: then no stack is switched.",
)
.listed("RET")
.on_condition(DESCRIPTORS);

pub(super) const IRET: Row = Row::silent(
    Sensitive::Iret,
    &[Control, BehaviourByMode],
    Replaced("calls iret"),
    "Returns from a handler and loads the flags, with POPF's silence about IF and IOPL. Not on \
     Robin and Irvine's list, though it has POPF's fault and RET's.",
)
.on_condition("#GP, if the frame names an inner ring");
