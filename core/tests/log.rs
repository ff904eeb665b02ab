//! The event log: its limit, its filters, its sentences and its exports.

#![allow(clippy::unwrap_used, clippy::panic, reason = "how a test fails")]

use paravane_core::accounting::Cause;
use paravane_core::log::{
    Entry, Filter, Log, Note, Privilege, write_csv, write_json_lines, write_perfetto,
};
use paravane_cpu::{Sensitive, Vector};
use serde_json::{Value, json};

const CLI: Cause = Cause::Instruction(Sensitive::Cli);

fn entry(cycle: u64, cause: Cause, note: Note) -> Entry {
    let (address, from) = (0x1000 + cycle, Privilege::Kernel);
    Entry { cycle, cause, address, from, cost: 100, slept: 0, note }
}

fn log(count: u64, capacity: usize) -> Log {
    let mut log = Log::new(capacity);
    for number in 0..count {
        let cause = if number % 2 == 0 { CLI } else { Cause::HiddenPageFault };
        log.push(entry(1000 * number, cause, Note::Usual));
    }
    log
}

fn symbol(address: u64) -> Option<String> {
    (address < 0x1500).then(|| format!("say \"hi\", <b>+{:#x}", address - 0x1000))
}

#[test]
fn a_full_log_drops_its_oldest_entries_and_counts_them() {
    let log = log(10, 3);
    let cycles: Vec<_> = log.iter().map(|entry| entry.cycle).collect();
    assert_eq!(cycles, [7000, 8000, 9000]);
    assert_eq!((log.len(), log.dropped()), (3, 7));
    assert_eq!(log.get(0).unwrap().cycle, 7000);
}

#[test]
fn a_log_of_no_entries_drops_everything() {
    let mut log = log(5, 0);
    log.slept(7);
    assert!(log.is_empty());
    assert_eq!(log.dropped(), 5);
    log.clear();
    assert_eq!(log.dropped(), 0);
}

#[test]
fn filters_combine() {
    let mut log = log(10, 100);
    log.push(Entry { from: Privilege::User, ..entry(10_000, CLI, Note::Usual) });
    let shown = |filter: Filter| log.filtered(&filter).map(|entry| entry.cycle).collect::<Vec<_>>();
    assert_eq!(shown(Filter::default()).len(), 11);
    assert_eq!(shown(Filter { causes: vec![CLI], ..Filter::default() }).len(), 6);
    assert_eq!(
        shown(Filter { cycles: Some(2000..=4000), ..Filter::default() }),
        [2000, 3000, 4000]
    );
    let addresses = Some(0x1000 + 2000..=0x1000 + 4000);
    assert_eq!(shown(Filter { addresses, causes: vec![CLI], ..Filter::default() }), [2000, 4000]);
    assert_eq!(shown(Filter { from: Some(Privilege::User), ..Filter::default() }), [10_000]);
}

#[test]
fn an_entry_explains_itself_in_one_sentence() {
    let hypercall = Cause::Hypercall { personality: "xen", number: 1, name: "mmu_update" };
    let read = Cause::Instruction(Sensitive::In);
    let cases = [
        (
            CLI,
            Note::InterruptFlag(false),
            "cli outside ring 0 raised #GP; the hypervisor cleared the virtual IF and resumed",
        ),
        (
            read,
            Note::PortRead { port: 0x3fd, value: 0x60 },
            "in outside ring 0 raised #GP; the hypervisor read 0x60 from port 0x3fd of the board and \
             resumed",
        ),
        (
            Cause::Instruction(Sensitive::Popf),
            Note::Usual,
            "popf left the CPU; the hypervisor performed it on the virtual CPU and resumed",
        ),
        (
            Cause::Exception(Vector::PageFault),
            Note::Delivered { vector: 14, handler: 0x1234 },
            "the guest raised #PF; the hypervisor gave vector 14 to the guest's handler at 0x1234 and \
             resumed",
        ),
        (
            hypercall,
            Note::Answered { result: -22, requests: 3 },
            "the kernel called mmu_update; the hypervisor did its 3 requests, answered -22 and \
             resumed",
        ),
    ];
    for (cause, note, sentence) in cases {
        assert_eq!(entry(0, cause, note).explanation().to_string(), sentence);
    }
}

