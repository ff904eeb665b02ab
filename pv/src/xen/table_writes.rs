//! Writable page tables: a guest that chose this assist writes to its page tables, which are
//! read-only, and Xen checks and performs each write.
//!
//! Source: `ptwr_do_page_fault` and `ptwr_emulated_update` in `xen/arch/x86/pv/ro-page-fault.c`.

use iced_x86::{Instruction, Mnemonic, OpKind};
use paravane_core::hypervisor::paravirt::Services;
use paravane_cpu::page_fault_code::{FETCH, PRESENT, RESERVED, WRITE};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RAX, RIP};

use super::Xen;
use super::frame_types::FrameType;
use super::page_tables::entry;
use super::version::ASSIST_WRITABLE_PAGE_TABLES;

impl Xen {
    /// Emulates a write of the kernel to a level 1 table. Returns whether it was one.
    pub(super) fn emulate_table_write(
        &mut self,
        services: &mut dyn Services,
        address: u64,
        error_code: u16,
    ) -> bool {
        let write = error_code & (PRESENT | WRITE | RESERVED | FETCH) == PRESENT | WRITE;
        if !write
            || !self.vcpu.kernel_mode
            || !self.has_assist(ASSIST_WRITABLE_PAGE_TABLES)
            || address & 7 != 0
        {
            return false;
        }
        let Some((table, index)) = self.leaf_of(services, address) else { return false };
        let mapping = services.read_word(table, index);
        let frame = entry::frame(mapping);
        let info = self.frames.get(frame);
        let is_table =
            info.owned && info.kind == FrameType::Table(1) && info.validated && info.type_count > 0;
        if mapping & entry::PRESENT == 0 || mapping & entry::WRITE != 0 || !is_table {
            return false;
        }
        let Some(instruction) = self.decode(services) else { return false };
        let index = (address >> 3) as usize & 511;
        let old = services.read_word(frame, index);
        let Some((new, reply)) = result(services, &instruction, old) else { return false };
        if let Some(new) = new
            && self.modify(services, 1, frame, index, new, false).is_err()
        {
            return false;
        }
        match reply {
            Reply::None => {}
            Reply::Register(register, value) => services.registers().set(register, value),
            Reply::Flags(mask, value) => {
                let flags = services.flags();
                services.set_flags((flags - mask) | value);
            }
        }
        if instruction.mnemonic() == Mnemonic::Cmpxchg {
            let equal = new.is_some();
            let mut flags = services.flags();
            flags.set(Rflags::ZF, equal);
            services.set_flags(flags);
        }
        services.registers().set(RIP, instruction.next_ip());
        true
    }
}

/// What an emulated instruction leaves beside memory.
enum Reply {
    None,
    Register(u8, u64),
    Flags(Rflags, Rflags),
}

/// The new value of a 64-bit memory operand, if it changes, and the rest. `None`: not emulated.
fn result(
    services: &mut dyn Services,
    instruction: &Instruction,
    old: u64,
) -> Option<(Option<u64>, Reply)> {
    if instruction.op0_kind() != OpKind::Memory || instruction.memory_size().size() != 8 {
        return None;
    }
    let register = instruction.op1_register();
    let number = register.full_register().number() as u8;
    let operand = match instruction.op1_kind() {
        OpKind::Register if register.is_gpr64() => services.registers().get(number),
        OpKind::Immediate32to64 | OpKind::Immediate8to64 => instruction.immediate(1),
        _ => return None,
    };
    let logic = |value: u64| {
        let mut flags = Rflags::empty();
        flags.set(Rflags::ZF, value == 0);
        flags.set(Rflags::SF, value >> 63 != 0);
        flags.set(Rflags::PF, (value as u8).count_ones().is_multiple_of(2));
        (Some(value), Reply::Flags(Rflags::ARITHMETIC, flags))
    };
    Some(match instruction.mnemonic() {
        Mnemonic::Mov => (Some(operand), Reply::None),
        Mnemonic::Xchg => (Some(operand), Reply::Register(number, old)),
        Mnemonic::And => logic(old & operand),
        Mnemonic::Or => logic(old | operand),
        Mnemonic::Xor => logic(old ^ operand),
        Mnemonic::Cmpxchg => {
            if services.registers().get(RAX) == old {
                (Some(operand), Reply::None)
            } else {
                (None, Reply::Register(RAX, old))
            }
        }
        _ => return None,
    })
}
