//! Figures counted from what people do, some seconds late: nothing a page waits for.

pub mod jobs;
pub mod views;
