//! Guest images: parsing, loading, and files that mean harm.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "guest_image/builder.rs"]
mod builder;
#[path = "guest_image/hostile.rs"]
mod hostile;
#[path = "guest_image/loading.rs"]
mod loading;
#[path = "guest_image/parsing.rs"]
mod parsing;
