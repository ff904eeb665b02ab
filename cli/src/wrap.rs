//! Paragraphs of a width that people like to read.

/// Most characters in a line.
const WIDTH: usize = 90;

/// A paragraph: the first line begins with `first`, the others are indented by as much. Ends with
/// a newline.
pub fn wrapped(first: &str, text: &str) -> String {
    let indent = " ".repeat(first.chars().count());
    let mut lines = String::new();
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += line.trim_end();
            lines.push('\n');
            line = indent.clone();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    lines += line.trim_end();
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_the_width_and_are_indented() {
        let text = wrapped("bare  ", &"word ".repeat(40));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(text.starts_with("bare  word") && text.contains("\n      word"));
        assert_eq!(text.matches("word").count(), 40);
        assert_eq!(wrapped("", ""), "\n");
    }
}
