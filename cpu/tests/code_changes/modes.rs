//! The same bytes, executed as 16-bit, 32-bit and 64-bit code in turn.

use paravane_cpu::state::segments::{Attributes, Segment, SegmentName, Selector};

use super::runner::{CODE, SLICES, get, machine, run};
use crate::paged_machine::Width;

const RAX: u8 = 0;

#[test]
fn the_code_size_decides_what_bytes_mean_whatever_they_meant_before() {
    // 16 bits: mov ax, 0x1234; hlt. 32 and 64 bits: mov eax, 0x40f41234; then inc eax; hlt, or
    // a REX prefix on hlt.
    let bytes = [0xb8, 0x34, 0x12, 0xf4, 0x40, 0x40, 0xf4];
    let sizes: [(u16, u64); 3] = [(0x009b, 0x1234), (0xc09b, 0x40f4_1235), (0xa09b, 0x40f4_1234)];
    for slice in SLICES {
        let mut machine = machine(Width::Long);
        machine.write(CODE, &bytes);
        for turn in [0, 1, 2, 0, 2, 1, 1, 0] {
            let (attributes, expected) = sizes[turn];
            let code = Segment::new(Selector(8), 0, u32::MAX, Attributes(attributes));
            machine.cpu.segments.set(SegmentName::Cs, code);
            machine.cpu.state_changed();
            run(&mut machine, CODE, &[(RAX, 0)], slice);
            assert_eq!(get(&machine, RAX), expected, "attributes {attributes:#x}");
        }
    }
}

#[test]
fn a_far_jump_changes_the_size_of_the_next_instruction() {
    use crate::paged_machine::selectors::{CODE_32, CODE_64};
    for slice in SLICES {
        let mut machine = machine(Width::Long);
        let next = CODE + 0x40;
        // 64-bit: jmp far [rdi]; 32-bit: dec eax; inc eax... as one REX.W INC in 64-bit code.
        machine.write(CODE, &[0xff, 0x2f]);
        machine.write(next, &[0x48, 0xff, 0xc0, 0xf4]);
        for (selector, expected) in [(CODE_64, 0x1_0000_0000), (CODE_32, 0xffff_ffff)] {
            let pointer = [&next.to_le_bytes()[..4], &selector.to_le_bytes()].concat();
            machine.write(super::runner::STACK, &pointer);
            let registers = [(7, super::runner::STACK), (RAX, 0xffff_ffff)];
            machine.reset(0);
            run(&mut machine, CODE, &registers, slice);
            assert_eq!(get(&machine, RAX), expected);
        }
    }
}

#[test]
fn protection_switched_on_ends_the_block() {
    use paravane_cpu::state::control::{Cr0, Efer};
    for slice in SLICES {
        let mut machine = machine(Width::Protected);
        // Real mode, physical address of the code page: mov cr0, eax; then jmp far to 32-bit code.
        let frame = machine.frame(CODE);
        machine.cpu.control.cr0 = Cr0::ET;
        machine.cpu.control.efer = Efer::empty();
        let base = frame;
        let real = Segment::new(Selector((frame >> 4) as u16), base, 0xffff, Attributes(0x93));
        machine.cpu.segments.set(SegmentName::Cs, real);
        // The table's descriptor for 32-bit code is read at its physical address now.
        let table = machine.frame(crate::paged_machine::GDT);
        machine.cpu.segments.gdtr.base = table;
        machine.cpu.refresh();
        let target = (frame + 0x40) as u32;
        let mut program = vec![0x0f, 0x22, 0xc0, 0x66, 0xea];
        program.extend(target.to_le_bytes());
        program.extend(crate::paged_machine::selectors::CODE_32.to_le_bytes());
        machine.write(CODE, &program);
        // In 16-bit code this would be mov bx, 0x5678; ...
        machine.write(CODE + 0x40, &[0xbb, 0x78, 0x56, 0x34, 0x12, 0xf4]);
        let registers = [(RAX, (Cr0::ET | Cr0::PE).bits()), (3, 0)];
        run(&mut machine, 0, &registers, slice);
        assert_eq!(get(&machine, 3), 0x1234_5678);
    }
}
