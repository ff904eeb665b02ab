//! A page that needs nothing but itself: the picture and the tables.

use super::{ChartError, svg};
use crate::report::{Alignment, Comparison, Table};

const STYLE: &str = "\
body { font: 16px/1.5 sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #111; \
background: #fff; }
figure { margin: 1.5rem 0; overflow-x: auto; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: 1.5rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: bold; padding: 0.3rem 0; }
th, td { padding: 0.15rem 0.8rem; border-bottom: 1px solid #ccc; text-align: left; \
font-weight: normal; }
thead th { border-bottom: 2px solid #111; font-weight: bold; }
tfoot td { border-top: 2px solid #111; font-weight: bold; }
.number { text-align: right; }
.warning { border-left: 4px solid #d55e00; padding-left: 0.8rem; }
@media print { body { margin: 0; } table { break-inside: avoid; } }
";

/// A page with the headline, the picture and the tables.
///
/// # Errors
/// The charting library reports an error.
pub fn html(comparison: &Comparison) -> Result<String, ChartError> {
    let guest = escaped(&comparison.guest);
    let headline = escaped(&comparison.headline());
    let warnings: String = comparison
        .warnings()
        .iter()
        .map(|warning| format!("<p class=\"warning\">{}</p>\n", escaped(warning)))
        .collect();
    let picture = svg(comparison)?;
    let tables: String = comparison.tables().iter().map(table).collect();
    let presets: String = presets(comparison);
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{guest}: worlds compared</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{guest}: worlds compared</h1>\n<p>{headline}</p>\n{warnings}\
         <figure role=\"img\" aria-label=\"{headline}\">\n{picture}</figure>\n{tables}{presets}\
         </body>\n</html>\n"
    ))
}

/// What the prices stand for.
fn presets(comparison: &Comparison) -> String {
    let mut presets: Vec<_> =
        comparison.runs().iter().map(|run| (&run.costs.name, &run.costs.title)).collect();
    presets.sort_unstable();
    presets.dedup();
    let one = |(name, title): (&String, &String)| {
        format!("<p>Cost preset {}: {}.</p>\n", escaped(name), escaped(title))
    };
    presets.into_iter().map(one).collect()
}

fn table(table: &Table) -> String {
    let row = |cells: &[String], tag: &str| {
        let cells = table.columns.iter().zip(cells).map(|((_, side), cell)| {
            let class = match side {
                Alignment::Left => "",
                Alignment::Right => " class=\"number\"",
            };
            format!("<{tag}{class}>{}</{tag}>", escaped(cell))
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let names: Vec<_> = table.columns.iter().map(|(name, _)| name.clone()).collect();
    let rows: String = table.rows.iter().map(|cells| row(cells, "td")).collect();
    let sums = table.sums.as_ref().map(|sums| format!("<tfoot>\n{}</tfoot>\n", row(sums, "td")));
    format!(
        "<table>\n<caption>{}</caption>\n<thead>\n{}</thead>\n<tbody>\n{rows}</tbody>\n{}</table>\n",
        escaped(&table.title),
        row(&names, "th"),
        sums.unwrap_or_default()
    )
}

/// Text as HTML shows it unchanged, also within an attribute.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            character if character.is_control() => escaped.push('?'),
            character => escaped.push(character),
        }
    }
    escaped
}
