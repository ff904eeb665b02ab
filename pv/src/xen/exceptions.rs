//! Exceptions and software interrupts: what is Xen's own business, what it emulates, and what it
//! passes on to the guest's kernel.
//!
//! Source: `xen/arch/x86/traps.c`, `xen/arch/x86/pv/traps.c`.

use paravane_core::accounting::{Cause, Primitive};
use paravane_core::hypervisor::paravirt::Services;
use paravane_cpu::state::registers::RIP;
use paravane_cpu::{Exception, Sensitive, SoftwareInterrupt, Vector, page_fault_code};

use super::Xen;
use super::layout::{LOCAL_DESCRIPTOR_PAGES, LOCAL_DESCRIPTOR_TABLE, vcpu_info};

/// What makes Xen emulate the CPUID after it: `ud2; .ascii "xen"`.
const FORCED_EMULATION: [u8; 5] = [0x0f, 0x0b, b'x', b'e', b'n'];
const CPUID: [u8; 2] = [0x0f, 0xa2];

impl Xen {
    /// Handles an exception of the guest.
    pub(super) fn exception(&mut self, services: &mut dyn Services, exception: Exception) -> Cause {
        match exception.vector {
            Vector::PageFault => return self.page_fault(services, exception),
            Vector::GeneralProtection if exception.error_code == Some(0) => {
                if let Some(cause) = self.emulate_privileged(services) {
                    return cause;
                }
            }
            Vector::InvalidOpcode if self.forced_cpuid(services) => {
                return Cause::Instruction(Sensitive::Cpuid);
            }
            Vector::Debug => {
                let conditions = services.debug_conditions().bits();
                services.debug().dr6 |= conditions;
            }
            _ => {}
        }
        let error_code = exception.error_code.map(u64::from);
        self.bounce_exception(services, exception.vector as u8, error_code);
        Cause::Exception(exception.vector)
    }

    fn page_fault(&mut self, services: &mut dyn Services, exception: Exception) -> Cause {
        let mut address = services.fault_address();
        let error_code = exception.error_code.unwrap_or_default();
        let local = address.wrapping_sub(LOCAL_DESCRIPTOR_TABLE);
        if local < (LOCAL_DESCRIPTOR_PAGES as u64) << 12 && error_code & page_fault_code::USER == 0
        {
            // The processor itself looked for a descriptor.
            if self.map_ldt_page(services, local) {
                return Cause::HiddenPageFault;
            }
            address = self.vcpu.local_table.0.wrapping_add(local);
        } else if self.emulate_table_write(services, address, error_code) {
            return Cause::PageTableWrite;
        }
        self.inject_page_fault(services, address, error_code);
        Cause::Exception(Vector::PageFault)
    }

    /// Tells the guest's kernel of a page fault. The user bit says what the guest takes for user.
    pub(super) fn inject_page_fault(
        &mut self,
        services: &mut dyn Services,
        address: u64,
        error_code: u16,
    ) {
        let mut error_code = error_code & !page_fault_code::USER;
        if !self.vcpu.kernel_mode {
            error_code |= page_fault_code::USER;
        }
        self.write_info(services, vcpu_info::FAULT_ADDRESS, &address.to_le_bytes());
        self.bounce_exception(services, Vector::PageFault as u8, Some(error_code.into()));
    }

    /// CPUID behind the forced-emulation prefix: Xen's own leaves become visible.
    fn forced_cpuid(&mut self, services: &mut dyn Services) -> bool {
        let rip = services.registers().get(RIP);
        let mut bytes = [0; 7];
        if self.read_guest(services, rip, &mut bytes).is_err() {
            return false;
        }
        let (prefix, instruction) = bytes.split_at(FORCED_EMULATION.len());
        if prefix != FORCED_EMULATION || instruction != CPUID {
            return false;
        }
        services.charge(Primitive::DecodeAndEmulate, 1);
        services.registers().set(RIP, rip.wrapping_add(7));
        self.emulate_cpuid(services);
        true
    }

    /// INT n, INT3, INTO and INT1.
    pub(super) fn software_interrupt(
        &mut self,
        services: &mut dyn Services,
        interrupt: SoftwareInterrupt,
        length: u8,
    ) -> Cause {
        let vector = interrupt.vector();
        let trap = self.vcpu.traps.get(usize::from(vector)).copied().unwrap_or_default();
        // Xen's own table lets everybody call 3 and 4; INT1 is not checked at all.
        let open = matches!(vector, 3 | 4) || interrupt == SoftwareInterrupt::Debug;
        let needed = if self.vcpu.kernel_mode { 1 } else { 3 };
        if !open && (trap.ring < needed || trap.address == 0) {
            let error_code = u64::from(vector) << 3 | 2;
            self.bounce_exception(services, Vector::GeneralProtection as u8, Some(error_code));
            return Cause::Exception(Vector::GeneralProtection);
        }
        let rip = services.registers().get(RIP);
        services.registers().set(RIP, rip.wrapping_add(length.into()));
        self.bounce_exception(services, vector, None);
        Cause::SoftwareInterrupt
    }
}
