//! The two groups of bars.
//!
//! ```text
//!   ctxswitch
//!   Paravirtual needs 3.1x fewer exits …
//!
//!   Guest time by who worked        □ guest user  ▧ guest kernel …
//!     bare  ████▒                    10,000 cycles
//!     trap  ████▒▒▒▒▒▓▓▓▓▓▓▓▓▓       47,200 cycles, 4.7x
//!
//!   Exits by cause                  □ bare  ▧ trap …
//!     mov to cr  ▧▧▧▧▧▧▧▧ 10
//! ```

use super::ChartError;
use super::canvas::{Canvas, Side, Size};
use super::pattern::{of_run, of_share};
use crate::accounting::Share;
use crate::report::numbers::{compact, grouped, percent};
use crate::report::{Comparison, Run};

const WIDTH: i32 = 960;
const MARGIN: i32 = 20;
/// Where bars begin.
const LEFT: i32 = 200;
/// Length of the longest bar.
const LENGTH: i32 = 540;
const LINE: i32 = 24;
const TIME_BAR: i32 = 26;
const TIME_STEP: i32 = 40;
const EXIT_BAR: i32 = 13;
const EXIT_STEP: i32 = 16;
const GROUP_GAP: i32 = 12;
/// Least width of a part in which its percentage is written.
const LABELLED: i32 = 52;
/// How many causes have bars of their own.
const CAUSES_SHOWN: usize = 12;
/// About how many characters of a sentence fit on a line.
const LINE_LENGTH: usize = 110;

/// The bars of exits of one cause: run and count, of those runs that had any.
struct Group {
    name: String,
    counts: Vec<(usize, u64)>,
}

impl Group {
    fn new(name: String, counts: &[u64]) -> Self {
        let counts = counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        Self { name, counts }
    }

    fn height(&self) -> i32 {
        EXIT_STEP * i32::try_from(self.counts.len()).unwrap_or(i32::MAX) + GROUP_GAP
    }
}

/// Draws everything.
pub(super) fn draw(comparison: &Comparison) -> Result<String, ChartError> {
    let runs = comparison.runs();
    let sentences = wrapped(&comparison.headline(), LINE_LENGTH);
    let groups = groups(comparison);
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let head = MARGIN + LINE * (2 + count(sentences.len()));
    let times = LINE * 3 + TIME_STEP * count(runs.len());
    let bars: i32 = groups.iter().map(Group::height).sum();
    let exits = if groups.is_empty() { 0 } else { LINE * 2 + bars };

    let mut svg = String::new();
    let canvas = Canvas::new(&mut svg, WIDTH, head + times + exits + MARGIN)?;
    let mut y = MARGIN + LINE / 2;
    canvas.text(&comparison.guest, (MARGIN, y), Size::Title, Side::Right)?;
    for sentence in &sentences {
        y += LINE;
        canvas.text(sentence, (MARGIN, y), Size::Normal, Side::Right)?;
    }
    draw_times(&canvas, comparison, head)?;
    draw_exits(&canvas, runs, &groups, head + times)?;
    canvas.finish()?;
    Ok(svg)
}

fn draw_times(canvas: &Canvas<'_>, comparison: &Comparison, top: i32) -> Result<(), ChartError> {
    canvas.text("Guest time by who worked", (MARGIN, top), Size::Heading, Side::Right)?;
    for (place, share) in (0..).zip(Share::ALL) {
        let x = LEFT + 150 * place;
        canvas.bar((x, top + LINE - 8), (24, 16), of_share(*share))?;
        canvas.text(share.name(), (x + 32, top + LINE), Size::Normal, Side::Right)?;
    }
    let longest = comparison.runs().iter().map(total).max().unwrap_or(0);
    for (place, run) in (0..).zip(comparison.runs()) {
        let y = top + LINE * 2 + TIME_STEP * place;
        let middle = y + TIME_BAR / 2;
        canvas.text(&name(comparison, run), (LEFT - 10, middle), Size::Normal, Side::Left)?;
        let end = draw_time(canvas, run, longest, y)?;
        let cycles = format!("{} cycles, {}", compact(run.cycles), comparison.slowdown_text(run));
        canvas.text(&cycles, (end + 8, middle), Size::Normal, Side::Right)?;
    }
    Ok(())
}

