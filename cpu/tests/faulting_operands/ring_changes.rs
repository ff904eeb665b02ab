//! What the CPU touches by itself: descriptor tables, the task-state segment, the stacks of two
//! rings. Such accesses are the supervisor's, whatever the ring, and they may fault as well.

use paravane_cpu::page_fault_code::{PRESENT, WRITE};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::{Exception, Exit, Vector};

use super::placement::{self, CODE, OPERAND, STACK, START};
use crate::paged_machine::{
    GDT, IDT, INNER_STACK, INNER_STACK_TOP, PagedMachine, Snapshot, TSS, Width, rights, selectors,
};

const TOP: u64 = STACK + 0x880;
const FAR_POINTER: u64 = OPERAND[0] + 0x800;

/// A page that is not as the CPU wants it, and the fault that this must raise.
struct Bad {
    page: u64,
    rights: u64,
    address: u64,
    code: u16,
}

const fn absent(address: u64, code: u16) -> Bad {
    Bad { page: address & !0xfff, rights: rights::ABSENT, address, code }
}

/// A system page that is there, but read-only.
const fn read_only(address: u64) -> Bad {
    Bad { page: address & !0xfff, rights: 1, address, code: PRESENT | WRITE }
}

const fn descriptor(selector: u16) -> u64 {
    GDT + (selector & !7) as u64
}

/// An instruction, the ring that executes it, the stack, and what may be missing.
struct Row {
    what: &'static str,
    ring: u8,
    code: Vec<u8>,
    stack: Vec<u64>,
    operand: Vec<u8>,
    bad: Vec<Bad>,
}

/// A row without stack and operand.
fn row(what: &'static str, ring: u8, code: &[u8], bad: Vec<Bad>) -> Row {
    Row { what, ring, code: code.to_vec(), stack: Vec::new(), operand: Vec::new(), bad }
}

/// AX holds this in rows about `selector`.
fn with_selector(selector: u16) -> Vec<u8> {
    [&START.to_le_bytes()[..4], &selector.to_le_bytes()].concat()
}

/// Rows for instructions with a 16-bit selector as memory operand.
fn on_selector(what: &'static str, ring: u8, code: &[u8], selector: u16, bad: Vec<Bad>) -> Row {
    Row { operand: selector.to_le_bytes().to_vec(), ..row(what, ring, code, bad) }
}

fn rows(width: Width) -> Vec<Row> {
    let machine = PagedMachine::new(width);
    let long = width == Width::Long;
    let word = if long { 8 } else { 4 };
    let (code_0, data_0) = machine.selectors(0);
    let (code_3, data_3) = machine.selectors(3);
    // REX.W where the stack slots must have 64 bits.
    let wide = |code: &[u8]| if long { [&[0x48], code].concat() } else { code.to_vec() };
    let outward = vec![START, code_3.into(), 2, TOP, data_3.into()];
    let far_outward = vec![START, code_3.into(), TOP, data_3.into()];
    let gate = descriptor(selectors::GATE);
    let inner_frame = |slots: u64| (INNER_STACK_TOP - slots * word) & !if long { 15 } else { 0 };
    let interrupt_frame = INNER_STACK_TOP - word;
    let fresh = selectors::FRESH_DATA;
    let vector = IDT + 0x80 * if long { 16 } else { 8 };
    assert!(inner_frame(5) > INNER_STACK);

    let mut rows = vec![
        Row {
            stack: outward.clone(),
            ..row(
                "iret to ring 3",
                0,
                &wide(&[0xcf]),
                vec![absent(TOP, 0), absent(descriptor(code_3), 0)],
            )
        },
        Row {
            stack: far_outward,
            ..row(
                "retf to ring 3",
                0,
                &wide(&[0xcb]),
                vec![absent(TOP, 0), absent(descriptor(code_3), 0)],
            )
        },
        row(
            "int 0x80 from ring 3",
            3,
            &[0xcd, 0x80],
            vec![
                absent(vector, 0),
                absent(descriptor(code_0), 0),
                absent(TSS + 4, 0),
                absent(interrupt_frame, WRITE),
                read_only(interrupt_frame),
            ],
        ),
        row(
            "int 0x80 from ring 0",
            0,
            &[0xcd, 0x80],
            vec![absent(vector, 0), absent(descriptor(code_0), 0), absent(TOP - word, WRITE)],
        ),
        row("in al, 0x40 with a bitmap", 3, &[0xe4, 0x40], vec![absent(TSS + 0x66, 0)]),
        Row {
            operand: with_selector(selectors::GATE | 3),
            ..row(
                "call through a gate to ring 0",
                3,
                &[0xff, 0x1b],
                vec![
                    absent(gate, 0),
                    absent(TSS + 4, 0),
                    absent(interrupt_frame, WRITE),
                    read_only(interrupt_frame),
                ],
            )
        },
        Row {
            operand: with_selector(code_3),
            ..row("jmp far in ring 3", 3, &[0xff, 0x2b], vec![absent(descriptor(code_3), 0)])
        },
        on_selector(
            "ltr",
            0,
            &[0x0f, 0x00, 0x1b],
            selectors::OTHER_TASK,
            vec![
                absent(descriptor(selectors::OTHER_TASK), 0),
                read_only(descriptor(selectors::OTHER_TASK) + 5),
            ],
        ),
        on_selector(
            "lldt",
            0,
            &[0x0f, 0x00, 0x13],
            selectors::LOCAL_TABLE,
            vec![absent(descriptor(selectors::LOCAL_TABLE), 0)],
        ),
    ];
    for (what, code) in [
        ("lar", [0x0f, 0x02, 0x03]),
        ("lsl", [0x0f, 0x03, 0x03]),
        ("verr", [0x0f, 0x00, 0x23]),
        ("verw", [0x0f, 0x00, 0x2b]),
    ] {
        rows.push(on_selector(what, 3, &code, data_3, vec![absent(descriptor(data_3), 0)]));
    }
    let accessed = || vec![absent(descriptor(fresh), 0), read_only(descriptor(fresh) + 5)];
    rows.push(on_selector("mov es, m16", 3, &[0x8e, 0x03], fresh, accessed()));
    rows.push(on_selector("mov ss, m16", 3, &[0x8e, 0x13], fresh | 3, accessed()));
    rows.push(Row {
        operand: with_selector(fresh),
        ..row("lfs", 3, &[0x0f, 0xb4, 0x03], accessed())
    });
    rows.push(Row { stack: vec![fresh.into()], ..row("pop fs", 3, &[0x0f, 0xa1], accessed()) });
    rows.push(Row {
        stack: vec![START, code_0.into(), 2, TOP, data_0.into()],
        ..row(
            "iret in ring 0",
            0,
            &wide(&[0xcf]),
            vec![absent(TOP, 0), absent(descriptor(code_0), 0)],
        )
    });
    rows
}

