//! Tables of what a run cost.
