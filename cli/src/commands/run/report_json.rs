//! The report of a crashed guest as JSON. Numbers that are addresses, or as wide, are
//! hexadecimal strings: many readers of JSON can't hold 64 bits.

use paravane_core::disassembly::Line;
use paravane_core::machine::report::{DeliveredEvent, Report, ReturnAddress, Stack, Step};
use paravane_core::places::Place;
use paravane_cpu::state::registers::NAMES;
use paravane_cpu::state::segments::{Segment, SegmentName, TableRegister};
use serde_json::{Map, Value, json};

/// The report as a JSON value.
pub fn value(report: &Report) -> Value {
    json!({
        "faults": report.faults.iter().map(|fault| json!({
            "name": fault.name,
            "explanation": fault.explanation,
            "raised": fault.failed.raised.to_string(),
            "obstacle": fault.obstacle,
            "cycles": fault.failed.cycles,
        })).collect::<Vec<_>>(),
        "mode": format!("{:?}", report.mode),
        "code_bits": report.code_size.bits(),
        "ring": report.cpl,
        "halted": report.halted,
        "at": place(&report.place),
        "instruction": report.instruction.as_ref().map(line),
        "registers": registers(report),
        "segments": segments(report),
        "control": {
            "cr0": hex(report.control.cr0.bits()),
            "cr2": hex(report.control.cr2),
            "cr3": hex(report.control.cr3),
            "cr4": hex(report.control.cr4.bits()),
            "cr8": hex(report.control.cr8.into()),
            "efer": hex(report.control.efer.bits()),
        },
        "history": report.history.iter().map(step).collect::<Vec<_>>(),
        "exceptions": report.exceptions.iter().map(event).collect::<Vec<_>>(),
        "stack": stack(&report.stack),
        "text": report.to_string(),
    })
}

fn hex(value: u64) -> String {
    format!("{value:#x}")
}

fn registers(report: &Report) -> Value {
    let general = NAMES.iter().zip(report.registers.general());
    let mut map: Map<_, _> =
        general.map(|(name, &value)| ((*name).to_owned(), hex(value).into())).collect();
    map.insert("rip".into(), hex(report.registers.get(paravane_cpu::state::registers::RIP)).into());
    map.insert("rflags".into(), hex(report.flags.bits()).into());
    map.into()
}

fn segments(report: &Report) -> Value {
    let segments = &report.segments;
    json!({
        "cs": segment(segments.get(SegmentName::Cs)),
        "ss": segment(segments.get(SegmentName::Ss)),
        "ds": segment(segments.get(SegmentName::Ds)),
        "es": segment(segments.get(SegmentName::Es)),
        "fs": segment(segments.get(SegmentName::Fs)),
        "gs": segment(segments.get(SegmentName::Gs)),
        "ldtr": segment(&segments.ldtr),
        "tr": segment(&segments.tr),
        "gdtr": table(segments.gdtr),
        "idtr": table(segments.idtr),
    })
}

fn segment(segment: &Segment) -> Value {
    json!({
        "selector": hex(segment.selector.0.into()),
        "base": hex(segment.base),
        "limit": hex(segment.limit.into()),
        "attributes": hex(segment.attributes.0.into()),
    })
}

fn table(table: TableRegister) -> Value {
    json!({ "base": hex(table.base), "limit": hex(table.limit.into()) })
}

fn place(place: &Place) -> Value {
    let symbol = place.symbol.as_ref().map(ToString::to_string);
    json!({ "address": hex(place.address), "symbol": symbol })
}

fn line(line: &Line) -> Value {
    let bytes: String = line.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "bytes": bytes, "text": line.text })
}

fn step(step: &Step) -> Value {
    match step {
        Step::Instruction { place: at, cpl, line: code, times } => json!({
            "at": place(at),
            "ring": cpl,
            "instruction": line(code),
            "times": times,
        }),
        Step::Delivery(delivered) => json!({ "event": event(delivered) }),
    }
}

fn event(event: &DeliveredEvent) -> Value {
    json!({
        "name": event.name(),
        "explanation": event.explanation,
        "from": place(&event.from),
        "to": place(&event.to),
        "cycles": event.delivery.cycles,
        "instructions": event.delivery.instructions,
    })
}

fn stack(stack: &Stack) -> Value {
    json!({
        "top": hex(stack.top),
        "mapped": stack.mapped,
        "words": stack.words.iter().map(return_address).collect::<Vec<_>>(),
        "frames": stack.frames.iter().map(return_address).collect::<Vec<_>>(),
    })
}

fn return_address(word: &ReturnAddress) -> Value {
    json!({
        "above_top": word.above_top,
        "at": place(&word.place),
        "after_call": word.after_call,
    })
}
