//! The report as text. Why the guest stopped is not in it: [`Report::stopped`] says that.

use std::fmt;

use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::mode::Mode;
use paravane_cpu::state::registers::NAMES;
use paravane_cpu::state::segments::{Attributes, Segment, SegmentName, system_type};

use super::{Report, ReturnAddress, Step};
use crate::disassembly::Line;

/// Width of the column with symbols.
const SYMBOL_WIDTH: usize = 28;
/// Width of the column with the bytes of an instruction: eight of them, as most have no more.
const BYTES_WIDTH: usize = 8 * 3;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_headline(f)?;
        self.write_registers(f)?;
        self.write_segments(f)?;
        self.write_control(f)?;
        self.write_history(f)?;
        self.write_exceptions(f)?;
        self.write_stack(f)
    }
}

impl Report {
    fn write_headline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{} could not be delivered ({})", fault.name, fault.explanation)?;
            writeln!(f, "  it raised {} ({})", fault.failed.raised, fault.obstacle)?;
        }
        if !self.faults.is_empty() {
            writeln!(f)?;
        }
        let mode = match self.mode {
            Mode::Real => "real mode",
            Mode::Protected => "protected mode",
            Mode::Virtual8086 => "virtual-8086 mode",
            Mode::Compatibility => "compatibility mode",
            Mode::Long64 => "64-bit mode",
        };
        let bits = self.code_size.bits();
        writeln!(
            f,
            "At {}, ring {}, {mode} ({bits}-bit code), {} instructions and {} cycles after the start",
            self.place, self.cpl, self.instructions, self.cycles
        )?;
        let label = if self.halted { "halted before" } else { "instruction" };
        match &self.instruction {
            Some(line) => writeln!(f, "   {label}: {}", Code(line)),
            None => writeln!(f, "   {label}: no memory is mapped there"),
        }
    }

    fn write_registers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nRegisters")?;
        for (row, names) in NAMES.chunks(4).enumerate() {
            for (column, name) in names.iter().enumerate() {
                let value = self.registers.get((4 * row + column) as u8);
                write!(f, "  {name:<3} {value:016x}")?;
            }
            writeln!(f)?;
        }
        let privilege = (self.flags & Rflags::IOPL).bits() >> 12;
        let names = self.flags & !Rflags::IOPL & !Rflags::FIXED;
        writeln!(
            f,
            "  rip {:016x}  rflags {:08x} [{}] IOPL {privilege}",
            self.registers.get(paravane_cpu::state::registers::RIP),
            self.flags.bits(),
            Names(names.iter_names().map(|(name, _)| name).collect()),
        )
    }

    fn write_segments(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ORDER: [(SegmentName, &str); 6] = [
            (SegmentName::Cs, "cs"),
            (SegmentName::Ss, "ss"),
            (SegmentName::Ds, "ds"),
            (SegmentName::Es, "es"),
            (SegmentName::Fs, "fs"),
            (SegmentName::Gs, "gs"),
        ];
        writeln!(f, "\nSegments")?;
        for (segment, name) in ORDER {
            write_segment(f, name, self.segments.get(segment))?;
        }
        write_segment(f, "ldtr", &self.segments.ldtr)?;
        write_segment(f, "tr", &self.segments.tr)?;
        for (name, table) in [("gdtr", self.segments.gdtr), ("idtr", self.segments.idtr)] {
            writeln!(f, "  {name:<4}      base {:016x}  limit {:08x}", table.base, table.limit)?;
        }
        Ok(())
    }

    fn write_control(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let control = &self.control;
        let cr0 = Names(control.cr0.iter_names().map(|(name, _)| name).collect());
        let cr4 = Names(control.cr4.iter_names().map(|(name, _)| name).collect());
        let efer = Names(control.efer.iter_names().map(|(name, _)| name).collect());
        writeln!(f, "\nControl registers")?;
        writeln!(f, "  cr0  {:016x} [{cr0}]", control.cr0.bits())?;
        writeln!(
            f,
            "  cr2  {:016x}  cr3 {:016x}  cr8 {:x}",
            control.cr2, control.cr3, control.cr8
        )?;
        writeln!(f, "  cr4  {:016x} [{cr4}]", control.cr4.bits())?;
        writeln!(f, "  efer {:016x} [{efer}]", control.efer.bits())
    }

    fn write_history(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.history.is_empty() {
            return writeln!(f, "\nNo instruction has been executed.");
        }
        writeln!(f, "\nLast instructions, the latest at the end (ring, address, symbol, code)")?;
        for step in &self.history {
            match step {
                Step::Instruction { place, cpl, line, times } => {
                    if *times > 1 {
                        writeln!(f, "     at least {times} times in a row:")?;
                    }
                    let symbol = place.symbol.as_ref().map(ToString::to_string).unwrap_or_default();
                    let address = place.address;
                    writeln!(f, "  {cpl}  {address:016x} {symbol:<SYMBOL_WIDTH$} {}", Code(line))?;
                }
                Step::Delivery(event) => {
                    writeln!(f, "     {} ({}) to {}", event.name(), event.explanation, event.to)?;
                }
            }
        }
        Ok(())
    }

    fn write_exceptions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exceptions.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nLast exceptions that the guest handled")?;
        for event in &self.exceptions {
            let name = event.name();
            let cycles = event.delivery.cycles;
            writeln!(f, "  {name:<12} at {}, cycle {cycles}: {}", event.from, event.explanation)?;
        }
        Ok(())
    }

    fn write_stack(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stack = &self.stack;
        if !stack.mapped {
            return writeln!(f, "\nStack: no memory is mapped at {:#x}", stack.top);
        }
        if !stack.frames.is_empty() {
            writeln!(f, "\nCallers by the chain of frame pointers from RBP")?;
            stack.frames.iter().try_for_each(|word| writeln!(f, "  {word}"))?;
        }
        if stack.words.is_empty() {
            return writeln!(
                f,
                "\nStack from {:#x}: no word points into a known function",
                stack.top
            );
        }
        let top = stack.top;
        writeln!(
            f,
            "\nWords of the stack from {top:#x} that point into functions (? = after no call)"
        )?;
        stack.words.iter().try_for_each(|word| writeln!(f, "  {word}"))
    }
}

