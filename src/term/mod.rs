//! The terminal: what a person sees there and answers.

pub mod calendar;
pub mod clean;
pub mod edit;
pub mod human;
pub mod json;
pub mod locale;
pub mod meter;
pub mod milestones;
pub mod pauses;
pub mod qr;
pub mod queue;
#[cfg(unix)]
pub mod raw;
pub mod screen;
pub mod style;
pub mod tty;
pub mod word;
pub mod wrap;
pub mod writer;