#[test]
fn sleep_belongs_to_the_last_exit() {
    let mut log = Log::default();
    log.push(entry(50, Cause::Instruction(Sensitive::Hlt), Note::Halted));
    log.slept(1000);
    let last = log.iter().next_back().unwrap();
    assert_eq!(last.end(), 50 + 100 + 1000);
    assert_eq!(
        last.explanation().to_string(),
        "hlt outside ring 0 raised #GP; the hypervisor put the virtual CPU to sleep and resumed \
         1000 cycles later"
    );
}

#[test]
fn json_lines_are_one_valid_object_per_exit() {
    let log = log(3, 10);
    let mut out = Vec::new();
    write_json_lines(log.iter(), &symbol, &mut out).unwrap();
    let lines: Vec<Value> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["cause"], "hidden page fault");
    assert_eq!(lines[1]["cycle"], 1000);
    assert_eq!(lines[0]["symbol"], "say \"hi\", <b>+0x0");
    assert_eq!(lines[2]["symbol"], Value::Null);
    assert_eq!(lines[2]["address"], "0x17d0");
}

#[test]
fn csv_quotes_what_has_commas_and_quotes() {
    let log = log(1, 10);
    let mut out = Vec::new();
    write_csv(log.iter(), &symbol, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let (header, line) = text.split_once('\n').unwrap();
    assert_eq!(header, "cycle,cause,address,symbol,from,cost,slept,explanation");
    assert!(line.starts_with("0,cli,0x1000,\"say \"\"hi\"\", <b>+0x0\",kernel,100,0,cli outside"));
}

fn trace(log: &Log, end: u64) -> Value {
    let mut out = Vec::new();
    write_perfetto(log, 1_000_000_000, end, &symbol, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn slices(trace: &Value) -> Vec<(u64, f64, f64, String)> {
    let events = trace["traceEvents"].as_array().unwrap();
    let slices = events.iter().filter(|event| event["ph"] == "X");
    slices
        .map(|event| {
            let number = |key: &str| event[key].as_f64().unwrap();
            let name = event["name"].as_str().unwrap().to_owned();
            (event["tid"].as_u64().unwrap(), number("ts"), number("dur"), name)
        })
        .collect()
}

#[test]
fn a_trace_has_a_lane_for_each_part_and_fills_the_whole_time() {
    let mut log = Log::default();
    log.push(Entry { from: Privilege::User, ..entry(1500, CLI, Note::Usual) });
    log.push(entry(2000, Cause::Instruction(Sensitive::Hlt), Note::Halted));
    log.slept(900);
    let trace = trace(&log, 3500);
    let expected = [
        (1, 0.0, 1.5, "runs"),
        (3, 1.5, 0.1, "cli"),
        (2, 1.6, 0.4, "runs"),
        (3, 2.0, 0.1, "hlt"),
        (4, 2.1, 0.9, "sleeps"),
        (2, 3.0, 0.5, "runs"),
    ];
    let slices = slices(&trace);
    assert_eq!(slices.len(), expected.len());
    for (slice, (lane, start, length, name)) in slices.iter().zip(expected) {
        assert_eq!((slice.0, slice.3.as_str()), (lane, name));
        assert!((slice.1 - start).abs() < 1e-9 && (slice.2 - length).abs() < 1e-9, "{slice:?}");
    }
    let total: f64 = slices.iter().map(|slice| slice.2).sum();
    assert!((total - 3.5).abs() < 1e-9);
    let names = trace["traceEvents"].as_array().unwrap().iter();
    let lanes: Vec<_> =
        names.filter(|e| e["name"] == "thread_name").map(|e| &e["args"]["name"]).collect();
    assert_eq!(json!(lanes), json!(["guest user", "guest kernel", "hypervisor", "idle"]));
}

#[test]
fn a_trace_says_how_many_exits_are_missing_and_invents_no_time_for_them() {
    let trace = trace(&log(10, 3), 20_000);
    assert_eq!(trace["otherData"]["exits_dropped_before_the_first"], 7);
    assert!(slices(&trace).iter().all(|slice| slice.1 >= 7.0));
}

#[test]
fn an_empty_log_is_one_long_slice() {
    let slices = slices(&trace(&Log::default(), 2000));
    assert_eq!(slices, [(2, 0.0, 2.0, "runs".to_owned())]);
}