impl fmt::Display for ReturnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doubt = if self.after_call { ' ' } else { '?' };
        write!(f, "+{:#06x} {doubt} {}", self.above_top, self.place)
    }
}

/// An instruction with its bytes.
struct Code<'a>(&'a Line);

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: String = self.0.bytes.iter().map(|byte| format!("{byte:02x} ")).collect();
        write!(f, "{bytes:<BYTES_WIDTH$} {}", self.0.text)
    }
}

/// Names of bits.
struct Names(Vec<&'static str>);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

fn write_segment(f: &mut fmt::Formatter<'_>, name: &str, segment: &Segment) -> fmt::Result {
    let Segment { selector, base, limit, attributes, .. } = *segment;
    let kind = if segment.is_usable() { describe(attributes) } else { "unusable".into() };
    let ring = attributes.dpl();
    let bits = attributes.0;
    writeln!(
        f,
        "  {name:<4} {:04x} base {base:016x}  limit {limit:08x}  {bits:04x} ring {ring}, {kind}",
        selector.0
    )
}

/// The type of a descriptor in words.
fn describe(attributes: Attributes) -> String {
    let mut words = Vec::new();
    if attributes.is_code() {
        words.push("code");
        words.extend(attributes.is_readable().then_some("readable"));
        words.extend(attributes.is_conforming().then_some("conforming"));
        words.push(match (attributes.is_long(), attributes.is_big()) {
            (true, _) => "64-bit",
            (_, true) => "32-bit",
            _ => "16-bit",
        });
    } else if attributes.is_data() {
        words.push("data");
        words.push(if attributes.is_writable() { "writable" } else { "read-only" });
        words.extend(attributes.is_expand_down().then_some("expand-down"));
        words.push(if attributes.is_big() { "32-bit" } else { "16-bit" });
    } else {
        words.push(match attributes.kind() {
            system_type::LDT => "local descriptor table",
            system_type::TSS16 | system_type::TSS => "TSS, available",
            system_type::TSS16_BUSY | system_type::TSS_BUSY => "TSS, busy",
            _ => "system segment",
        });
    }
    words.join(", ")
}