fn load(machine: &mut PagedMachine, row: &Row, memory: &[u8]) {
    machine.set_memory(memory);
    machine.reset(row.ring);
    let registers = &mut machine.cpu.registers;
    for (index, value) in [(0, 0x100), (3, FAR_POINTER), (4, TOP), (16, START)] {
        registers.set(index, value);
    }
    machine.cpu.flags.set_all(Rflags::FIXED | Rflags::ZF);
    machine.cpu.state_changed();
}

fn complete(machine: &mut PagedMachine, what: &str) -> (Snapshot, Vec<u8>) {
    assert_eq!(machine.execute_one(), Exit::Budget, "{what}");
    (Snapshot::of(&machine.cpu), machine.memory().to_vec())
}

fn check(machine: &mut PagedMachine, row: &Row, pristine: &[u8]) -> usize {
    machine.set_memory(pristine);
    machine.write(START, &row.code);
    machine.write(FAR_POINTER, &row.operand);
    let slot = if machine.width == Width::Long { 8 } else { 4 };
    for (address, value) in (TOP..).step_by(slot).zip(&row.stack) {
        machine.write(address, &value.to_le_bytes()[..slot]);
    }
    let memory = machine.memory().to_vec();
    load(machine, row, &memory);
    let whole = complete(machine, row.what);
    for bad in &row.bad {
        let what = format!("{} ({:?}) without {:#x}", row.what, machine.width, bad.address);
        load(machine, row, &memory);
        let before = Snapshot::of(&machine.cpu);
        machine.protect(bad.page, bad.rights);
        let fault = Exit::Exception(Exception::with_code(Vector::PageFault, bad.code));
        assert_eq!(machine.execute_one(), fault, "{what}");
        assert_eq!(machine.cpu.fault_address, bad.address, "{what}: address");
        let after = Snapshot::of(&machine.cpu);
        assert!(after == before, "{what}: {}", after.difference(&before));
        assert!(machine.memory() == memory, "{what}: memory changed");
        let system = bad.page >= GDT && bad.page != CODE;
        machine.protect(bad.page, if system { rights::SUPERVISOR } else { rights::ALL });
        let again = complete(machine, &what);
        assert!(again.0 == whole.0, "{what}: {}", again.0.difference(&whole.0));
        assert!(again.1 == whole.1, "{what}: memory differs");
    }
    row.bad.len()
}

#[test]
fn accesses_to_system_structures_fault_as_the_supervisors_and_leave_no_trace() {
    for width in [Width::Long, Width::Protected] {
        let mut machine = placement::machine(width);
        // Ports of ring 3 by the bitmap, which begins right behind the TSS and is all zero.
        machine.write(TSS + 0x66, &[0x68, 0]);
        let pristine = machine.memory().to_vec();
        let faults: usize = rows(width).iter().map(|row| check(&mut machine, row, &pristine)).sum();
        println!("{width:?}: {faults} faults");
    }
}

#[test]
fn a_descriptor_may_wrap_around_the_end_of_the_address_space() {
    let mut machine = placement::machine(Width::Long);
    let last = 0xffff_ffff_ffff_f000;
    machine.add_page(last, rights::SUPERVISOR);
    machine.add_page(0, rights::SUPERVISOR);
    // Writable data whose accessed bit is clear, from four bytes below the end to four above.
    let descriptor: u64 = 0x00cf_9200_0000_ffff;
    machine.write(last + 0xffc, &descriptor.to_le_bytes()[..4]);
    machine.write(0, &descriptor.to_le_bytes()[4..]);
    // mov ds, eax
    machine.write(START, &[0x8e, 0xd8]);
    machine.reset(0);
    machine.cpu.segments.gdtr.base = last + 0xff4;
    machine.cpu.registers.set(0, 8);
    assert_eq!(machine.execute_at(START), Exit::Budget);
    let access = machine.frame(0) + 1;
    assert_eq!(machine.cpu.ram.read::<u8>(access), Some(0x93), "the accessed bit");
}
