//! Rectangles, texts and lines in pixels, on an SVG.

use std::fmt::Display;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::IntoDrawingArea;
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{BLACK, Color, FontStyle, IntoFont, ShapeStyle, WHITE};

use super::ChartError;
use super::pattern::{Pattern, lines};

type Area<'a> = plotters::drawing::DrawingArea<SVGBackend<'a>, Shift>;

/// What the charts are drawn on.
pub(super) struct Canvas<'a> {
    area: Area<'a>,
}

/// How large text is, and how heavy. The library divides sizes by 1.24 for the SVG.
#[derive(Clone, Copy)]
pub(super) enum Size {
    Title,
    Heading,
    Normal,
    Small,
}

/// On which side of its point text is.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Right,
    Left,
    Centre,
}

fn failed(error: impl Display) -> ChartError {
    ChartError(error.to_string())
}

impl<'a> Canvas<'a> {
    /// A white canvas that writes to `svg`.
    pub(super) fn new(svg: &'a mut String, width: i32, height: i32) -> Result<Self, ChartError> {
        let size = (width.unsigned_abs(), height.unsigned_abs());
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        Ok(Self { area })
    }

    /// Writes the end of the file.
    pub(super) fn finish(self) -> Result<(), ChartError> {
        self.area.present().map_err(failed)
    }

    /// Text whose middle is at the height `y`.
    pub(super) fn text(
        &self,
        text: &str,
        (x, y): (i32, i32),
        size: Size,
        side: Side,
    ) -> Result<(), ChartError> {
        let (points, style) = match size {
            Size::Title => (25, FontStyle::Bold),
            Size::Heading => (19, FontStyle::Bold),
            Size::Normal => (17, FontStyle::Normal),
            Size::Small => (15, FontStyle::Normal),
        };
        let horizontal = match side {
            Side::Right => HPos::Left,
            Side::Left => HPos::Right,
            Side::Centre => HPos::Center,
        };
        let font = ("sans-serif", points).into_font().style(style);
        let style = font.color(&BLACK).pos(Pos::new(horizontal, VPos::Center));
        // XML has no place for control characters.
        let text: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        self.area.draw(&Text::new(text, (x, y), style)).map_err(failed)
    }

    /// A filled rectangle with its left upper corner at `(x, y)`.
    pub(super) fn bar(
        &self,
        (x, y): (i32, i32),
        (width, height): (i32, i32),
        pattern: Pattern,
    ) -> Result<(), ChartError> {
        let corners = [(x, y), (x + width, y + height)];
        let fill = Rectangle::new(corners, pattern.color.filled());
        self.area.draw(&fill).map_err(failed)?;
        for line in lines(pattern.hatching, width, height) {
            let line = line.map(|(dx, dy)| (x + dx, y + dy));
            self.line(&line, BLACK.mix(0.6).stroke_width(1))?;
        }
        let outline = Rectangle::new(corners, BLACK.stroke_width(1));
        self.area.draw(&outline).map_err(failed)
    }

    /// A white rectangle, on which text can be read.
    pub(super) fn clear(
        &self,
        (x, y): (i32, i32),
        (width, height): (i32, i32),
    ) -> Result<(), ChartError> {
        let white = Rectangle::new([(x, y), (x + width, y + height)], WHITE.filled());
        self.area.draw(&white).map_err(failed)
    }

    fn line(&self, points: &[(i32, i32)], style: ShapeStyle) -> Result<(), ChartError> {
        self.area.draw(&PathElement::new(points.to_vec(), style)).map_err(failed)
    }
}
