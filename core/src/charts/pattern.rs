//! How areas are filled: a colour and a hatching, for each share and for each run.

use plotters::style::RGBColor;

use crate::accounting::Share;

/// Okabe and Ito's colours ("Color Universal Design", 2008).
const ORANGE: RGBColor = RGBColor(0xe6, 0x9f, 0x00);
const SKY_BLUE: RGBColor = RGBColor(0x56, 0xb4, 0xe9);
const BLUISH_GREEN: RGBColor = RGBColor(0x00, 0x9e, 0x73);
const YELLOW: RGBColor = RGBColor(0xf0, 0xe4, 0x42);
const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const VERMILION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const REDDISH_PURPLE: RGBColor = RGBColor(0xcc, 0x79, 0xa7);
const GREY: RGBColor = RGBColor(0xbb, 0xbb, 0xbb);
const WHITE: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// Lines over a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hatching {
    None,
    /// Downwards to the right.
    Falling,
    /// Upwards to the right.
    Rising,
    Vertical,
    Horizontal,
}

/// A colour with lines over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) color: RGBColor,
    pub(super) hatching: Hatching,
}

/// The pattern of a share.
pub(super) const fn of_share(share: Share) -> Pattern {
    let (color, hatching) = match share {
        Share::GuestUser => (SKY_BLUE, Hatching::None),
        Share::GuestKernel => (BLUE, Hatching::Falling),
        Share::Hypervisor => (VERMILION, Hatching::Rising),
        Share::Transition => (ORANGE, Hatching::Vertical),
        Share::Idle => (WHITE, Hatching::Horizontal),
    };
    Pattern { color, hatching }
}

/// The pattern of the run with this number.
pub(super) fn of_run(index: usize) -> Pattern {
    // Not the colours of shares, which are in the same picture.
    const RUNS: [Pattern; 5] = [
        Pattern { color: GREY, hatching: Hatching::Horizontal },
        Pattern { color: REDDISH_PURPLE, hatching: Hatching::Rising },
        Pattern { color: YELLOW, hatching: Hatching::Vertical },
        Pattern { color: BLUISH_GREEN, hatching: Hatching::None },
        Pattern { color: WHITE, hatching: Hatching::Falling },
    ];
    let [first, ..] = RUNS;
    RUNS.get(index % RUNS.len()).copied().unwrap_or(first)
}

/// The lines of a hatching in a rectangle of this size, as pairs of points within it.
pub(super) fn lines(hatching: Hatching, width: i32, height: i32) -> Vec<[(i32, i32); 2]> {
    const STEP: usize = 6;
    // A falling line that enters the top edge at `start`, cut at the left and right edge.
    let falling = |start: i32| {
        let (from, to) = ((-start).max(0), height.min(width - start));
        (from < to).then_some([(start + from, from), (start + to, to)])
    };
    match hatching {
        Hatching::None => Vec::new(),
        Hatching::Falling => (-height..width).step_by(STEP).filter_map(falling).collect(),
        Hatching::Rising => {
            let mirrored = |line: [(i32, i32); 2]| line.map(|(x, y)| (x, height - y));
            (-height..width).step_by(STEP).filter_map(falling).map(mirrored).collect()
        }
        Hatching::Vertical => (3..width).step_by(STEP).map(|x| [(x, 0), (x, height)]).collect(),
        Hatching::Horizontal => (3..height).step_by(STEP).map(|y| [(0, y), (width, y)]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hatchings_stay_within_their_rectangle() {
        let all = [Hatching::Falling, Hatching::Rising, Hatching::Vertical, Hatching::Horizontal];
        for hatching in all {
            for (width, height) in [(0, 0), (1, 20), (300, 20), (7, 3)] {
                for (x, y) in lines(hatching, width, height).into_iter().flatten() {
                    assert!((0..=width).contains(&x) && (0..=height).contains(&y), "{hatching:?}");
                }
            }
            assert!(lines(hatching, 100, 20).len() > 2, "{hatching:?}");
        }
    }

    #[test]
    fn no_two_shares_look_alike_in_black_and_white() {
        for one in Share::ALL {
            for other in Share::ALL.iter().filter(|other| *other != one) {
                assert_ne!(of_share(*one).hatching, of_share(*other).hatching);
            }
        }
    }
}
