//! The command that shows how a guest came to its end.

use paravane_core::worlds::World;

use super::Run;
use crate::setup::Shadow;

/// How many instructions before the end the trace shall begin.
const BEFORE_THE_END: u64 = 1_000;

/// A line with the command: the same run, traced near its end.
pub fn hint(run: &Run, instructions: u64) -> String {
    let after = instructions.saturating_sub(BEFORE_THE_END);
    // One more than it came to, or the run would end before it crashes.
    let limit = instructions.saturating_add(1);
    let mut words = vec!["paravane".to_owned(), "run".into(), quoted(&run.guest)];
    if run.world != World::Bare {
        words.push(format!("--world {}", run.world));
    }
    let setup = &run.setup;
    words.extend(setup.memory.map(|bytes| format!("--memory {}K", bytes >> 10)));
    words.extend(setup.append.as_ref().map(|text| format!("--append {}", quoted(text))));
    words.extend(setup.modules.iter().map(|module| format!("--module {}", quoted(module))));
    words.extend(setup.preset.as_ref().map(|preset| format!("--preset {}", quoted(preset))));
    if setup.shadow == Shadow::Naive {
        words.push("--shadow naive".into());
    }
    words.push("--trace=instructions,exceptions,ports".into());
    if after > 0 {
        words.push(format!("--trace-after {after}"));
    }
    words.push(format!("--limit {limit} --trace-file trace.txt"));
    format!(
        "To see how it came to this, run it again with the same input and look at the end of \
         trace.txt:\n  {}",
        words.join(" ")
    )
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-=+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_if_a_shell_would_split_or_change_them() {
        let cases = [
            ("a/b.elf", "a/b.elf"),
            ("two words", "'two words'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
        ];
        for (word, text) in cases {
            assert_eq!(quoted(word), text);
        }
    }
}
