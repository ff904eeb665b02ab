//! SYSCALL and SYSENTER: a hypercall if the kernel executes it, a system call if a program does.
//!
//! Source: `lstar_enter` in `xen/arch/x86/x86_64/entry.S`, `xen/arch/x86/pv/hypercall.c`.

use paravane_core::accounting::{Cause, Primitive};
use paravane_core::hypervisor::paravirt::Services;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{R8, R11, RAX, RCX, RDI, RDX, RIP, RSI};
use paravane_cpu::{Sensitive, Vector};

use super::calls::{self, IRET};
use super::errors::{Errno, Refusal};
use super::traps::Bounce;
use super::vcpu::callback;
use super::{NAME, Xen};

const R10: u8 = 10;
/// The registers of the five arguments.
const ARGUMENTS: [u8; 5] = [RDI, RSI, RDX, R10, R8];

impl Xen {
    /// SYSCALL: the processor has noted where to return to.
    pub(super) fn syscall(&mut self, services: &mut dyn Services, length: u8) -> Cause {
        let flags = services.flags() - Rflags::RF;
        services.set_flags(flags);
        let registers = services.registers();
        let rip = registers.get(RIP).wrapping_add(length.into());
        registers.set(RIP, rip);
        registers.set(RCX, rip);
        registers.set(R11, flags.bits());
        if self.vcpu.kernel_mode {
            return self.hypercall(services, length);
        }
        self.bounce_system_call(services);
        Cause::BouncedSystemCall
    }

    fn hypercall(&mut self, services: &mut dyn Services, length: u8) -> Cause {
        services.charge(Primitive::HypercallDispatch, 1);
        let registers = services.registers();
        let number = registers.get(RAX) as u32;
        let arguments = ARGUMENTS.map(|register| registers.get(register));
        let name = calls::find(number).map_or("unknown", |call| call.name);
        let cause = Cause::Hypercall { personality: NAME, number, name };
        if number == IRET {
            self.iret(services);
            return cause;
        }
        let answer = if name == "unknown" {
            Err(Errno::NotImplemented.into())
        } else {
            self.call(services, number, arguments)
        };
        match answer {
            Ok(result) => services.registers().set(RAX, result),
            Err(Refusal::Error(error)) => services.registers().set(RAX, error.as_result()),
            Err(Refusal::Again(arguments)) => {
                // The same instruction once more, with what is left to do.
                let registers = services.registers();
                for (register, value) in ARGUMENTS.into_iter().zip(arguments) {
                    registers.set(register, value);
                }
                let rip = registers.get(RIP).wrapping_sub(length.into());
                registers.set(RIP, rip);
            }
        }
        cause
    }

    /// SYSENTER, which tells nobody where it came from.
    pub(super) fn sysenter(&mut self, services: &mut dyn Services) -> Cause {
        let to = self.vcpu.callbacks[callback::SYSENTER];
        if self.vcpu.kernel_mode || to.address == 0 {
            self.bounce_exception(services, Vector::GeneralProtection as u8, Some(0));
            return Cause::Exception(Vector::GeneralProtection);
        }
        services.registers().set(RIP, 0);
        self.bounce(services, &Bounce { to, error_code: None, what: "SYSENTER" });
        Cause::Instruction(Sensitive::Sysenter)
    }

    /// An NMI: for the guest if it has a handler.
    pub(super) fn nmi(&mut self, services: &mut dyn Services) -> Cause {
        let to = self.vcpu.callbacks[callback::NMI];
        if to.address != 0 {
            self.bounce(services, &Bounce { to, error_code: None, what: "NMI" });
        }
        Cause::ExternalInterrupt
    }
}
