//! A comparison as a picture (SVG) and as a page with the picture and the tables (HTML). Feature
//! `charts`.
//!
//! The colours are those of Okabe and Ito, which people with all kinds of colour vision can tell
//! apart; every colour comes with a hatching or a label, so that the picture can be read in black
//! and white print. No fonts are needed to draw it: the text is text in the SVG.

mod bars;
mod canvas;
mod page;
mod pattern;

use thiserror::Error;

pub use page::html;

use crate::report::Comparison;

/// Drawing failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("can't draw the chart: {0}")]
pub struct ChartError(String);

/// The picture: for each run a bar of guest time, stacked by who worked; and for each cause of
/// exits a bar for each run.
///
/// # Errors
/// The charting library reports an error.
pub fn svg(comparison: &Comparison) -> Result<String, ChartError> {
    bars::draw(comparison)
}