/// One stacked bar. Returns where it ends.
fn draw_time(canvas: &Canvas<'_>, run: &Run, longest: u64, y: i32) -> Result<i32, ChartError> {
    let mut sum = 0_u64;
    let mut x = LEFT;
    for share in Share::ALL {
        let cycles = run.cycles_of(*share);
        sum = sum.saturating_add(cycles);
        // The end is rounded, not the width: so the parts never drift from the whole.
        let end = LEFT + scaled(sum as f64, longest as f64);
        if end > x {
            canvas.bar((x, y), (end - x, TIME_BAR), of_share(*share))?;
        }
        if end - x >= LABELLED {
            let middle = (x + end) / 2;
            canvas.clear((middle - 22, y + 5), (44, TIME_BAR - 10))?;
            let label = percent(cycles, total(run));
            canvas.text(&label, (middle, y + TIME_BAR / 2), Size::Small, Side::Centre)?;
        }
        x = end;
    }
    Ok(x)
}

fn draw_exits(
    canvas: &Canvas<'_>,
    runs: &[Run],
    groups: &[Group],
    top: i32,
) -> Result<(), ChartError> {
    if groups.is_empty() {
        return Ok(());
    }
    let heading = "Exits by cause (the length is logarithmic)";
    canvas.text(heading, (MARGIN, top), Size::Heading, Side::Right)?;
    let with_exits = runs.iter().enumerate().filter(|(_, run)| run.ledger.exits() > 0);
    for (place, (index, run)) in (0..).zip(with_exits) {
        let x = LEFT + 150 * place;
        canvas.bar((x, top + LINE - 8), (24, 16), of_run(index))?;
        canvas.text(&run.world, (x + 32, top + LINE), Size::Normal, Side::Right)?;
    }
    let counts = || groups.iter().flat_map(|group| &group.counts);
    let most = counts().map(|(_, count)| *count).max().unwrap_or(0);
    let mut top = top + LINE * 2;
    for group in groups {
        let middle = top + (group.height() - GROUP_GAP) / 2;
        canvas.text(&group.name, (LEFT - 10, middle), Size::Normal, Side::Left)?;
        for (y, (run, count)) in (top..).step_by(EXIT_STEP as usize).zip(&group.counts) {
            let length = scaled((*count as f64).ln_1p(), (most as f64).ln_1p()).max(2);
            canvas.bar((LEFT, y), (length, EXIT_BAR), of_run(*run))?;
            let after = (LEFT + length + 8, y + EXIT_BAR / 2);
            canvas.text(&grouped(*count), after, Size::Small, Side::Right)?;
        }
        top += group.height();
    }
    Ok(())
}

/// The causes with the most exits, and all others together.
fn groups(comparison: &Comparison) -> Vec<Group> {
    let causes = comparison.causes();
    let (shown, others) = causes.split_at(causes.len().min(CAUSES_SHOWN));
    let mut groups: Vec<_> =
        shown.iter().map(|(cause, counts)| Group::new(cause.name().into_owned(), counts)).collect();
    if !others.is_empty() {
        let mut counts = vec![0_u64; comparison.runs().len()];
        for (_, more) in others {
            for (sum, count) in counts.iter_mut().zip(more) {
                *sum = sum.saturating_add(*count);
            }
        }
        groups.push(Group::new(format!("{} others", others.len()), &counts));
    }
    groups
}

fn name(comparison: &Comparison, run: &Run) -> String {
    if comparison.has_one_preset() {
        run.world.clone()
    } else {
        format!("{} {}", run.world, run.costs.name)
    }
}

fn total(run: &Run) -> u64 {
    Share::ALL.iter().fold(0, |sum, share| sum.saturating_add(run.cycles_of(*share)))
}

/// The length of a bar in pixels.
fn scaled(value: f64, longest: f64) -> i32 {
    if longest > 0.0 { (f64::from(LENGTH) * value / longest).round() as i32 } else { 0 }
}

/// Lines of at most about `length` characters.
fn wrapped(sentence: &str, length: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < length => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}
