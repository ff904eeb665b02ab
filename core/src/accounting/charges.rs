//! What is charged at least: for one exit of a cause, and for an instruction on bare metal. For
//! explanations; what a run was really charged is in its [`Ledger`](super::Ledger).

use paravane_cpu::Sensitive;
use paravane_cpu::timing::Operation;

use super::causes::Cause;
use super::primitives::Primitive;

use Primitive as P;

const EMULATED: &[P] = &[P::Exit, P::Dispatch, P::DecodeAndEmulate, P::Entry];
const REFLECTED: &[P] = &[P::Exit, P::Dispatch, P::EventInjection, P::Entry];

/// The primitives that every exit of a cause is charged, each once, if it goes well and no
/// interrupt comes in between. Most exits are charged more, such as the page-table entries that the
/// hypervisor had to read, or the shadow root for another ring.
pub const fn least(cause: Cause) -> &'static [Primitive] {
    match cause {
        Cause::Instruction(instruction) => emulation(instruction),
        Cause::Exception(_) | Cause::SoftwareInterrupt | Cause::ExternalInterrupt => REFLECTED,
        Cause::HiddenPageFault => &[P::Exit, P::Dispatch, P::ShadowEntry, P::Entry],
        Cause::PageTableWrite | Cause::TracedWrite | Cause::DeviceMemory => EMULATED,
        Cause::UnsupportedMode => &[P::DecodeAndEmulate],
        Cause::Hypercall { .. } => {
            &[P::HypercallExit, P::Dispatch, P::HypercallDispatch, P::HypercallEntry]
        }
        Cause::BouncedSystemCall => &[
            P::HypercallExit,
            P::Dispatch,
            P::EventInjection,
            P::GuestCopy,
            P::TlbFlush,
            P::HypercallEntry,
        ],
        Cause::EventUpcall => &[P::EventInjection, P::GuestCopy],
    }
}

const fn emulation(instruction: Sensitive) -> &'static [Primitive] {
    match instruction {
        Sensitive::In | Sensitive::Out => {
            &[P::Exit, P::Dispatch, P::DecodeAndEmulate, P::DeviceAccess, P::Entry]
        }
        Sensitive::Invlpg => {
            &[P::Exit, P::Dispatch, P::DecodeAndEmulate, P::PageInvalidation, P::Entry]
        }
        Sensitive::Interrupt => REFLECTED,
        _ => EMULATED,
    }
}

/// What an instruction takes on bare metal beside its one cycle.
pub const fn on_bare_metal(instruction: Sensitive) -> Option<Operation> {
    use Sensitive as S;
    Some(match instruction {
        S::Cpuid => Operation::Cpuid,
        S::Rdtsc | S::Rdtscp => Operation::TimeStampRead,
        S::Invlpg => Operation::PageInvalidation,
        S::WriteControl | S::WriteDebug | S::Lmsw | S::Clts => Operation::ControlWrite,
        S::Rdmsr | S::Wrmsr => Operation::ModelSpecificAccess,
        S::WriteSegment => Operation::SegmentLoad,
        S::FarCall | S::FarJump | S::FarReturn => Operation::FarTransfer,
        S::Iret => Operation::InterruptReturn,
        S::Interrupt => Operation::SoftwareInterrupt,
        S::Syscall | S::Sysenter => Operation::FastCall,
        S::Sysret | S::Sysexit => Operation::FastReturn,
        S::In | S::Out => Operation::PortAccess,
        _ => return None,
    })
}
