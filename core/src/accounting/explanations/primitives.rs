//! The pieces of work that are charged.

use crate::accounting::primitives::Primitive;

/// What a primitive is, and when it is charged, in one or two sentences.
pub const fn primitive(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Exit => {
            "The processor leaves the guest: it changes the ring, the stack and the code segment. \
             Charged once for each exit that is no hypercall."
        }
        Primitive::Entry => {
            "The processor returns to the guest. Charged once for each exit that is no hypercall."
        }
        Primitive::HypercallExit => {
            "The processor leaves a paravirtual guest by SYSCALL, which reads no table and is the \
             cheapest change of rings there is."
        }
        Primitive::HypercallEntry => "The processor returns from a hypercall.",
        Primitive::TlbFlush => {
            "The hypervisor loads CR3 on the guest's behalf, so that the TLB is empty. The misses \
             that follow are charged to the guest, one page walk each."
        }
        Primitive::PageInvalidation => {
            "The hypervisor drops one translation, because a page-table entry has changed."
        }
        Primitive::Dispatch => {
            "The hypervisor saves the guest's registers, finds out why it left, and calls the \
             function for that."
        }
        Primitive::DecodeAndEmulate => {
            "The hypervisor reads the guest's instruction from memory, decodes it, and does to the \
             virtual CPU what it says. A hypercall doesn't need this."
        }
        Primitive::EventInjection => {
            "The hypervisor does by hand what the processor does when it delivers an interrupt or \
             exception: it reads the guest's descriptor table and writes a frame on its stack."
        }
        Primitive::GuestTableReference => {
            "The hypervisor reads one entry of the guest's page tables, to find out what the guest \
             has mapped."
        }
        Primitive::ShadowEntry => "The hypervisor writes one entry of a shadow page table.",
        Primitive::ShadowTable => {
            "The hypervisor takes a page for a new shadow page table and clears it."
        }
        Primitive::ShadowTableFreed => {
            "The hypervisor gives up a shadow page table: the guest's one is no page table any \
             more, or the pool is full."
        }
        Primitive::WriteProtect => {
            "The hypervisor takes away the guest's right to write to a page, because that has \
             become a page table."
        }
        Primitive::RootSwitch => {
            "The hypervisor looks up the shadow page tables that belong to the guest's CR3 and \
             ring."
        }
        Primitive::DeviceAccess => {
            "The model of a device answers for one register, in software: often faster than the \
             real port, but only after an exit."
        }
        Primitive::HypercallDispatch => {
            "The hypervisor checks a hypercall's number and calls its function: there is no \
             instruction to decode if the guest says what it wants."
        }
        Primitive::BatchEntry => {
            "The hypervisor goes on to the next request of a list: what a further request costs in \
             place of another exit."
        }
        Primitive::GuestCopy => {
            "The hypervisor copies up to 64 bytes from or to the guest's memory, and checks first \
             that the guest may touch them."
        }
        Primitive::EntryValidated => {
            "The hypervisor checks that a page-table entry of a paravirtual guest names a frame of \
             the guest, and gives no right that its type forbids."
        }
        Primitive::FrameTyped => {
            "The hypervisor changes a frame's type (writable, page table, descriptor table) or its \
             counts, which guarantee that no page table is ever writable for the guest."
        }
        Primitive::EventChannel => {
            "The hypervisor sets or looks for the bit of an event, the virtual interrupt of a \
             paravirtual guest."
        }
        Primitive::Timer => "The hypervisor sets a timer for the guest.",
        Primitive::Descriptor => {
            "The hypervisor checks that a segment descriptor gives no ring that isn't the guest's, \
             and writes it to the table."
        }
    }
}
