//! A table of text cells, and how it is written: aligned, or as comma-separated values.

use std::fmt::Write;

/// On which side of its column a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// The width that tables keep to by cutting their words.
const WIDTH: usize = 100;
/// Between two columns.
const GAP: usize = 2;
/// No column is cut below this.
const LEAST_WIDTH: usize = 12;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Titles of the columns, and how their cells are aligned.
    pub columns: Vec<(String, Alignment)>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
    /// A last row with sums, set apart.
    pub sums: Option<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new<'a>(title: &str, columns: impl IntoIterator<Item = (&'a str, Alignment)>) -> Self {
        let columns = columns.into_iter().map(|(name, side)| (name.to_owned(), side)).collect();
        Self { title: title.into(), columns, rows: Vec::new(), sums: None }
    }

    /// Aligned text: the title, the titles of the columns, the rows, the sums. Each line ends with
    /// a newline. Columns of words are cut, if they must be, so that the lines keep to 100
    /// characters; columns of numbers never.
    pub fn to_text(&self) -> String {
        let widths = self.widths();
        let rule = "─".repeat(widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1));
        let names: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let mut text = String::new();
        if !self.title.is_empty() {
            text = format!("{}\n", self.title);
        }
        if names.iter().any(|name| !name.is_empty()) {
            text += &self.line(&names, &widths);
            text += &format!("{rule}\n");
        }
        for row in &self.rows {
            text += &self.line(row, &widths);
        }
        if let Some(sums) = &self.sums {
            text += &format!("{rule}\n");
            text += &self.line(sums, &widths);
        }
        text
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (((_, side), cell), width) in self.columns.iter().zip(cells).zip(widths) {
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            let cell = cut(cell, *width);
            // Writing to a string can't fail.
            let _ = match side {
                Alignment::Left => write!(line, "{cell:<width$}"),
                Alignment::Right => write!(line, "{cell:>width$}"),
            };
        }
        format!("{}\n", line.trim_end())
    }

    fn widths(&self) -> Vec<usize> {
        let rows = || self.rows.iter().chain(&self.sums);
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = rows().filter_map(|row| row.get(column));
                let names = self.columns.get(column).map(|(name, _)| name);
                cells.chain(names).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let total: usize = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let mut excess = total.saturating_sub(WIDTH);
        for (width, (_, side)) in widths.iter_mut().zip(&self.columns).rev() {
            if *side == Alignment::Left {
                let cut = excess.min(width.saturating_sub(LEAST_WIDTH));
                *width -= cut;
                excess -= cut;
            }
        }
        widths
    }

    /// Comma-separated values (RFC 4180) with a line of titles; sums are left out, as programs add
    /// up for themselves. Numbers keep the form that the cells have.
    pub fn to_csv(&self) -> String {
        let names = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(String::as_str).collect());
        csv_lines(std::iter::once(names).chain(rows))
    }
}

/// Writes records as comma-separated values.
pub(super) fn csv_lines<'a>(records: impl Iterator<Item = Vec<&'a str>>) -> String {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for record in records {
        // Writing to memory can't fail.
        let _ = writer.write_record(record);
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// The text, or as much of it as fits, with an ellipsis.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = [("cause", Alignment::Left), ("exits", Alignment::Right)];
        let mut table = Table::new("Exits", columns);
        table.rows.push(vec!["mov to cr".into(), "12".into()]);
        table.rows.push(vec!["a, \"b\"".into(), "3".into()]);
        table.sums = Some(vec!["sum".into(), "15".into()]);
        table
    }

    #[test]
    fn text_is_aligned() {
        let expected = "\
Exits
cause      exits
────────────────
mov to cr     12
a, \"b\"         3
────────────────
sum           15
";
        assert_eq!(table().to_text(), expected);
    }

    #[test]
    fn csv_is_quoted_where_needed_and_has_no_sums() {
        assert_eq!(table().to_csv(), "cause,exits\nmov to cr,12\n\"a, \"\"b\"\"\",3\n");
    }

    #[test]
    fn long_words_are_cut_to_100_columns_and_numbers_are_not() {
        let mut table = table();
        let number = "9".repeat(30);
        table.rows.push(vec!["é".repeat(200), number.clone()]);
        let text = table.to_text();
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        assert!(text.contains('…') && text.contains(&number));
    }

    #[test]
    fn an_empty_table_is_its_titles() {
        let table = Table::new("", [("a", Alignment::Left)]);
        assert_eq!(table.to_text(), "a\n─\n");
        assert_eq!(table.to_csv(), "a\n");
    }
}
